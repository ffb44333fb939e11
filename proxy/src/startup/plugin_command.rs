//! `penstock plugin ...`: the words of the command line and what is printed. The work is the plugin kit's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use penstock_plugin_kit::{KitError, bench, build, inspect, new, new_adapter, table, test};

/// Makes, builds, tests and measures plugins.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Makes a folder with a small plugin that works
    New {
        /// The plugin's name: lower-case letters, digits and `-`
        name: String,
        /// The folder to make [default: the name, here]
        #[arg(long, value_name = "FOLDER")]
        path: Option<PathBuf>,
        /// An adapter: it stands between the gateway and a provider
        #[arg(long)]
        adapter: bool,
    },
    /// Builds folders into components and checks them against plugin.yaml
    Build {
        /// The plugins' folders
        #[arg(required = true, value_name = "FOLDER")]
        folders: Vec<PathBuf>,
        /// The component to write, for a single folder [default: target/plugins/<name>.wasm]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Shows a component's hooks, capabilities, digest and size
    Inspect {
        /// A component, or a plugin's folder
        path: PathBuf,
    },
    /// Runs tests/cases.yaml in the real host
    Test {
        /// The plugins' folders
        #[arg(required = true, value_name = "FOLDER")]
        folders: Vec<PathBuf>,
    },
    /// Measures time and memory of each hook
    Bench {
        /// The plugins' folders
        #[arg(required = true, value_name = "FOLDER")]
        folders: Vec<PathBuf>,
    },
}

impl PluginCommand {
    /// Does it, and prints what came of it.
    pub fn run(self) -> ExitCode {
        let done = match self {
            PluginCommand::New { name, path, adapter } => {
                run_new(&name, path, if adapter { new_adapter } else { new })
            }
            PluginCommand::Build { folders, out } => run_build(&folders, out.as_deref()),
            PluginCommand::Inspect { path } => inspect(&path).map(|facts| {
                println!("{facts}");
                ExitCode::SUCCESS
            }),
            PluginCommand::Test { folders } => run_test(&folders),
            PluginCommand::Bench { folders } => run_bench(&folders),
        };
        done.unwrap_or_else(|error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        })
    }
}

fn run_new(
    name: &str,
    path: Option<PathBuf>,
    make: fn(&str, &Path) -> Result<PathBuf, KitError>,
) -> Result<ExitCode, KitError> {
    let folder = make(name, &path.unwrap_or_else(|| PathBuf::from(name)))?;
    let folder = folder.display();
    println!("made {folder}; next: penstock plugin test {folder}");
    Ok(ExitCode::SUCCESS)
}

fn run_build(folders: &[PathBuf], out: Option<&Path>) -> Result<ExitCode, KitError> {
    if out.is_some() && folders.len() > 1 {
        return Err(KitError::new("--out takes one component: name a single folder"));
    }
    for folder in folders {
        let built = build(folder, out)?;
        println!(
            "{} sha256:{} {} bytes",
            built.path.display(),
            built.digest,
            built.size
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn run_test(folders: &[PathBuf]) -> Result<ExitCode, KitError> {
    let (mut passed, mut failed) = (0, 0);
    for folder in folders {
        let report = test(folder)?;
        println!("{}\n{report}", folder.display());
        passed += report.passed();
        failed += report.failed();
    }
    println!("{passed} passed, {failed} failed");
    if passed + failed == 0 {
        return Err(KitError::new(
            "nothing was tested: write cases into tests/cases.yaml",
        ));
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_bench(folders: &[PathBuf]) -> Result<ExitCode, KitError> {
    for folder in folders {
        println!("{}\n{}", folder.display(), table(&bench(folder)?));
    }
    Ok(ExitCode::SUCCESS)
}
