//! Plugin folders from beginning to end, with the real compiler and the real host. Slow for a test: a new folder compiles
//! the SDK and its dependencies.

use std::fs;
use std::path::Path;

use penstock_plugin_kit::{bench, build, built, inspect, new, new_adapter, test};

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
    the_guides_budget_is_as_it_says(&two);
    look_ups_of_the_host_work_in_cases(&two);
    a_plugin_that_asks_a_service_is_tested_without_one(&one);
}

/// A plugin that asks the host for the catalogue, for tokens, for an operator's condition and for words.
const LOOKS_UP: &str = r#"
use penstock_plugin::prelude::*;
use penstock_plugin::{catalogue, expr, matching, tokenizer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    when: String,
}

struct LooksUp {
    when: u32,
    words: u32,
}

impl Plugin for LooksUp {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<(LooksUp, Interests), String> {
        let when = expr::compile(&settings.when, &["tokens".to_string()]).map_err(|why| format!("when: {why}"))?;
        let words = matching::compile(&["Hello".to_string()], true)?;
        Ok((LooksUp { when, words }, Interests::everything()))
    }
}

impl OnRequest for LooksUp {
    fn on_request(&self, call: &Call) -> RequestVerdict {
        let Some(tally) = tokenizer::count_segment(call, 0, &call.model()) else {
            return RequestVerdict::Proceed;
        };
        let price = catalogue::find(call, &call.model()).and_then(|targets| targets[0].input_price);
        let found = matching::find_in_call(call, self.words, 0, 10).len();
        let when = expr::test(call, self.when, &format!("{{\"tokens\": {}}}", tally.tokens));
        let models = catalogue::models(call, 0).models;
        RequestVerdict::Answer(Reply { text: format!("{tally:?} {price:?} {found} {when:?} {models:?}") })
    }
}

penstock_plugin::export!(LooksUp: on_request);
"#;

const LOOKED_UP: &str = r#"
settings: {when: "tokens > 1 && caller == 'team-a' && header('x-team') == 'blue'"}
cases:
  - name: what the host knows is there
    request: {model: gpt-4o, messages: [{role: user, content: hello hello}]}
    call:
      model: gpt-4o
      headers: {x-team: blue}
      catalogue: [{name: gpt-4o, targets: [{provider: openai, input_price: 2500000000}]}]
    expect:
      verdict: answer
      text: "Tally { tokens: 2, exact: true } Some(2500000000) 2 Ok(true) [\"gpt-4o\"]"
  - name: a misspelt condition is refused at load
    settings: {when: "token > 1"}
    expect: {verdict: invalid, message: "when: line 1, column 1: there is no `token`"}
"#;

fn look_ups_of_the_host_work_in_cases(folder: &Path) {
    fs::write(folder.join("src/lib.rs"), LOOKS_UP).expect("writable");
    fs::write(folder.join("tests/cases.yaml"), LOOKED_UP).expect("writable");
    let manifest = folder.join("plugin.yaml");
    replace(
        &manifest,
        "hooks: [on-request, on-complete]",
        "hooks: [on-request]",
    );
    let error = build(folder, None).expect_err("not declared").to_string();
    let line = "capabilities: [catalogue, tokenizer, expr, match]";
    assert!(error.contains(&format!("write `{line}`")), "{error}");
    replace(&manifest, "capabilities: [counters]", line);
    let report = test(folder).expect("runs");
    assert_eq!((report.passed(), report.failed()), (2, 0), "{report}");
    let facts = inspect(folder).expect("a component").to_string();
    assert!(
        facts.contains("capabilities: catalogue, tokenizer, expr, match\n"),
        "{facts}"
    );
    assert!(!bench(folder).expect("measures").is_empty());
}

/// The guide's second plugin, word for word, with its cases: they need what other cases must not see.
fn the_guides_budget_is_as_it_says(folder: &Path) {
    let guide = fs::read_to_string(folder.join("sdk/rust/README.md")).expect("the folder has the guide");
    fs::write(folder.join("src/lib.rs"), block(&guide, "rust", "struct Budget")).expect("writable");
    let manifest = folder.join("plugin.yaml");
    replace(&manifest, "hooks: [on-route]", "hooks: [on-request, on-complete]");
    replace(&manifest, "capabilities: []", "capabilities: [counters]");
    let fresh = "  - name: another caller does not
    before: [{summary: {completion_tokens: 10}}]
    call: {caller: other}
    request: {model: m, messages: [{role: user, content: hi}]}
    expect: {verdict: proceed, text: hi}
  - name: it starts anew with each case
    request: {model: m, messages: [{role: user, content: hi}]}
    expect: {verdict: proceed}
  - name: a setting of another type is named
    settings: {tokens_per_hour: many}
    expect: {verdict: invalid, message: \"tokens_per_hour: invalid type\"}
";
    let cases = block(&guide, "yaml", "before:") + fresh;
    fs::write(folder.join("tests/cases.yaml"), cases).expect("writable");
    let report = test(folder).expect("runs");
    assert_eq!((report.passed(), report.failed()), (4, 0), "{report}");
}

/// The block of a page that has this line in it.
fn block(page: &str, language: &str, holds: &str) -> String {
    let blocks = page.split("\n```");
    let mut of_language = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    let block = of_language.find(|block| block.contains(holds));
    format!("{}\n", block.expect("the page has such a block"))
}

/// The guide's own example.
fn a_plugin_that_asks_a_service_is_tested_without_one(folder: &Path) {
    let guide = include_str!("../../rust/README.md");
    let blocks = guide.split("```rust\n").skip(1);
    let source = blocks
        .filter_map(|block| block.split("```").next())
        .find(|block| block.contains("struct Policy"));
    fs::write(folder.join("src/lib.rs"), source.expect("it is there")).expect("writable");
    let manifest = folder.join("plugin.yaml");
    replace(&manifest, "hooks: [on-route]", "hooks: [on-request]");
    replace(&manifest, "capabilities: []", "capabilities: [http]");
    let cases = r#"
settings: {url: "https://policy.example.org/check"}
http:
  - {url: "https://policy.example.org/check", containing: secret, body: {allow: false}}
  - {url: "https://policy.example.org/check", body: {allow: true}}
cases:
  - name: a service lets it through
    request: {model: m, messages: [{role: user, content: hello}]}
    expect: {verdict: proceed}
  - name: a service says no
    request: {model: m, messages: [{role: user, content: a secret}]}
    expect: {verdict: refuse, status: 403, code: policy}
  - name: without an answer there is no verdict
    http: [{url: "https://policy.example.org/check", error: unreachable}]
    request: {model: m, messages: [{role: user, content: hello}]}
    expect: {verdict: fault, message: gave up}
  - name: another host cannot be asked
    settings: {url: "https://other.example.org/check"}
    request: {model: m, messages: [{role: user, content: hello}]}
    expect: {verdict: fault, message: gave up}
"#;
    fs::write(folder.join("tests/cases.yaml"), cases).expect("writable");
    let report = test(folder).expect("runs");
    assert_eq!((report.passed(), report.failed()), (4, 0), "{report}");
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
    new("penstock-plugin", &scratch.path().join("x")).expect_err("the SDK's own name");
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

#[test]
fn a_new_adapter_builds_and_passes_its_cases() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = new_adapter("acme-chat", &scratch.path().join("acme-chat")).expect("made");
    let report = test(&folder).expect("runs");
    assert_eq!((report.passed(), report.failed()), (4, 0), "{report}");
    let facts = inspect(&folder).expect("a component").to_string();
    assert!(
        facts.contains("hooks:        encode, decode\n") && facts.contains("capabilities: none\n"),
        "{facts}"
    );

    replace(&folder.join("plugin.yaml"), "[openai-chat]", "[cohere]");
    let told = test(&folder).expect("runs").to_string();
    assert!(
        told.contains("it speaks `openai-chat`, which plugin.yaml does not name"),
        "{told}"
    );
    replace(&folder.join("plugin.yaml"), "[encode, decode]", "[encode]");
    let told = build(&folder, None).expect_err("says too little").to_string();
    assert!(told.contains("write `hooks: [encode, decode]`"), "{told}");
}
