//! Who the gateway is at clouds: signatures that AWS would take, tokens that are got once, renewed before they end and got
//! anew when they are refused, and what a caller sees when there is none.

mod aws;
mod azure;
mod google;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use penstock::startup::Environment;
use penstock::state::clock::Clock;
use tempfile::TempDir;

use crate::harness::calls::{ANSWER, CHAT, CHAT_PATH};
use crate::harness::gateway::{Gateway, environment_with};
use crate::harness::log;
use crate::harness::message::Message;
use crate::harness::provider::{Call, Provider};

/// 2026-03-01T12:00:00Z.
const NOON_MS: u64 = 1_772_366_400_000;
const MINUTE_MS: u64 = 60_000;

/// What must be seen nowhere but where it is meant for.
const SECRETS: [&str; 2] = ["identity-canary-secret-5d1f", "identity-canary-token-88ae"];

/// A gateway with a clock that is set by hand.
struct Stand {
    gateway: Gateway,
    clock: Arc<AtomicU64>,
}

impl Stand {
    fn new(config: &str, variables: &[(&str, &str)]) -> Stand {
        Self::within(
            tempfile::tempdir().expect("a temporary folder"),
            config,
            variables,
        )
    }

    fn within(folder: TempDir, config: &str, variables: &[(&str, &str)]) -> Stand {
        let clock = Arc::new(AtomicU64::new(NOON_MS));
        let environment: Environment = environment_with(variables).with_clock(Clock::by_hand(clock.clone()));
        Stand {
            gateway: Gateway::in_environment(folder, config, environment),
            clock,
        }
    }

    /// Sets the clock to so many minutes after noon.
    fn at_minute(&self, minutes: u64) {
        self.clock.store(NOON_MS + minutes * MINUTE_MS, Ordering::SeqCst);
    }

    /// One call, which the provider answers; what the provider got.
    fn served(&self, provider: &Provider) -> Message {
        let mut client = self.gateway.begin(CHAT_PATH, CHAT);
        let call = provider.call();
        call.answer_json(200, ANSWER);
        assert_eq!(client.answer().text(), ANSWER);
        call.request
    }

    fn renewals(&self, cloud: &str, outcome: &str) -> f64 {
        self.gateway.metric(&format!(
            r#"penstock_credential_renewals_total{{cloud="{cloud}",outcome="{outcome}",provider="main"}}"#
        ))
    }

    /// No secret is in the records, the metrics, the log or these answers.
    fn shows_no_secret(&self, answers: &[&Message]) {
        let (records, metrics) = (self.gateway.records_text(), self.gateway.metrics());
        for secret in SECRETS {
            assert!(!records.contains(secret) && !metrics.contains(secret), "{secret}");
            assert!(!log::has(secret), "{secret} was logged");
            for answer in answers {
                assert!(!answer.text().contains(secret), "{}", answer.text());
            }
        }
    }
}

/// A provider with one credential.
fn config(provider: &Provider, credential: &str) -> String {
    format!(
        "providers:\n  main: {{base_url: \"{}\", credentials: [{credential}]}}\n",
        provider.url()
    )
}

/// The token that a provider was shown.
fn shown(request: &Message) -> &str {
    let authorization = request.header("authorization").expect("a token");
    authorization.strip_prefix("Bearer ").expect("Bearer")
}

/// Gives a token that lives for an hour.
fn give(call: &Call, token: &str) {
    call.answer_json(
        200,
        format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#),
    );
}

/// The fields of a form, decoded.
fn form(request: &Message) -> Vec<(String, String)> {
    let pairs = request.text().split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [
            bytes.next().expect("two digits"),
            bytes.next().expect("two digits"),
        ];
        let digits = std::str::from_utf8(&digits).expect("ASCII");
        out.push(u8::from_str_radix(digits, 16).expect("hex"));
    }
    String::from_utf8(out).expect("UTF-8")
}

fn field<'f>(form: &'f [(String, String)], name: &str) -> &'f str {
    let found = form.iter().find(|(own, _)| own == name);
    &found.unwrap_or_else(|| panic!("{name} is missing: {form:?}")).1
}
