//! Google: every form of credential that its tools write, and the metadata server.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{NOON_MS, SECRETS, Stand, config, field, form, give, shown};
use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH};
use crate::harness::provider::{Call, Provider};
use crate::harness::{eventually, log};
use crate::upstream::connect_proxy;

/// Made for tests: it opens nothing.
pub const RSA: &str = include_str!("../../config/files/rsa-for-tests.pem");

const TOKEN: &str = SECRETS[1];

/// The claims of an assertion whose signature is right.
pub fn claims(assertion: &str) -> (Value, Value) {
    let key = PrivatePkcs8KeyDer::from_pem_slice(RSA.as_bytes()).expect("a key");
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("an RSA key");
    let (text, signature) = assertion.rsplit_once('.').expect("three parts");
    let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
        .verify(text.as_bytes(), &decoded(signature))
        .expect("the signature is right");
    let (header, claims) = text.split_once('.').expect("three parts");
    let json = |part: &str| serde_json::from_slice(&decoded(part)).expect("JSON");
    (json(header), json(claims))
}

fn service_account(token_uri: &str) -> Value {
    json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": RSA,
        "client_email": "gateway@p.iam.gserviceaccount.com",
        "token_uri": token_uri,
    })
}

fn folder_with(name: &str, content: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(name), content).expect("a temporary folder can be written");
    folder
}

/// A stand with a credential of Google's in a file.
fn stand_with(provider: &Provider, credential: &Value) -> Stand {
    let folder = folder_with("google.json", &credential.to_string());
    let config = config(provider, r#"{google: {service_account: "file:google.json"}}"#);
    Stand::within(folder, &config, &[])
}

/// One call that waits for its token: what was asked for it, and what the provider is shown.
fn first_call(stand: &Stand, provider: &Provider, gives: impl FnOnce()) {
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    gives();
    let call = provider.call();
    assert_eq!(shown(&call.request), TOKEN);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
}

#[test]
fn p03_a_service_accounts_key_is_exchanged_for_a_token_that_is_renewed_in_time() {
    let (provider, oauth) = (Provider::start(), Provider::start());
    let token_uri = format!("http://{}/token", oauth.address);
    let stand = stand_with(&provider, &service_account(&token_uri));
    first_call(&stand, &provider, || {
        let asked = oauth.call();
        assert_eq!(asked.request.path(), "/token");
        let form = form(&asked.request);
        assert_eq!(
            field(&form, "grant_type"),
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
        );
        let (header, claims) = claims(field(&form, "assertion"));
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
        let at = NOON_MS / 1000;
        assert_eq!(
            claims,
            json!({
                "iss": "gateway@p.iam.gserviceaccount.com",
                "scope": "https://www.googleapis.com/auth/cloud-platform",
                "aud": token_uri,
                "iat": at,
                "exp": at + 3600,
            })
        );
        give(&asked, TOKEN);
    });
    stand.at_minute(54);
    assert_eq!(shown(&stand.served(&provider)), TOKEN);
    assert_eq!(oauth.calls(), 1);
    stand.at_minute(56);
    assert_eq!(shown(&stand.served(&provider)), TOKEN, "while it is renewed");
    give(&oauth.call(), "the-second");
    eventually("the renewal is counted", || {
        (stand.renewals("google", "renewed") == 2.0).then_some(())
    });
    assert_eq!(shown(&stand.served(&provider)), "the-second");
    stand.shows_no_secret(&[]);
}

#[test]
fn a_failing_renewal_is_tried_again_and_harms_no_call_while_the_token_is_valid() {
    let (provider, oauth) = (Provider::start(), Provider::start());
    let stand = stand_with(
        &provider,
        &service_account(&format!("http://{}/token", oauth.address)),
    );
    first_call(&stand, &provider, || give(&oauth.call(), TOKEN));
    stand.at_minute(56);
    assert_eq!(shown(&stand.served(&provider)), TOKEN);
    let quoting = format!(r#"{{"error":"invalid_grant","error_description":"{TOKEN}"}}"#);
    oauth.call().answer_json(400, quoting);
    eventually("the failure is counted", || {
        (stand.renewals("google", "failed") == 1.0).then_some(())
    });
    assert_eq!(shown(&stand.served(&provider)), TOKEN);
    assert_eq!(oauth.calls(), 2, "it rests");
    stand.at_minute(57);
    assert_eq!(shown(&stand.served(&provider)), TOKEN);
    give(&oauth.call(), "the-second");
    eventually("the renewal is counted", || {
        (stand.renewals("google", "renewed") == 2.0).then_some(())
    });
    assert_eq!(shown(&stand.served(&provider)), "the-second");
    assert!(log::has("status 400, invalid_grant"));
    stand.shows_no_secret(&[]);
}

#[test]
fn p03_a_persons_credentials_are_found_where_gcloud_leaves_them() {
    let (provider, oauth) = (Provider::start(), Provider::start());
    let user = json!({
        "type": "authorized_user",
        "client_id": "c.apps.googleusercontent.com",
        "client_secret": SECRETS[0],
        "refresh_token": "refresh",
        "quota_project_id": "billed",
        "token_uri": format!("http://{}/token", oauth.address),
    });
    let folder = folder_with("application_default_credentials.json", &user.to_string());
    let place = folder.path().to_str().unwrap().to_owned();
    let stand = Stand::within(
        folder,
        &config(&provider, "{google: {}}"),
        &[("CLOUDSDK_CONFIG", &place)],
    );
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    let asked = oauth.call();
    let form = form(&asked.request);
    assert_eq!(field(&form, "grant_type"), "refresh_token");
    assert_eq!(field(&form, "client_secret"), SECRETS[0]);
    assert_eq!(field(&form, "refresh_token"), "refresh");
    give(&asked, TOKEN);
    let call = provider.call();
    assert_eq!(shown(&call.request), TOKEN);
    assert_eq!(call.request.header("x-goog-user-project"), Some("billed"));
    call.answer_json(200, ANSWER);
    client.answer();
    stand.shows_no_secret(&[]);
}

#[test]
fn p03_the_metadata_server_gives_the_machines_token_and_no_proxy_is_asked() {
    let (provider, metadata) = (Provider::start(), Provider::start());
    let (proxy, asked_proxy) = connect_proxy(provider.address, "200 OK");
    let config = format!(
        "providers:\n  main: {{base_url: \"http://vertex.invalid/v1\", connect_proxy: \"http://{proxy}\", credentials: [{{google: {{scopes: [a, b]}}}}]}}"
    );
    let host = metadata.address.to_string();
    let stand = Stand::new(&config, &[("GCE_METADATA_HOST", &host)]);
    first_call(&stand, &provider, || {
        let asked = metadata.call();
        assert_eq!(
            asked.request.path(),
            "/computeMetadata/v1/instance/service-accounts/default/token?scopes=a%2Cb"
        );
        assert_eq!(asked.request.header("metadata-flavor"), Some("Google"));
        give(&asked, TOKEN);
    });
    assert!(
        asked_proxy
            .recv()
            .unwrap()
            .starts_with("CONNECT vertex.invalid:80 ")
    );
    assert!(asked_proxy.try_recv().is_err());
}

#[test]
fn a_token_endpoint_is_reached_by_the_proxy_of_its_provider() {
    let (provider, oauth) = (Provider::start(), Provider::start());
    let (proxy, asked_proxy) = connect_proxy(oauth.address, "200 OK");
    let credential = service_account("http://oauth2.invalid/token").to_string();
    let config = format!(
        "providers:\n  main: {{base_url: \"http://vertex.invalid/v1\", connect_proxy: \"http://{proxy}\", credentials: [{{google: {{service_account: \"file:google.json\"}}}}]}}"
    );
    let stand = Stand::within(folder_with("google.json", &credential), &config, &[]);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    give(&oauth.call(), TOKEN);
    assert!(
        asked_proxy
            .recv()
            .unwrap()
            .starts_with("CONNECT oauth2.invalid:80 ")
    );
    assert!(
        asked_proxy
            .recv()
            .unwrap()
            .starts_with("CONNECT vertex.invalid:80 ")
    );
    // this proxy leads everywhere to the same place
    let call = oauth.call();
    assert_eq!(shown(&call.request), TOKEN);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    provider.saw_nothing();
}

#[test]
fn p03_a_workloads_own_token_is_exchanged_and_another_account_acted_for() {
    let (provider, google) = (Provider::start(), Provider::start());
    let url = |path: &str| format!("http://{}{path}", google.address);
    let folder = folder_with("subject.json", r#"{"id_token":"theirs-1"}"#);
    let external = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k8s",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": url("/sts"),
        "credential_source": {
            "file": folder.path().join("subject.json"),
            "format": {"type": "json", "subject_token_field_name": "id_token"},
        },
        "service_account_impersonation_url": url("/impersonate"),
    });
    std::fs::write(folder.path().join("google.json"), external.to_string()).unwrap();
    let config = config(&provider, r#"{google: {service_account: "file:google.json"}}"#);
    let subject = folder.path().join("subject.json");
    let stand = Stand::within(folder, &config, &[]);
    let exchange = |theirs: &str, ours: &str| {
        let asked = google.call();
        assert_eq!(asked.request.path(), "/sts");
        let form = form(&asked.request);
        assert_eq!(
            field(&form, "grant_type"),
            "urn:ietf:params:oauth:grant-type:token-exchange"
        );
        assert_eq!(field(&form, "subject_token"), theirs);
        assert!(field(&form, "audience").ends_with("/providers/k8s"));
        give(&asked, "federated");
        let asked = google.call();
        assert_eq!(asked.request.path(), "/impersonate");
        assert_eq!(shown(&asked.request), "federated");
        assert_eq!(
            asked.request.json()["scope"],
            json!(["https://www.googleapis.com/auth/cloud-platform"])
        );
        asked.answer_json(
            200,
            format!(r#"{{"accessToken":"{ours}","expireTime":"2026-03-01T13:00:00Z"}}"#),
        );
    };
    first_call(&stand, &provider, || exchange("theirs-1", TOKEN));
    // the workload's token was replaced meanwhile
    std::fs::write(subject, r#"{"id_token":"theirs-2"}"#).unwrap();
    stand.at_minute(56);
    stand.served(&provider);
    exchange("theirs-2", "late");
    stand.shows_no_secret(&[]);
}

#[test]
fn a_revoked_token_is_got_anew_once() {
    let (provider, oauth) = (Provider::start(), Provider::start());
    let stand = stand_with(
        &provider,
        &service_account(&format!("http://{}/token", oauth.address)),
    );
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    give(&oauth.call(), "revoked");
    provider.call().answer_json(401, "{}");
    give(&oauth.call(), TOKEN);
    let call = provider.call();
    assert_eq!(shown(&call.request), TOKEN);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    let record = stand.gateway.record();
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn r39_what_is_no_token_is_told_as_such_and_shown_to_nobody() {
    let provider = Provider::start();
    let answers: [fn(&Call); 5] = [
        |call| call.answer_json(200, r#"{"access_token":"late","expires_in":0}"#),
        |call| call.answer_json(200, "{}"),
        |call| call.answer_json(200, r#"{"access_token":"a b"}"#),
        |call| call.answer_json(200, r#"{"access_token":"","expires_in":3600}"#),
        |call| call.answer(200, "text/html", "<html>"),
    ];
    for answer in answers {
        let oauth = Provider::start();
        let stand = stand_with(
            &provider,
            &service_account(&format!("http://{}/token", oauth.address)),
        );
        let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
        answer(&oauth.call());
        let told = client.answer();
        assert_eq!(told.error_code(), "upstream_credentials_unavailable");
        assert!(told.error_message().contains("provider main"));
    }
    provider.saw_nothing();
}
