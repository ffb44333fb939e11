//! The command line: one function for each subcommand. What they do is the library's.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use penstock::startup::plugin_command::PluginCommand;
use penstock::startup::problem::Problems;
use penstock::startup::{self, ConfigSource, Environment, logging, server};

/// Saves 7 to 14 % of the gateway's time for about 10 MB at rest.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `EX_CONFIG` of sysexits.h: a service manager should not try again.
const BAD_CONFIG: u8 = 78;

/// A programmable gateway for LLM traffic.
#[derive(Parser)]
#[command(name = "penstock", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is told to stop
    Run(Config),
    /// Says what is wrong with a configuration, without serving it
    Check(Config),
    /// Lists the kinds of providers that a configuration may name
    Kinds,
    /// Makes, builds, tests and measures plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Prints the version
    Version,
}

#[derive(Args)]
struct Config {
    /// The configuration [default: penstock.yaml, else one for trying things out]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    // Before anything that may use TLS: with none installed, a second provider in the build would make rustls panic.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("another TLS provider was installed before ours");
        return ExitCode::FAILURE;
    }
    let command = CommandLine::parse().command;
    logging::start(&Environment::process());
    let done = match command {
        Command::Run(config) => run(config),
        Command::Check(config) => check(config),
        Command::Kinds => Ok(kinds()),
        Command::Plugin(command) => return command.run(),
        Command::Version => Ok(version()),
    };
    done.unwrap_or_else(|problems| {
        eprintln!("{problems}");
        ExitCode::from(BAD_CONFIG)
    })
}

fn run(config: Config) -> Result<ExitCode, Problems> {
    let startup = startup::load(ConfigSource::find(config.config), None, Environment::process())?;
    Ok(server::run(startup))
}

fn check(config: Config) -> Result<ExitCode, Problems> {
    let summary = startup::check(&ConfigSource::find(config.config), &Environment::process())?;
    for warning in &summary.warnings {
        eprintln!("warning: {warning}");
    }
    println!("{summary}");
    Ok(ExitCode::SUCCESS)
}

fn kinds() -> ExitCode {
    match write!(std::io::stdout(), "{}", startup::kinds()) {
        // whoever reads a list may have seen enough of it
        Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn version() -> ExitCode {
    println!("penstock {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}
