//! Every file of `tests/config` is a configuration, and its comments `#>` are what is said about it: a problem, or, after
//! `warning`, a warning. `UPDATE=1` writes them anew, for review.

use std::path::{Path, PathBuf};

use crate::startup::chain::Chain;
use crate::startup::problem::Problem;
use crate::startup::sources::Seen;
use crate::startup::{Before, ConfigSource, Environment, Reading, check, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn environment() -> Environment {
    Environment::of([
        ("OPENAI_API_KEY", "sk-canary-openai"),
        ("TEAM_A_KEY", "sk-canary-in-file"),
        ("TEAM_B_KEY", "sk-canary-team-b"),
        ("TEAM_C_KEY", "sk-canary-team-c"),
        (
            "GOOGLE_OTHER",
            r#"{"type":"gdch_service_account","key":"canary"}"#,
        ),
        (
            "GOOGLE_KEY",
            r#"{"type":"service_account","client_email":"a@b","private_key":"canary"}"#,
        ),
        (
            "GOOGLE_PROGRAM",
            r#"{"type":"external_account","credential_source":{"executable":{"command":"canary"}}}"#,
        ),
        ("HOME", "/nonexistent"),
        ("CORPORATE_PROXY", "http://user:canary@proxy.example:3128"),
    ])
}

/// What is said about a file, without the parts that are of this machine.
fn said(path: &Path) -> Vec<String> {
    let plain = |problem: &Problem| {
        let place = format!("{}:{}: ", problem.mark.line, problem.mark.column);
        let text = Problem {
            file: "".into(),
            ..problem.clone()
        }
        .to_string();
        let text = text
            .split_once(": ")
            .map_or(text.as_str(), |(_, text)| text)
            .to_owned();
        format!("{place}{text}").replace(&format!("{}/", folder().display()), "")
    };
    match check(&ConfigSource::File(path.to_owned()), &environment()) {
        Ok(summary) => summary
            .warnings
            .iter()
            .map(|warning| format!("warning {}", plain(warning)))
            .collect(),
        Err(problems) => problems.iter().map(plain).collect(),
    }
}

#[test]
fn every_configuration_gets_the_answers_that_stand_in_it() {
    let mut wrong = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#> ")).collect();
        let said = said(path);
        assert!(
            !said.iter().any(|line| line.contains("canary")),
            "{} shows a secret: {said:#?}",
            path.display()
        );
        if std::env::var_os("UPDATE").is_some() {
            let body = text
                .lines()
                .filter(|line| !line.starts_with("#> "))
                .map(|line| format!("{line}\n"));
            let answers = said.iter().map(|line| format!("#> {line}\n"));
            std::fs::write(path, body.chain(answers).collect::<String>()).unwrap();
        } else if said != expected {
            wrong.push(format!("{}: {said:#?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example/penstock.yaml");
    let keys = [
        ("OPENAI_API_KEY", "sk-1"),
        ("AZURE_OPENAI_KEY", "sk-2"),
        ("TEAM_A_KEY", "sk-3"),
    ];
    let summary = check(&ConfigSource::File(path), &Environment::of(keys)).unwrap();
    assert_eq!(
        (summary.models, summary.providers, summary.plugins, summary.keys),
        (2, 2, 0, 2)
    );
    assert_eq!(summary.warnings, []);
}

#[test]
fn the_embedded_configuration_is_right() {
    for plugin in ["guard-secrets", "prompt-decorator", "route-balance"] {
        penstock_plugin_kit::built(plugin).unwrap();
    }
    let plugins = penstock_plugin_kit::built_path("guard-secrets").unwrap();
    let folder = plugins.parent().unwrap().to_str().unwrap();
    let here = [("PENSTOCK_PLUGIN_DIR", folder), ("OPENAI_API_KEY", "sk-canary")];
    let summary = check(&ConfigSource::Embedded, &Environment::of(here)).unwrap();
    assert_eq!(
        (summary.models, summary.providers, summary.plugins, summary.keys),
        (4, 2, 3, 1)
    );
    let warnings: Vec<String> = summary.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("the demo key sk-penstock-demo is accepted"),
        "{warnings:?}"
    );
    let keys = [
        ("GROQ_API_KEY", "k"),
        ("ANTHROPIC_API_KEY", "k"),
        ("GEMINI_API_KEY", "k"),
        ("COHERE_API_KEY", ""),
    ];
    let more = check(
        &ConfigSource::Embedded,
        &Environment::of(here.into_iter().chain(keys)),
    )
    .unwrap();
    assert_eq!((more.models, more.providers), (7, 5));
}

#[test]
fn feature_p06_a_key_in_the_environment_is_enough_and_the_file_counts_before_it() {
    let path = folder().join("environment.yaml");
    let source = ConfigSource::File(path.clone());
    let variables = [
        ("OPENAI_API_KEY", "sk-1"),
        ("TEAM_A_KEY", "sk-2"),
        ("GROQ_API_KEY", "sk-3"),
        // its region is missing, and its value is no host's part
        ("AWS_BEARER_TOKEN_BEDROCK", "sk-4"),
        ("SNOWFLAKE_PAT", "sk-5"),
        ("SNOWFLAKE_ACCOUNT", "https://x"),
    ];
    let Reading {
        checked, warnings, ..
    } = read(
        &source,
        &Environment::of(variables),
        None,
        &Before::nothing(&Chain::default()),
        &mut Seen::default(),
    )
    .unwrap();
    let snapshot = checked.snapshot;
    let mut names: Vec<&str> = snapshot.providers.keys().map(|name| &**name).collect();
    names.sort_unstable();
    assert_eq!(names, ["groq", "openai"]);
    assert_eq!(&*snapshot.providers["openai"].host, "own.example");
    let target = |model: &str| {
        snapshot
            .models
            .find(model)
            .map(|model| model.targets[0].id.to_string())
    };
    assert_eq!(target("openai/gpt").as_deref(), Some("openai/own-*"));
    assert_eq!(target("groq/llama").as_deref(), Some("groq/*"));
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [&*format!(
            "{}:2:29: `snowflake` is not served with the key of the environment: the value of a variable is one word of letters, digits and ._~:/@%- (without https:// where it is a host)",
            path.display()
        )]
    );
}
