//! Plugin folders from beginning to end, with the real compiler and the real host. Slow for a test: a new folder compiles
//! the SDK and its dependencies.

use std::fs;
use std::path::Path;

use penstock_plugin_kit::{build, built, inspect, new, test};

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("a file of the folder");
    assert!(text.contains(from), "{from} is in {}", file.display());
    fs::write(file, text.replace(from, to)).expect("writable");
}

#[test]
fn a_new_plugin_builds_passes_its_cases_and_has_the_same_bytes_in_two_folders() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let one = new("my-router", &scratch.path().join("one")).expect("made");
    let two = new("my-router", &scratch.path().join("deeper/two")).expect("made");
    let built = build(&one, None).expect("builds");
    let again = build(&two, Some(&scratch.path().join("out/again.wasm"))).expect("builds");
    assert_eq!(built.digest, again.digest, "the same sources, other folders");
    assert!(again.path.is_file());

    let report = test(&one).expect("runs");
    assert_eq!((report.passed(), report.failed()), (3, 0), "{report}");

    let facts = inspect(&built.path).expect("a component").to_string();
    assert!(facts.contains("hooks:        on-route\n"), "{facts}");
    assert!(
        facts.contains("capabilities: none\n"),
        "an unused capability is not imported: {facts}"
    );
    assert!(facts.contains(&format!("sha256:{}", built.digest)), "{facts}");

    wrong_parts_are_told(&one);
}

fn wrong_parts_are_told(folder: &Path) {
    replace(
        &folder.join("tests/cases.yaml"),
        "order: [1, 0, 2]",
        "order: [2, 0, 1]",
    );
    let report = test(folder).expect("runs");
    assert_eq!((report.passed(), report.failed()), (2, 1));
    assert!(
        report
            .to_string()
            .contains("order: got [1, 0, 2]\n      order: expected [2, 0, 1]"),
        "{report}"
    );

    let manifest = folder.join("plugin.yaml");
    replace(&manifest, "hooks: [on-route]", "hooks: [on-route, on-request]");
    let error = build(folder, None)
        .expect_err("the component has one hook")
        .to_string();
    assert!(
        error.contains("plugin.yaml:4: hooks:") && error.contains("write `hooks: [on-route]`"),
        "{error}"
    );
    replace(&manifest, "hooks: [on-route, on-request]", "hooks: [on-route]");

    replace(&manifest, "capabilities: []", "capabilities: [clock]");
    let error = build(folder, None)
        .expect_err("the component uses no clock")
        .to_string();
    assert!(error.contains("write `capabilities: []`"), "{error}");
    replace(&manifest, "capabilities: [clock]", "capabilities: [time]");
    let error = build(folder, None)
        .expect_err("there is no such capability")
        .to_string();
    assert!(
        error.contains("plugin.yaml:5: capabilities: `time` is none; there are log, metrics, clock"),
        "{error}"
    );
    replace(&manifest, "capabilities: [time]", "capabilities: []");

    replace(&folder.join("src/lib.rs"), "fn place(", "fn place(;");
    let error = build(folder, None).expect_err("no longer Rust").to_string();
    assert_eq!(error, "my-router does not compile, see above");
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    fs::write(scratch.path().join("mine"), "mine").expect("writable");
    let error = new("my-router", scratch.path())
        .expect_err("not empty")
        .to_string();
    assert!(error.contains("is not empty: nothing was written"), "{error}");
    assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 1);
    new("My Router", &scratch.path().join("x")).expect_err("no name for a crate");
    let error = build(scratch.path(), None).expect_err("no plugin").to_string();
    assert!(error.contains("has no plugin.yaml"), "{error}");
}

#[test]
fn the_plugins_of_this_repository_are_built_and_pass_their_cases() {
    let root = penstock_plugin_kit::repository();
    for name in ["guard-secrets", "prompt-decorator", "route-balance"] {
        assert!(!built(name).expect("builds").is_empty());
        let report = test(&root.join("plugins").join(name)).expect("runs");
        assert!(report.failed() == 0 && report.passed() >= 20, "{name}\n{report}");
    }
}
