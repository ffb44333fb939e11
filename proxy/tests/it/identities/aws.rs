//! AWS: signatures, roles, and the places where its SDKs look for keys.

use serde_json::json;

use super::{SECRETS, Stand, config};
use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH, CHAT_STREAM};
use crate::harness::provider::{Call, Provider, refusing};
use crate::harness::sigv4::Signer;
use crate::harness::{eventually, log};

const KEY_ID: &str = "AKIAPENSTOCKTEST0001";
const SECRET: &str = SECRETS[0];
const TOKEN: &str = SECRETS[1];

const KEYS: &str = r#"access_key_id: "env:AWS_ID", secret_access_key: "env:AWS_SECRET""#;
const VARIABLES: [(&str, &str); 3] = [("AWS_ID", KEY_ID), ("AWS_SECRET", SECRET), ("AWS_TOKEN", TOKEN)];

const CONVERSE: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Good day."}]}},"stopReason":"end_turn","usage":{"inputTokens":5,"outputTokens":3,"totalTokens":8},"metrics":{"latencyMs":1}}"#;

/// The keys of the configuration.
const OWN: Signer<'static> = Signer {
    access_key_id: KEY_ID,
    secret_access_key: SECRET,
    session_token: None,
    region: "eu-central-1",
    service: "bedrock",
};

/// What STS and other endpoints give.
const GIVEN: Signer<'static> = Signer {
    access_key_id: "ASIAGIVEN00000000001",
    secret_access_key: "identity-canary-secret-5d1f-given",
    session_token: Some(TOKEN),
    ..OWN
};

/// A provider of Converse, with an ARN for a model.
fn bedrock(provider: &Provider, aws: &str, lines: &str) -> String {
    format!(
        r#"
providers:
  main:
    base_url: "http://{}"
    dialects: [bedrock-converse]
    credentials: [{{aws: {{region: eu-central-1, {aws}}}}}]
models:
  - {{name: m, targets: [{{provider: main, model: "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0"}}]}}
{lines}
"#,
        provider.address
    )
}

const MODEL_PATH: &str = "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-x-v1%3A0";

#[test]
fn p02_a_caller_of_chat_completions_reaches_converse_with_a_signature_that_aws_takes() {
    let provider = Provider::start();
    let stand = Stand::new(&bedrock(&provider, KEYS, ""), &VARIABLES);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    let call = provider.call();
    assert_eq!(call.request.path(), format!("{MODEL_PATH}/converse"));
    assert_eq!(call.request.header("x-amz-date"), Some("20260301T120000Z"));
    OWN.check(&call.request);
    call.answer_json(200, CONVERSE);
    let told = client.answer();
    assert_eq!(told.json()["choices"][0]["message"]["content"], "Good day.");
    assert_eq!(stand.gateway.record()["usage"]["completion"], 3);
    stand.shows_no_secret(&[&told]);
}

#[test]
fn p02_a_stream_of_converse_comes_by_a_signed_request() {
    let provider = Provider::start();
    let keys = format!(r#"{KEYS}, session_token: "env:AWS_TOKEN""#);
    let stand = Stand::new(&bedrock(&provider, &keys, ""), &VARIABLES);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT_STREAM);
    let call = provider.call();
    assert_eq!(call.request.path(), format!("{MODEL_PATH}/converse-stream"));
    Signer {
        session_token: Some(TOKEN),
        ..OWN
    }
    .check(&call.request);
    call.begin(200, &[("content-type", "application/vnd.amazon.eventstream")]);
    for (name, payload) in [
        ("messageStart", json!({"role": "assistant"})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"text": "Good day."}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8}}),
        ),
    ] {
        let mut frame = Vec::new();
        penstock_llm::eventstream::write_event(name, payload.to_string().as_bytes(), &mut frame).unwrap();
        call.chunk(frame);
    }
    call.end();
    let told = client.answer();
    assert!(
        told.text().contains("Good day.") && told.text().ends_with("data: [DONE]\n\n"),
        "{}",
        told.text()
    );
    stand.shows_no_secret(&[&told]);
}

#[test]
fn p02_a_raw_call_is_signed_with_path_and_query_as_they_are_sent() {
    let provider = Provider::start();
    let stand = Stand::new(&bedrock(&provider, KEYS, ""), &VARIABLES);
    for path in [
        "/model/anthropic.claude-x-v1:0/invoke?b=2&a=1%20y&a=0&c=",
        "/model/a%2Fb%20c~d/invoke?x=%C3%A9%26&y=arn%3Aaws",
        "/guardrail/g_1/version/1/apply",
    ] {
        let mut client = stand.gateway.begin(&format!("/main{path}"), CHAT);
        let call = provider.call();
        assert_eq!(call.request.path(), path);
        OWN.check(&call.request);
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().text(), ANSWER);
    }
}

#[test]
fn each_attempt_is_signed_for_its_own_region_and_body() {
    let (first, second) = (Provider::start(), Provider::start());
    let provider = |name: &str, provider: &Provider, region: &str| {
        format!(
            "  {name}: {{base_url: \"{}\", credentials: [{{aws: {{region: {region}, service: bedrock-mantle, {KEYS}}}}}]}}\n",
            provider.url()
        )
    };
    let config = format!(
        "providers:\n{}{}models: [{{name: m, targets: [{{provider: a, model: m-of-a}}, {{provider: b, model: m-of-b}}]}}]",
        provider("a", &first, "eu-central-1"),
        provider("b", &second, "us-gov-west-1")
    );
    let stand = Stand::new(&config, &VARIABLES);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    let call = first.call();
    Signer {
        service: "bedrock-mantle",
        ..OWN
    }
    .check(&call.request);
    call.answer_json(503, "{}");
    let call = second.call();
    Signer {
        service: "bedrock-mantle",
        region: "us-gov-west-1",
        ..OWN
    }
    .check(&call.request);
    assert_eq!(call.request.json()["model"], "m-of-b");
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
}

/// STS's answer to what it was asked, with keys for an hour.
fn assumed(call: &Call, expiration: &str) {
    let form = super::form(&call.request);
    let action = super::field(&form, "Action");
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser><AssumedRoleId>AROA:penstock</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/bedrock/penstock</Arn></AssumedRoleUser><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken><Expiration>{expiration}</Expiration></Credentials></{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>",
        GIVEN.access_key_id, GIVEN.secret_access_key
    );
    call.answer(200, "text/xml", body);
}

fn with_role(provider: &Provider, sts: &str, lines: &str) -> String {
    let aws = format!(
        r#"{KEYS}, role_arn: "arn:aws:iam::123456789012:role/bedrock", external_id: ours, role_duration_s: 3600, sts_endpoint: "{sts}""#
    );
    let credential = format!("{{aws: {{region: eu-central-1, {aws}}}}}");
    format!("{}{lines}", config(provider, &credential))
}

/// Of an endpoint that the test plays.
fn url(endpoint: &Provider) -> String {
    format!("http://{}", endpoint.address)
}

#[test]
fn p02_a_role_is_taken_on_once_for_all_calls_and_renewed_before_its_keys_end() {
    let (provider, sts) = (Provider::start(), Provider::start());
    let stand = Stand::new(&with_role(&provider, &url(&sts), ""), &VARIABLES);
    let mut clients = [
        stand.gateway.begin(CHAT_PATH, CHAT),
        stand.gateway.begin(CHAT_PATH, CHAT),
    ];
    let asked = sts.call();
    Signer {
        service: "sts",
        ..OWN
    }
    .check(&asked.request);
    let form = super::form(&asked.request);
    assert_eq!(super::field(&form, "Action"), "AssumeRole");
    assert_eq!(
        super::field(&form, "RoleArn"),
        "arn:aws:iam::123456789012:role/bedrock"
    );
    assert_eq!(super::field(&form, "ExternalId"), "ours");
    assert_eq!(super::field(&form, "RoleSessionName"), "penstock");
    assert_eq!(super::field(&form, "DurationSeconds"), "3600");
    assumed(&asked, "2026-03-01T13:00:00Z");
    for _ in &clients {
        let call = provider.call();
        GIVEN.check(&call.request);
        call.answer_json(200, ANSWER);
    }
    for client in &mut clients {
        assert_eq!(client.answer().text(), ANSWER);
    }
    stand.at_minute(54);
    stand.served(&provider);
    assert_eq!(sts.calls(), 1);
    // five minutes before their end they are renewed beside the call, which does not wait
    stand.at_minute(55);
    stand.served(&provider);
    let asked = sts.call();
    stand.served(&provider);
    assumed(&asked, "2026-03-01T14:00:00Z");
    eventually("the renewal is counted", || {
        (stand.renewals("aws", "renewed") == 2.0).then_some(())
    });
    // nobody called for long: the next one waits
    stand.at_minute(180);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    let asked = sts.call();
    assert_eq!(provider.calls(), 5);
    assumed(&asked, "2026-03-01T16:00:00Z");
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    stand.shows_no_secret(&[]);
}

#[test]
fn r39_without_keys_the_next_target_is_tried_and_the_caller_is_never_told_401() {
    let provider = Provider::start();
    type Failing = (&'static str, fn(Call));
    let failures: [Failing; 4] = [
        ("status 500", |call| {
            call.answer_json(500, format!("{{\"m\":\"{SECRET}\"}}"));
        }),
        ("garbage", |call| {
            call.answer(200, "text/xml", format!("<x>{SECRET}"));
        }),
        ("denied", |call| {
            call.answer(
                403,
                "text/xml",
                format!("<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no {SECRET}</Message></Error></ErrorResponse>"),
            );
        }),
        ("cut", |call| call.close()),
    ];
    for (name, fails) in failures {
        let sts = Provider::start();
        let stand = Stand::new(&with_role(&provider, &url(&sts), ""), &VARIABLES);
        let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
        fails(sts.call());
        let told = client.answer();
        assert_eq!(
            (told.status(), told.error_code().as_str()),
            (502, "upstream_credentials_unavailable"),
            "{name}"
        );
        assert!(told.error_message().contains("provider main"), "{}", told.text());
        let record = stand.gateway.record();
        assert_eq!(record["attempts"][0]["outcome"], "credential");
        assert_eq!(stand.renewals("aws", "failed"), 1.0);
        // it is not asked again at once
        let again = stand.gateway.post(CHAT_PATH, CHAT);
        assert_eq!((again.status(), sts.calls()), (502, 1));
        // but after its rest
        stand.clock.fetch_add(1_000, std::sync::atomic::Ordering::SeqCst);
        let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
        assumed(&sts.call(), "2026-03-01T13:00:00Z");
        provider.call().answer_json(200, ANSWER);
        assert_eq!(client.answer().text(), ANSWER);
        stand.shows_no_secret(&[&told, &again]);
    }
    assert!(log::has("provider main, credential 0 (aws): no token: "));
    assert!(log::has(": status 403, AccessDenied"));
}

#[test]
fn r39_a_token_endpoint_that_is_down_or_slow_leaves_the_call_to_the_next_target() {
    let (slow, other) = (Provider::start(), Provider::start());
    for sts in [format!("http://{}", refusing()), url(&slow)] {
        let provider = Provider::start();
        let lines = format!(
            "  b: {{base_url: \"{}\", auth: none}}\nmodels: [{{name: m, targets: [{{provider: main, model: m}}, {{provider: b, model: m}}]}}]\ntimeouts: {{first_byte_ms: 300}}",
            other.url()
        );
        let stand = Stand::new(&with_role(&provider, &sts, &lines), &VARIABLES);
        let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
        other.call().answer_json(200, ANSWER);
        assert_eq!(client.answer().text(), ANSWER);
        let record = stand.gateway.record();
        assert_eq!(record["attempts"][0]["outcome"], "credential");
        assert_eq!(record["attempts"][1]["outcome"], "served");
        provider.saw_nothing();
    }
}

#[test]
fn keys_that_are_refused_are_got_anew_once() {
    let (provider, sts) = (Provider::start(), Provider::start());
    let stand = Stand::new(&with_role(&provider, &url(&sts), ""), &VARIABLES);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    assumed(&sts.call(), "2026-03-01T13:00:00Z");
    provider.call().answer_json(
        403,
        format!(r#"{{"message":"The security token {TOKEN} is expired"}}"#),
    );
    assumed(&sts.call(), "2026-03-01T13:00:00Z");
    let call = provider.call();
    GIVEN.check(&call.request);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    // a refusal that is not the keys' fault asks STS no more
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    provider
        .call()
        .answer_json(403, format!(r#"{{"message":"{TOKEN} may not use this model"}}"#));
    let told = client.answer();
    assert_eq!(
        (told.status(), told.error_code().as_str()),
        (502, "upstream_credentials_rejected")
    );
    assert_eq!(sts.calls(), 2);
    stand.shows_no_secret(&[&told]);
}

#[test]
fn a_changed_configuration_keeps_the_keys_of_what_has_not_changed() {
    let (provider, sts) = (Provider::start(), Provider::start());
    let before = with_role(&provider, &url(&sts), "");
    let stand = Stand::new(&before, &VARIABLES);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    assumed(&sts.call(), "2026-03-01T13:00:00Z");
    provider.call().answer_json(200, ANSWER);
    client.answer();
    stand
        .gateway
        .change(&format!("{before}\nkeep_alive_ms: 0"))
        .unwrap();
    stand.served(&provider);
    assert_eq!(sts.calls(), 1);
    stand
        .gateway
        .change(&before.replace("external_id: ours", "external_id: theirs"))
        .unwrap();
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    let asked = sts.call();
    assert_eq!(super::field(&super::form(&asked.request), "ExternalId"), "theirs");
    assumed(&asked, "2026-03-01T13:00:00Z");
    provider.call().answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
}

/// A stand with a credential of AWS's that says no more than this, and these variables.
fn found(provider: &Provider, aws: &str, variables: &[(&str, &str)]) -> Stand {
    let credential = format!("{{aws: {{region: eu-central-1{aws}}}}}");
    Stand::new(&config(provider, &credential), variables)
}

/// One call; `gives` plays the endpoints that are asked meanwhile.
fn is_signed(stand: &Stand, provider: &Provider, signer: &Signer<'_>, gives: impl FnOnce()) {
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    gives();
    let call = provider.call();
    signer.check(&call.request);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    stand.shows_no_secret(&[]);
}

/// As containers, instances and programs give keys.
fn keys_as_json() -> String {
    format!(
        r#"{{"Code":"Success","Version":1,"AccessKeyId":"{}","SecretAccessKey":"{}","Token":"{TOKEN}","Expiration":"2026-03-01T13:00:00Z"}}"#,
        GIVEN.access_key_id, GIVEN.secret_access_key
    )
}

#[test]
fn p02_keys_are_found_in_the_environment_and_in_profiles() {
    let (provider, sts) = (Provider::start(), Provider::start());
    let own = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    is_signed(&found(&provider, "", &own), &provider, &OWN, || {});
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = write(
        "credentials",
        format!(
            "[default]\naws_access_key_id = other\naws_secret_access_key = other\n[base]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
        ),
    );
    let printed = write("printed", keys_as_json().replace("\"Token\"", "\"SessionToken\""));
    let profiles = write(
        "config",
        format!(
            "[profile prod]\nrole_arn = arn:aws:iam::123456789012:role/bedrock\nsource_profile = base\nexternal_id = ours\n[profile program]\ncredential_process = cat {printed}\n"
        ),
    );
    let url = url(&sts);
    let files = [
        ("AWS_SHARED_CREDENTIALS_FILE", keys.as_str()),
        ("AWS_CONFIG_FILE", profiles.as_str()),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
    ];
    is_signed(
        &found(&provider, ", profile: base", &files),
        &provider,
        &OWN,
        || {},
    );
    is_signed(
        &found(&provider, ", profile: program", &files),
        &provider,
        &GIVEN,
        || {},
    );
    is_signed(
        &found(&provider, ", profile: prod", &files),
        &provider,
        &GIVEN,
        || {
            let asked = sts.call();
            Signer {
                service: "sts",
                ..OWN
            }
            .check(&asked.request);
            assert_eq!(super::field(&super::form(&asked.request), "ExternalId"), "ours");
            assumed(&asked, "2026-03-01T13:00:00Z");
        },
    );
}

/// The metadata service of EC2 begins a session.
fn session(asked: &Call) {
    assert!(asked.request.start_line().starts_with("PUT /latest/api/token "));
    let seconds = "x-aws-ec2-metadata-token-ttl-seconds";
    assert_eq!(asked.request.header(seconds), Some("21600"));
    asked.answer_with(
        200,
        &[("content-type", "text/plain"), (seconds, "21600")],
        "imds-token",
    );
}

#[test]
fn r39_an_instance_without_a_role_is_told_to_the_operator_by_its_status_and_asked_once() {
    let (provider, endpoint) = (Provider::start(), Provider::start());
    let address = url(&endpoint);
    let stand = found(
        &provider,
        "",
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str())],
    );
    for (answers, status) in [(2, 404), (1, 403)] {
        let before = endpoint.calls();
        let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
        if answers == 2 {
            session(&endpoint.call());
        }
        endpoint
            .call()
            .answer(status, "text/html", format!("<h1>{SECRET}</h1>"));
        let told = client.answer();
        assert_eq!(
            (told.status(), told.error_code().as_str()),
            (502, "upstream_credentials_unavailable")
        );
        assert!(log::has(&format!("{}: status {status}", endpoint.address)));
        assert_eq!(endpoint.calls() - before, answers);
        stand.shows_no_secret(&[&told]);
        stand.clock.fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
    }
    provider.saw_nothing();
}

#[test]
fn p02_keys_are_got_from_a_container_an_instance_and_for_a_web_identity() {
    let (provider, endpoint) = (Provider::start(), Provider::start());
    let address = url(&endpoint);
    // ECS and EKS Pod Identity
    let full = format!("{address}/v2/credentials");
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"),
    ];
    is_signed(&found(&provider, "", &container), &provider, &GIVEN, || {
        let asked = endpoint.call();
        assert_eq!(asked.request.path(), "/v2/credentials");
        assert_eq!(asked.request.header("authorization"), Some("container-token"));
        asked.answer_json(200, keys_as_json());
    });
    // EKS: a web identity
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("web-identity");
    std::fs::write(&token_file, "web-token\n").unwrap();
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token_file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
        ("AWS_ENDPOINT_URL_STS", address.as_str()),
    ];
    is_signed(&found(&provider, "", &web), &provider, &GIVEN, || {
        let asked = endpoint.call();
        let form = super::form(&asked.request);
        assert_eq!(super::field(&form, "Action"), "AssumeRoleWithWebIdentity");
        assert_eq!(
            super::field(&form, "RoleArn"),
            "arn:aws:iam::123456789012:role/pod"
        );
        assert_eq!(super::field(&form, "WebIdentityToken"), "web-token");
        assert_eq!(asked.request.header("authorization"), None);
        assumed(&asked, "2026-03-01T13:00:00Z");
    });
    // EC2: IMDSv2
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str())];
    let stand = found(&provider, "", &instance);
    is_signed(&stand, &provider, &GIVEN, || {
        session(&endpoint.call());
        for (path, answer) in [("", "pod-role".to_owned()), ("pod-role", keys_as_json())] {
            let asked = endpoint.call();
            assert_eq!(
                asked.request.path(),
                format!("/latest/meta-data/iam/security-credentials/{path}")
            );
            assert_eq!(
                asked.request.header("x-aws-ec2-metadata-token"),
                Some("imds-token")
            );
            asked.answer(200, "text/plain", answer);
        }
    });
    assert_eq!(stand.renewals("aws", "renewed"), 1.0);
}
