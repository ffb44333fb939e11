//! Every file in policies/providers is read without a complaint; a wrong one is told where and how.

use super::*;

fn said(text: &str) -> Vec<String> {
    let mut findings = Findings::new("f".into());
    let kind = read("f", text, &mut findings);
    let concluded = findings.conclude(kind.map(|_| ()));
    concluded.map_or_else(
        |problems| problems.iter().map(ToString::to_string).collect(),
        |_| Vec::new(),
    )
}

#[test]
fn every_kind_in_the_program_is_right() {
    let mut wrong = Vec::new();
    for (name, text) in EMBEDDED {
        let mut findings = Findings::new(format!("{name}.yaml").into());
        let kind = read(name, text, &mut findings);
        wrong.extend(findings.conclude(kind).err().map(|problems| problems.to_string()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(Kinds::embedded().iter().count(), EMBEDDED.len());
}

#[test]
fn feature_b02_a_wrong_kind_is_told_with_line_nearest_name_and_remedy() {
    let text = r#"
name: Wrong
source: ["http://x"]
known: yesterday
base_url: "https://{regoin}.x"
dialects: [openai-chta]
variables:
  region: {about: where}
  host: {by: regon, otherwise: "{region}"}
paths: {"/chat/completion": "/x", "/embeddings": "x"}
query: {"a b": "1"}
headers: {x-a: "{region"}
parameters:
  - {drop: "a."}
  - {drop: a, rename: b}
  - {rename: a}
  - {drop: a, in: [openai-chatt]}
  - {drop: messages}
auht: [bearer]
"#;
    assert_eq!(
        said(text),
        [
            "f:3:9: `source` is missing or no list of public pages (source: [\"https://...\"], the pages that say what stands here)",
            "f:4:8: `known` is missing or no date (such as 2026-08-22)",
            "f:5:11: unknown variable `regoin` (did you mean `region`?)",
            "f:6:12: `openai-chta` is no dialect (one of openai-chat, openai-responses, anthropic-messages, gemini, bedrock-converse, cohere)",
            "f:9:14: `regon` is no variable before this one (the one whose value decides stands before it)",
            "f:10:9: `/chat/completion` is no page (did you mean `/chat/completions`?)",
            "f:10:50: not a path (it begins with a slash, below the base URL)",
            "f:11:9: not a parameter of a query (letters, digits and -_.~:/ only)",
            "f:12:16: a `{` without its `}` (write {variable})",
            "f:14:12: not the path of a field (such as logit_bias, response_format.strict or messages[].name)",
            "f:15:5: a rule says one thing of one field (such as {drop: logit_bias}; one of forward, drop, error, rename, map, clamp, allow, most_items, default, set)",
            "f:16:5: `rename` needs the new name, `to`",
            "f:17:20: `openai-chatt` is no kind of body (did you mean `openai-chat`?)",
            "f:18:12: `messages` is the gateway's own (a rule cannot change it)",
            "f:19:1: unknown key `auht` (did you mean `auth`?)",
        ]
    );
}

#[test]
fn the_list_says_where_each_kind_is_and_what_holds_its_key() {
    let list = Kinds::embedded().to_string();
    let line = |kind: &str| {
        let mut all = list
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        all.find(|words| words[0] == kind).unwrap().join(" ")
    };
    assert_eq!(line("groq"), "groq https://api.groq.com/openai/v1 GROQ_API_KEY");
    assert_eq!(line("ollama"), "ollama http://127.0.0.1:11434/v1 (no key)");
    assert_eq!(
        line("vertex"),
        "vertex https://{host}/v1/projects/{project}/locations/{location} (google)"
    );
    assert_eq!(list.lines().count(), EMBEDDED.len());
}

#[test]
fn a_kind_without_a_source_is_no_kind() {
    assert_eq!(
        said("name: X\nbase_url: https://x.example\n"),
        [
            "f: `source` is missing or no list of public pages (source: [\"https://...\"], the pages that say what stands here)",
            "f: `known` is missing or no date (such as 2026-08-22)",
        ]
    );
}
