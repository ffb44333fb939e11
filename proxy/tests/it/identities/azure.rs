//! Microsoft Entra: applications with each of their proofs, and the identities of machines.

use serde_json::json;
use tempfile::TempDir;

use super::google::{RSA, claims};
use super::{NOON_MS, SECRETS, Stand, config, field, form, give, shown};
use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH};
use crate::harness::provider::{Call, Provider};

const SECRET: &str = SECRETS[0];
const TOKEN: &str = SECRETS[1];
const VARIABLES: [(&str, &str); 1] = [("AZURE_APP_SECRET", SECRET)];
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

fn application(provider: &Provider, authority: &Provider, proof: &str) -> String {
    let authority = authority.address;
    config(
        provider,
        &format!(
            "{{azure: {{tenant: contoso.example, client_id: app-1, {proof}, authority: \"http://{authority}\"}}}}"
        ),
    )
}

/// One call that waits for its token.
fn first_call(stand: &Stand, provider: &Provider, authority: &Provider, asked: impl FnOnce(&Call)) {
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    let ask = authority.call();
    asked(&ask);
    // as Entra and as the machine's endpoints write numbers
    let seconds = match ask.request.path().contains("/oauth2/v2.0/") {
        true => json!(3599),
        false => json!("3599"),
    };
    let answer = json!({"access_token": TOKEN, "expires_in": seconds, "token_type": "Bearer"});
    ask.answer_json(200, answer.to_string());
    let call = provider.call();
    assert_eq!(shown(&call.request), TOKEN);
    call.answer_json(200, ANSWER);
    assert_eq!(client.answer().text(), ANSWER);
    stand.shows_no_secret(&[]);
}

#[test]
fn p01_an_applications_secret_is_exchanged_for_a_token() {
    let (provider, authority) = (Provider::start(), Provider::start());
    let proof = r#"client_secret: "env:AZURE_APP_SECRET""#;
    let stand = Stand::new(&application(&provider, &authority, proof), &VARIABLES);
    first_call(&stand, &provider, &authority, |asked| {
        assert_eq!(asked.request.path(), "/contoso.example/oauth2/v2.0/token");
        let form = form(&asked.request);
        assert_eq!(field(&form, "grant_type"), "client_credentials");
        assert_eq!(field(&form, "client_id"), "app-1");
        assert_eq!(field(&form, "client_secret"), SECRET);
        assert_eq!(field(&form, "scope"), SCOPE);
    });
    stand.at_minute(50);
    assert_eq!(shown(&stand.served(&provider)), TOKEN);
    stand.at_minute(120);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    give(&authority.call(), "the-second");
    let call = provider.call();
    assert_eq!(shown(&call.request), "the-second");
    call.answer_json(200, ANSWER);
    client.answer();
}

#[test]
fn p01_an_authority_may_stand_behind_a_path_and_without_tls() {
    let (provider, authority) = (Provider::start(), Provider::start());
    let proof = r#"client_secret: "env:AZURE_APP_SECRET""#;
    let config = application(&provider, &authority, proof);
    let address = authority.address.to_string();
    let stand = Stand::new(
        &config.replace(&address, &format!("{address}/entra/")),
        &VARIABLES,
    );
    first_call(&stand, &provider, &authority, |asked| {
        assert_eq!(asked.request.path(), "/entra/contoso.example/oauth2/v2.0/token");
    });
}

#[test]
fn r39_what_is_no_token_of_entras_is_told_as_such_and_asked_for_once() {
    let (provider, authority) = (Provider::start(), Provider::start());
    let proof = r#"client_secret: "env:AZURE_APP_SECRET""#;
    let stand = Stand::new(&application(&provider, &authority, proof), &VARIABLES);
    for (status, body, said) in [
        (
            200,
            format!("<html>{SECRET}"),
            "none that a token can be read from",
        ),
        (
            200,
            r#"{"access_token":"","expires_in":3599}"#.to_owned(),
            "none that a token can be read from",
        ),
        (503, format!("<html>{SECRET}"), "status 503"),
    ] {
        let before = authority.calls();
        let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
        authority.call().answer_json(status, body);
        let told = client.answer();
        assert_eq!(told.error_code(), "upstream_credentials_unavailable");
        assert!(
            crate::harness::log::has(&format!("{}: ", authority.address)) && crate::harness::log::has(said)
        );
        assert_eq!(authority.calls(), before + 1);
        stand.shows_no_secret(&[&told]);
        stand.clock.fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
    }
    provider.saw_nothing();
}

#[test]
fn r39_a_wrong_secret_is_told_to_the_operator_by_its_number() {
    let (provider, authority) = (Provider::start(), Provider::start());
    let proof = r#"client_secret: "env:AZURE_APP_SECRET""#;
    let stand = Stand::new(&application(&provider, &authority, proof), &VARIABLES);
    let mut client = stand.gateway.begin(CHAT_PATH, CHAT);
    let refusal = format!(
        r#"{{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: {SECRET}"}}"#
    );
    authority.call().answer_json(401, refusal);
    let told = client.answer();
    assert_eq!(
        (told.status(), told.error_code().as_str()),
        (502, "upstream_credentials_unavailable")
    );
    assert!(crate::harness::log::has(
        "status 401, invalid_client, AADSTS7000215"
    ));
    stand.shows_no_secret(&[&told]);
}

#[test]
fn p01_a_workloads_token_file_is_read_anew_with_every_exchange() {
    let (provider, authority) = (Provider::start(), Provider::start());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("federated");
    std::fs::write(&file, "theirs-1\n").unwrap();
    let proof = "federated_token_file: federated";
    let stand = Stand::within(folder, &application(&provider, &authority, proof), &VARIABLES);
    let takes = |theirs: &'static str| {
        move |asked: &Call| {
            let form = form(&asked.request);
            assert_eq!(field(&form, "client_assertion"), theirs);
            assert!(field(&form, "client_assertion_type").ends_with(":jwt-bearer"));
        }
    };
    first_call(&stand, &provider, &authority, takes("theirs-1"));
    std::fs::write(&file, "theirs-2").unwrap();
    stand.at_minute(120);
    first_call(&stand, &provider, &authority, takes("theirs-2"));
}

#[test]
fn p01_an_applications_certificate_signs_for_it() {
    let (provider, authority) = (Provider::start(), Provider::start());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.pem"), RSA).unwrap();
    let proof = r#"client_certificate: "file:app.pem""#;
    let stand = Stand::within(folder, &application(&provider, &authority, proof), &VARIABLES);
    first_call(&stand, &provider, &authority, |asked| {
        let form = form(&asked.request);
        let (header, claims) = claims(field(&form, "client_assertion"));
        assert_eq!(header["alg"], "RS256");
        assert_eq!(header["x5t#S256"].as_str().map(str::len), Some(43));
        assert_eq!(claims["iss"], "app-1");
        assert_eq!(claims["sub"], "app-1");
        let url = format!("http://{}/contoso.example/oauth2/v2.0/token", authority.address);
        assert_eq!(claims["aud"], url);
        assert_eq!(claims["exp"], json!(NOON_MS / 1000 + 600));
    });
}

/// A stand whose identity is the machine's.
fn machine(provider: &Provider, azure: &str, variables: &[(&str, &str)]) -> Stand {
    Stand::within(
        TempDir::new().unwrap(),
        &config(provider, &format!("{{azure: {{{azure}}}}}")),
        variables,
    )
}

#[test]
fn p01_a_machines_own_identity_is_asked_of_its_metadata_service() {
    let (provider, metadata) = (Provider::start(), Provider::start());
    let url = format!("http://{}", metadata.address);
    let imds = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_str())];
    let stand = machine(
        &provider,
        "managed_identity: true, client_id: user-assigned",
        &imds,
    );
    first_call(&stand, &provider, &metadata, |asked| {
        assert_eq!(
            asked.request.path(),
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=user-assigned"
        );
        assert_eq!(asked.request.header("metadata"), Some("true"));
    });
    // App Service and Container Apps
    let endpoint = format!("{url}/msi/token");
    let app = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", SECRET),
    ];
    let stand = machine(&provider, "", &app);
    first_call(&stand, &provider, &metadata, |asked| {
        assert_eq!(
            asked.request.path(),
            "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fcognitiveservices.azure.com"
        );
        assert_eq!(asked.request.header("x-identity-header"), Some(SECRET));
    });
}

#[test]
fn p01_the_variables_of_azures_own_sdks_are_enough() {
    let (provider, authority) = (Provider::start(), Provider::start());
    let url = format!("http://{}/", authority.address);
    let variables = [
        ("AZURE_TENANT_ID", "t-1"),
        ("AZURE_CLIENT_ID", "app-2"),
        ("AZURE_CLIENT_SECRET", SECRET),
        ("AZURE_AUTHORITY_HOST", url.as_str()),
    ];
    let stand = machine(&provider, "scope: \"https://ai.azure.com/.default\"", &variables);
    first_call(&stand, &provider, &authority, |asked| {
        assert_eq!(asked.request.path(), "/t-1/oauth2/v2.0/token");
        let form = form(&asked.request);
        assert_eq!(field(&form, "client_id"), "app-2");
        assert_eq!(field(&form, "scope"), "https://ai.azure.com/.default");
    });
}
