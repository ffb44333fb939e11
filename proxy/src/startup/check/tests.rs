//! Every file of `tests/config` is a configuration, and its comments `#>` are what is said about it: a problem, or, after
//! `warning`, a warning. `UPDATE=1` writes them anew, for review.

use std::path::{Path, PathBuf};

use crate::startup::problem::Problem;
use crate::startup::{ConfigSource, Environment, check};

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
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("groq") && !warnings[0].contains("openai ("),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("the demo key sk-penstock-demo is accepted"),
        "{warnings:?}"
    );
}
