//! What plugins get of the gateway by their capabilities, on real calls.

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM};
use crate::harness::client::{post, post_with};
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY, OTHER_KEY};
use crate::harness::message::Message;
use crate::harness::plugins::hostile_entry;
use crate::harness::provider::Provider;

/// Two keys and three models, the first at this price; every call meets a plugin that tells what the catalogue says.
fn priced(provider: &Provider, mode: &str, usd: &str) -> String {
    format!(
        r#"
plugins: [{}]
providers:
  main: {{base_url: "{url}", credentials: ["env:CREDENTIAL"]}}
models:
  - name: m
    targets:
      - {{provider: main, model: up, weight: 3, price: {{input_usd_per_million: {usd}, output_usd_per_million: 0.6}}}}
  - {{name: closed, targets: [{{provider: main}}]}}
  - {{name: "open/*", targets: [{{provider: main, model: "in/*"}}]}}
keys:
  - {{name: team-a, key: "env:KEY", models: ["*"]}}
  - {{name: team-b, key: "env:OTHER_KEY", models: ["m", "open/x"]}}
"#,
        hostile_entry(mode, ""),
        url = provider.url(),
    )
}

/// The text of a whole answer.
fn said(answer: &Message) -> String {
    let text = answer.json()["choices"][0]["message"]["content"].clone();
    text.as_str().expect("a text").to_owned()
}

const FIRST: &str = "m main/up 3 Some(150000000) Some(600000000)";

#[test]
fn a_plugin_sees_the_models_and_prices_that_its_caller_may_use() {
    let provider = Provider::start();
    let gateway = Gateway::of(&priced(&provider, "catalogue", "0.15"));
    let all = format!("{FIRST};closed main/closed 1 None None;open/* main/in/* 1 None None;{FIRST}");
    assert_eq!(said(&gateway.post(CHAT_PATH, CHAT)), all);
    let asked = CHAT.replace(r#""m""#, r#""open/x""#);
    let other = gateway.send(post(CHAT_PATH, OTHER_KEY, &asked));
    let allowed = format!("{FIRST};open/* none;open/x main/in/x 1 None None");
    assert_eq!(said(&other), allowed);
    assert!(!said(&other).contains(CREDENTIAL));
}

#[test]
fn a_call_in_flight_keeps_the_prices_of_the_generation_that_serves_it() {
    let provider = Provider::start();
    let gateway = Gateway::of(&priced(&provider, "catalogue-late", "0.15"));
    let mut old = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(gateway.change(&priced(&provider, "catalogue-late", "2.5")), Ok(2));
    let mut new = gateway.begin(CHAT_PATH, CHAT);
    provider.call().answer_json(200, ANSWER);
    call.answer_json(200, ANSWER);
    assert!(said(&old.answer()).starts_with(FIRST));
    let changed = FIRST.replace("150000000", "2500000000");
    assert!(said(&new.answer()).starts_with(&changed));
}

#[test]
fn a_capability_that_is_not_granted_is_refused_at_load_with_the_line_to_add() {
    let provider = Provider::start();
    let gateway = Gateway::before(&provider);
    let config = priced(&provider, "catalogue", "1").replace(", catalogue", "");
    let told = gateway.change(&config).expect_err("refused");
    assert!(
        told.contains("uses catalogue, which is not granted: grant it with `capabilities: [log, ")
            && told.contains(", catalogue, "),
        "{told}"
    );
    let served = gateway.get("/v1/models");
    assert_eq!(served.header("x-penstock-generation"), Some("1"));
}

#[test]
fn a_condition_sees_the_callers_headers_but_no_credential_and_a_wrong_one_is_refused_at_load() {
    let provider = Provider::start();
    let gateway = Gateway::of(&priced(&provider, "expr", "1"));
    let headers = [("x-team", "blue, red")];
    let asked = gateway.send(post_with(CHAT_PATH, KEY, &headers, CHAT_STREAM));
    assert!(asked.text().contains("Ok(true)"), "{}", asked.text());
    let without = gateway.send(post(CHAT_PATH, KEY, CHAT_STREAM));
    assert!(without.text().contains("Ok(false)"), "{}", without.text());

    let wrong = priced(&provider, "expr-of, expr: callr == 1", "1");
    let told = gateway.change(&wrong).expect_err("refused");
    assert!(told.contains("line 1, column 1: there is no `callr`"), "{told}");
    let again = gateway.send(post_with(CHAT_PATH, KEY, &headers, CHAT_STREAM));
    assert!(again.text().contains("Ok(true)"), "what served before serves on");
}

#[test]
fn the_tokens_of_a_real_request_are_counted_and_its_words_found_without_a_copy() {
    let provider = Provider::start();
    let body = r#"{"model":"gpt-4o","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"my secret is \"secret\""}]}"#;
    let of = |mode: &str| {
        let gateway = Gateway::with(&provider, &format!("plugins: [{}]", hostile_entry(mode, "")));
        said(&gateway.post(CHAT_PATH, body))
    };
    assert!(of("tokens").starts_with("Some(Tally { tokens: 6, exact: true }) None"));
    assert!(of("match").contains("[(1, 0, 9), (0, 14, 20)]"));
}
