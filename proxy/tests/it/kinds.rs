//! Kinds of providers at the wire: what the files in policies/providers and an operator's own make of a call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM};
use crate::harness::client::post;
use crate::harness::eventually;
use crate::harness::gateway::{CREDENTIAL, Gateway, KEY};
use crate::harness::message::Message;
use crate::harness::provider::Provider;
use crate::harness::tls::{self, Authority};
use crate::harness::tunnel;

const SOURCES: &str = "name: Mine\nsource: [\"https://docs.example\"]\nknown: 2026-11-26\n";

/// A folder with one kind of the operator's, `mine`.
fn folder(kind: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("kinds")).unwrap();
    write(folder.path(), kind);
    folder
}

fn write(folder: &Path, kind: &str) {
    std::fs::write(folder.join("kinds/mine.yaml"), format!("{SOURCES}{kind}")).unwrap();
}

/// A gateway with a provider `main` of the kind `mine`, whose variable `host` is the scripted provider.
fn of_kind(provider: &Provider, kind: &str) -> Gateway {
    Gateway::within(folder(kind), &config(provider))
}

fn config(provider: &Provider) -> String {
    format!(
        "provider_kinds: kinds\nproviders:\n  main: {{kind: mine, variables: {{host: \"{}\"}}, credentials: [\"env:CREDENTIAL\"]}}\n",
        provider.address
    )
}

const BASE: &str = "base_url: \"http://{host}/api\"\nvariables: {host: {about: where it is}}\n";

#[test]
fn feature_p06_a_kind_of_the_operators_decides_url_key_query_and_headers() {
    let provider = Provider::start();
    let kind = format!(
        "{BASE}auth: [{{header: api-key}}]\nquery: {{api-version: \"1\"}}\nheaders: {{x-where: \"{{host}}\"}}\npaths: {{\"*\": \"/deployments/{{model}}{{path}}\", \"/embeddings\": \"/embed\"}}\n"
    );
    let gateway = of_kind(&provider, &kind);
    let mut client = gateway.begin(CHAT_PATH, CHAT.replace("\"m\"", "\"a/b:c\""));
    let call = provider.call();
    assert_eq!(
        call.request.path(),
        "/api/deployments/a%2Fb%3Ac/chat/completions?api-version=1"
    );
    assert_eq!(call.request.header("api-key"), Some(CREDENTIAL));
    assert_eq!(call.request.header("authorization"), None);
    assert_eq!(
        call.request.header("x-where"),
        Some(provider.address.to_string().as_str())
    );
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let mut client = gateway.begin("/v1/embeddings", r#"{"model":"m","input":"x"}"#);
    let call = provider.call();
    assert_eq!(call.request.path(), "/api/embed?api-version=1");
    call.answer_json(200, r#"{"data":[]}"#);
    client.answer();
    let mut client = gateway.begin("/v1/rerank", r#"{"model":"m","query":"x","documents":[]}"#);
    let call = provider.call();
    assert_eq!(call.request.path(), "/api/deployments/m/rerank?api-version=1");
    call.answer_json(200, "{}");
    client.answer();
    // a raw path is the caller's own, but for what every query needs
    let mut client = gateway.begin("/main/files?api-version=2", "{}");
    let call = provider.call();
    assert_eq!(call.request.path(), "/api/files?api-version=2");
    call.answer_json(200, "{}");
    client.answer();
}

#[test]
fn feature_p06_what_the_configuration_says_itself_counts_before_its_kind() {
    let provider = Provider::start();
    let kind = format!(
        "{BASE}auth: [{{header: api-key}}]\nquery: {{a: kind, b: kind}}\nheaders: {{x-a: kind, x-b: kind}}\npaths: {{\"/chat/completions\": /kind, \"/embeddings\": /kind}}\nparameters: [{{drop: user}}]\n"
    );
    let config = format!(
        r#"
provider_kinds: kinds
providers:
  main:
    kind: mine
    base_url: "http://{{host}}/own"
    variables: {{host: "{}"}}
    credentials: ["env:CREDENTIAL"]
    auth: bearer
    query: {{a: own}}
    headers: {{x-a: own}}
    paths: {{"/chat/completions": /chat}}
    parameters: [{{drop: seed}}]
"#,
        provider.address
    );
    let gateway = Gateway::within(folder(&kind), &config);
    let mut client = gateway.begin(CHAT_PATH, r#"{"model":"m","seed":1,"user":"u","messages":[]}"#);
    let call = provider.call();
    assert_eq!(call.request.path(), "/own/chat?a=own&b=kind");
    assert_eq!(
        (call.request.header("x-a"), call.request.header("x-b")),
        (Some("own"), Some("kind"))
    );
    assert_eq!(call.request.header("api-key"), None);
    assert_eq!(
        call.request.header("authorization"),
        Some(format!("Bearer {CREDENTIAL}").as_str())
    );
    assert_eq!(call.request.text(), r#"{"model":"m","user":"u","messages":[]}"#);
    call.answer_json(200, ANSWER);
    client.answer();
    let mut client = gateway.begin("/v1/embeddings", r#"{"model":"m","input":"x"}"#);
    let call = provider.call();
    assert_eq!(call.request.path(), "/own/kind?a=own&b=kind");
    call.answer_json(200, r#"{"data":[]}"#);
    client.answer();
}

#[test]
fn feature_p01_a_models_name_cannot_leave_its_place_in_a_path() {
    let provider = Provider::start();
    let kind = format!("{BASE}paths: {{\"*\": \"/deployments/{{model}}{{path}}\"}}\n");
    let gateway = of_kind(&provider, &kind);
    for model in [".", ".."] {
        let answer = gateway.post(CHAT_PATH, CHAT.replace("\"m\"", &format!("\"{model}\"")));
        assert_eq!(
            (answer.status(), answer.error_code(), answer.error_param()),
            (400, "invalid_model".into(), "model".into())
        );
    }
    provider.saw_nothing();
}

#[test]
fn feature_p02_claude_on_vertex_has_its_model_in_the_path_and_another_page_for_streams() {
    let provider = Provider::start();
    let config = format!(
        r#"
providers:
  main:
    kind: vertex-anthropic
    base_url: "http://{}/v1/projects/{{project}}/locations/{{location}}"
    variables: {{project: p, location: europe-west1}}
    credentials: ["env:CREDENTIAL"]
"#,
        provider.address
    );
    let gateway = Gateway::of(&config);
    let body = r#"{"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"model":"claude@1"}"#;
    let mut client = gateway.begin("/v1/messages", body);
    let call = provider.call();
    assert_eq!(
        call.request.path(),
        "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude@1:rawPredict"
    );
    assert_eq!(
        call.request.text(),
        r#"{"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"anthropic_version":"vertex-2023-10-16"}"#
    );
    call.answer_json(200, "{}");
    assert_eq!(client.answer().header("x-penstock-dropped"), None);
    let mut client = gateway.begin(CHAT_PATH, CHAT_STREAM.replace("\"m\"", "\"claude\""));
    let call = provider.call();
    assert!(
        call.request.path().ends_with("/models/claude:streamRawPredict"),
        "{}",
        call.request.path()
    );
    let sent = call.request.json();
    assert_eq!(
        (&sent["anthropic_version"], &sent["model"]),
        (&json!("vertex-2023-10-16"), &Value::Null)
    );
    call.answer_json(500, "{}");
    client.answer();
}

#[test]
fn feature_p02_embeddings_of_vertex_are_asked_for_where_it_predicts() {
    let provider = Provider::start();
    let config = format!(
        r#"
providers:
  main:
    kind: vertex
    base_url: "http://{}/v1/projects/{{project}}/locations/{{location}}"
    variables: {{project: p}}
    credentials: ["env:CREDENTIAL"]
"#,
        provider.address
    );
    let gateway = Gateway::of(&config);
    let mut client = gateway.begin("/v1/embeddings", r#"{"model":"m","input":"x"}"#);
    let call = provider.call();
    assert_eq!(
        call.request.path(),
        "/v1/projects/p/locations/global/publishers/google/models/m:predict"
    );
    assert_eq!(call.request.json()["instances"][0]["content"], "x");
    call.answer_json(500, "{}");
    client.answer();
}

#[test]
fn a_kind_that_needs_no_key_is_shown_none_and_one_that_is_there_is_shown() {
    let provider = Provider::start();
    for (credentials, shown) in [
        ("", None),
        (
            ", credentials: [\"env:CREDENTIAL\"]",
            Some(format!("Bearer {CREDENTIAL}")),
        ),
    ] {
        let gateway = Gateway::of(&format!(
            "providers:\n  main: {{kind: ollama, base_url: \"{}\"{credentials}}}\n",
            provider.url()
        ));
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let call = provider.call();
        assert_eq!(call.request.header("authorization"), shown.as_deref());
        call.answer_json(200, ANSWER);
        client.answer();
    }
}

#[test]
fn feature_p06_a_key_in_the_environment_serves_all_models_of_its_provider() {
    let provider = Provider::start();
    let kind = format!("base_url: \"{}\"\nkey: [NOT_SET, CREDENTIAL]\n", provider.url());
    let config = "provider_kinds: kinds\nproviders_from_environment: true\nproviders: {other: {kind: ollama}}\nmodels: [{name: other, targets: [{provider: other}]}]\n";
    let gateway = Gateway::within(folder(&kind), config);
    let mut client = gateway.begin(CHAT_PATH, CHAT.replace("\"m\"", "\"mine/gpt-4o\""));
    let call = provider.call();
    assert_eq!(call.request.json()["model"], "gpt-4o");
    assert_eq!(
        call.request.header("authorization"),
        Some(format!("Bearer {CREDENTIAL}").as_str())
    );
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn files_are_where_the_kind_has_its_pages_but_never_below_a_model() {
    let provider = Provider::start();
    for (others, path) in [
        ("/compatible/v1{path}", "/api/compatible/v1/files"),
        ("/deployments/{model}{path}", "/api/files"),
    ] {
        let gateway = of_kind(&provider, &format!("{BASE}paths: {{\"*\": \"{others}\"}}\n"));
        let answer = std::thread::scope(|scope| {
            let asked = scope.spawn(|| gateway.get("/v1/files"));
            let call = provider.call();
            assert_eq!(call.request.path(), path);
            call.answer_json(200, r#"{"object":"list","data":[],"has_more":false}"#);
            asked.join().unwrap()
        });
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}

#[test]
fn a_key_in_the_query_is_sent_and_is_in_no_record() {
    let provider = Provider::start();
    let kind = format!("{BASE}auth: [{{query: key}}]\n");
    let gateway = of_kind(&provider, &kind);
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(
        call.request.path(),
        format!("/api/chat/completions?key={CREDENTIAL}")
    );
    assert_eq!(call.request.header("authorization"), None);
    call.answer_json(400, format!(r#"{{"error":{{"message":"bad {CREDENTIAL}"}}}}"#));
    let answer = client.answer();
    assert!(!answer.text().contains(CREDENTIAL), "{}", answer.text());
    let mut client = gateway.begin("/main/files?a=b", "{}");
    let call = provider.call();
    assert_eq!(call.request.path(), format!("/api/files?a=b&key={CREDENTIAL}"));
    call.answer_json(200, "{}");
    client.answer();
    gateway.records(2);
    assert!(!gateway.records_text().contains(CREDENTIAL));
}

#[test]
fn a_key_may_follow_another_word_than_bearer() {
    let provider = Provider::start();
    let gateway = of_kind(&provider, &format!("{BASE}auth: [{{scheme: Api-Key}}]\n"));
    let mut client = gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(
        call.request.header("authorization"),
        Some(format!("Api-Key {CREDENTIAL}").as_str())
    );
    call.answer_json(200, ANSWER);
    client.answer();
}

#[test]
fn feature_p06_a_changed_kind_is_served_without_a_restart_and_a_wrong_one_is_refused() {
    let provider = Provider::start();
    let gateway = of_kind(&provider, BASE);
    let path = || {
        let mut client = gateway.begin(CHAT_PATH, CHAT);
        let call = provider.call();
        call.answer_json(200, ANSWER);
        client.answer();
        call.request.path().to_owned()
    };
    assert_eq!(path(), "/api/chat/completions");
    // nobody asks for it: the file is watched
    write(
        gateway.folder(),
        &format!("{BASE}paths: {{\"/chat/completions\": \"/chat\"}}\n"),
    );
    eventually("the changed kind is served", || {
        (path() == "/api/chat").then_some(())
    });
    write(
        gateway.folder(),
        &format!("{BASE}pahts: {{\"/chat/completions\": \"/x\"}}\n"),
    );
    let refused = gateway.change(&config(&provider)).unwrap_err();
    let kind = gateway.folder().join("kinds/mine.yaml");
    assert_eq!(
        refused.lines().next(),
        Some(
            format!(
                "{}:6:1: unknown key `pahts` (did you mean `paths`?)",
                kind.display()
            )
            .as_str()
        )
    );
    assert_eq!(path(), "/api/chat");
    // a new file is a kind at once, and takes the place of one in the program
    write(gateway.folder(), BASE);
    std::fs::write(
        gateway.folder().join("kinds/groq.yaml"),
        format!("{SOURCES}base_url: \"http://{}/own\"\n", provider.address),
    )
    .unwrap();
    let config =
        "provider_kinds: kinds\nproviders:\n  main: {kind: groq, credentials: [\"env:CREDENTIAL\"]}\n";
    gateway.change(config).unwrap();
    assert_eq!(path(), "/own/chat/completions");
}

/// Everything that rules are about.
const ASKED: &str = r#"{"model":"MODEL","messages":[{"role":"user","name":"n","content":"hi"}],"stream":true,"max_completion_tokens":9,"temperature":1.5,"n":2,"seed":1,"user":"u","logit_bias":{"1":2},"logprobs":true,"top_logprobs":1,"frequency_penalty":0.5,"presence_penalty":0.5}"#;
/// What every dialect has.
const PLAIN: &str = r#"{"model":"MODEL","messages":[{"role":"user","content":"hi"}],"stream":true,"max_completion_tokens":9}"#;
const MESSAGES: &str = r#"{"model":"MODEL","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;

const EMBEDDINGS: &str = r#"{"model":"MODEL","input":"x","dimensions":8,"user":"u"}"#;

/// One block of the table: `kind variable=value ... +messages`, then what its provider gets.
struct Row {
    head: String,
    expected: Vec<String>,
}

impl Row {
    fn kind(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    fn variables(&self) -> String {
        let pairs = self
            .head
            .split(' ')
            .skip(1)
            .filter_map(|word| word.split_once('='));
        pairs
            .map(|(name, value)| format!("{name}: \"{value}\""))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn table_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kinds.txt")
}

fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(table_path()).unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match (line.strip_prefix("  "), rows.last_mut()) {
            (Some(expected), Some(row)) => row.expected.push(expected.to_owned()),
            _ => rows.push(Row {
                head: line.to_owned(),
                expected: Vec::new(),
            }),
        }
    }
    rows
}

fn embedded() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/providers");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut names: Vec<String> = yaml
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// A gateway with a provider of every kind, which all lead to one scripted provider, whatever their hosts.
fn of_all_kinds(rows: &[Row], provider: &Provider) -> Gateway {
    let authority = Authority::new();
    let hosts = hosts(rows);
    let front = tls::in_front_of(
        provider.address,
        Authority::server(&authority.certify_all(hosts), None, &[]),
    );
    let plain = provider.address;
    let (proxy, _) = tunnel::connect_proxy_by(
        move |head| {
            if head.contains(":443 HTTP/1.1\r\nHost") {
                front
            } else {
                plain
            }
        },
        "200 OK",
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
    let mut config = String::from("limits: {requests: 1000}\nproviders:\n");
    let mut models = String::from("models:\n");
    for row in rows {
        let (kind, variables) = (row.kind(), row.variables());
        config.push_str(&format!(
            "  {kind}: {{kind: {kind}, variables: {{{variables}}}, credentials: [\"env:CREDENTIAL\"], ca: authority.pem, connect_proxy: \"http://{proxy}\"}}\n"
        ));
        models.push_str(&format!(
            "  - {{name: \"{kind}/*\", targets: [{{provider: {kind}, model: \"*\"}}]}}\n"
        ));
    }
    Gateway::within(folder, &format!("{config}{models}"))
}

/// The hosts in the table's own words: a certificate for any other would not be believed.
fn hosts(rows: &[Row]) -> Vec<String> {
    let lines = rows.iter().flat_map(|row| &row.expected);
    let hosts = lines.filter_map(|line| line.split_once("https://")?.1.split('/').next());
    let mut hosts: Vec<String> = hosts.map(str::to_owned).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// What came to the provider: method and URL, how the key was shown, and what became of the body.
fn came(asked: &str, request: &Message) -> Vec<String> {
    let host = request.header("host").unwrap_or_default();
    let is_local = host.starts_with("127.0.0.1:");
    let scheme = if is_local { "http" } else { "https" };
    let method = request.start_line().split(' ').next().unwrap_or_default();
    let mut lines = vec![format!("{method} {scheme}://{host}{}", request.path())];
    let shown = request.headers().filter(|(_, value)| value.contains(CREDENTIAL));
    lines.extend(shown.map(|(name, value)| format!("{name}: {}", value.replace(CREDENTIAL, "KEY"))));
    let own = ["anthropic-version"].into_iter();
    lines.extend(own.filter_map(|name| Some(format!("{name}: {}", request.header(name)?))));
    lines.push(changes(asked, &request.json()));
    lines
}

/// `-field` for what is gone, `+field=value` for what is new or different; the same says nothing.
fn changes(asked: &str, sent: &Value) -> String {
    let fields = |value: Value| -> BTreeMap<String, Value> { serde_json::from_value(value).unwrap() };
    let (before, after) = (fields(serde_json::from_str(asked).unwrap()), fields(sent.clone()));
    let gone = before.keys().filter(|field| !after.contains_key(*field));
    let mut words: Vec<String> = gone.map(|field| format!("-{field}")).collect();
    let new = after
        .iter()
        .filter(|(field, value)| *field != "model" && before.get(*field) != Some(value));
    words.extend(new.map(|(field, value)| format!("+{field}={value}")));
    format!(
        "body {}",
        if words.is_empty() {
            "as it came".to_owned()
        } else {
            words.join(" ")
        }
    )
}

#[test]
fn feature_p04_every_kind_in_the_program_builds_the_call_that_its_row_says() {
    let mut rows = table();
    let named: Vec<&str> = rows.iter().map(Row::kind).collect();
    assert_eq!(
        named,
        embedded(),
        "every kind has a row, in the order of the names"
    );
    let provider = Provider::start();
    let gateway = of_all_kinds(&rows, &provider);
    let mut wrong = Vec::new();
    for row in &mut rows {
        let calls = match row.head.rsplit(' ').next() {
            Some("(translated)") => vec![(CHAT_PATH, PLAIN)],
            Some("(embeddings)") => vec![("/v1/embeddings", EMBEDDINGS)],
            Some("+messages") => vec![(CHAT_PATH, ASKED), ("/v1/messages", MESSAGES)],
            _ => vec![(CHAT_PATH, ASKED)],
        };
        let mut found = Vec::new();
        for (path, body) in calls {
            let asked = body.replace("MODEL", &format!("{}/m-1", row.kind()));
            let mut client = gateway.connect();
            client.send(post(path, KEY, &asked));
            let call = provider.call();
            found.extend(came(&asked, &call.request));
            call.answer_json(400, r#"{"error":{"message":"no"}}"#);
            client.answer();
        }
        if found != row.expected {
            wrong.push(format!("{}\n  {}", row.head, found.join("\n  ")));
            row.expected = found;
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        let text = std::fs::read_to_string(table_path()).unwrap();
        let top: String = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        let blocks = rows
            .iter()
            .map(|row| format!("{}\n  {}\n", row.head, row.expected.join("\n  ")));
        std::fs::write(table_path(), top + &blocks.collect::<String>()).unwrap();
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn a_list_of_kinds_that_nobody_reads_to_its_end_is_no_error() {
    let mut listing = std::process::Command::new(env!("CARGO_BIN_EXE_penstock"))
        .arg("kinds")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(listing.stdout.take());
    let ended = listing.wait_with_output().expect("it ends");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}
