//! One attempt: send the call to one target, and say what the answer's status means for the caller and for the plan.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use penstock_llm::model::{self, Dialect, ErrorKind};
use penstock_llm::openai::ErrorView;

use crate::adapter::Adapted;
use crate::dispatch::credentials::REFUSED_REST;
use crate::dispatch::identity::{self, Held, Identities};
use crate::dispatch::outgoing::{self, Outgoing};
use crate::dispatch::plan::Step;
use crate::dispatch::upstream::{Upstream, Upstreams};
use crate::exchange::{Attempt, Outcome};
use crate::fault::{AWS_ERROR_TYPE, AttemptMark, Cause, Fault, Verbatim};
use crate::state::answer::Source;
use crate::state::identity::Identity;
use crate::state::inflate;
use crate::state::lease::Unavailable;

/// How much of a provider's error is read.
const MOST_ERROR_BYTES: usize = 256 * 1024;

/// Bytes of a provider's message that are passed on.
const MOST_WORDS: usize = 1000;

/// The longest rest a provider can ask for: a mistaken hour must not take a target out of service.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How long a credential without a token is left alone, where there is another one.
const NO_TOKEN_REST: Duration = Duration::from_secs(5);

/// An attempt that did not give an answer to relay.
#[derive(Debug)]
pub struct Failed {
    pub fault: Box<Fault>,
    pub outcome: Outcome,
    pub status: Option<u16>,
}

impl Failed {
    /// False where the call is one that this target is not to be asked.
    pub fn was_asked(&self) -> bool {
        self.status.is_some() || self.fault.cause != Cause::Caller
    }

    /// Whether another credential of the same target could do no better.
    pub fn gives_up_on_target(&self) -> bool {
        self.outcome != Outcome::Credential && self.status != Some(429)
    }
}

/// Sends a call to one target. An `Ok` has a status of 2xx and a body that nobody has read.
pub async fn send(
    upstreams: &Arc<Upstreams>,
    identities: &Arc<Identities>,
    step: &Step,
    outgoing: &mut Outgoing,
) -> std::result::Result<Box<Upstream>, Failed> {
    let upstream = match step.identity() {
        None => sent(upstreams, step, outgoing).await?,
        // Boxed: what is rare must not make every call's state larger.
        Some(identity) => Box::pin(send_with_token(upstreams, identities, step, identity, outgoing)).await?,
    };
    match upstream.status() {
        200..=299 => Ok(upstream),
        status if outgoing.is_raw && !matches!(status, 300..=399 | 401..=403) => Ok(upstream),
        // Boxed, likewise.
        status => Err(Box::pin(refused(step, outgoing, upstream, status)).await),
    }
}

async fn sent(
    upstreams: &Arc<Upstreams>,
    step: &Step,
    outgoing: &Outgoing,
) -> std::result::Result<Box<Upstream>, Failed> {
    let target = &step.planned.target;
    let sent = upstreams.send(&target.provider, &target.timeouts, outgoing).await;
    sent.map_err(|fault| unanswered(step, fault))
}

/// A token that the provider does not take is got anew, once: it may have been revoked before its time.
async fn send_with_token(
    upstreams: &Arc<Upstreams>,
    identities: &Arc<Identities>,
    step: &Step,
    identity: &Arc<Identity>,
    outgoing: &mut Outgoing,
) -> std::result::Result<Box<Upstream>, Failed> {
    let token = authorize(identities, step, identity, outgoing).await?;
    let upstream = sent(upstreams, step, outgoing).await?;
    let is_refused = matches!(upstream.status(), 401 | 403) && !identity.is_fixed();
    if !is_refused || !identity.lease.refused(&token, identity.clock.now_ms()) {
        return Ok(upstream);
    }
    upstream.finish().await;
    authorize(identities, step, identity, outgoing).await?;
    sent(upstreams, step, outgoing).await
}

/// Puts the token of the moment on a request, and gives it.
pub async fn authorize(
    identities: &Arc<Identities>,
    step: &Step,
    identity: &Arc<Identity>,
    outgoing: &mut Outgoing,
) -> std::result::Result<Held, Failed> {
    let patience = step.planned.target.timeouts.first_byte;
    let token = identities.token(identity, patience).await;
    let token = token.map_err(|Unavailable(why)| without_token(step, &why))?;
    if !identity::authorize(identity, &token.value, outgoing) {
        let fault = outgoing::unusable_credential(&step.planned.target.provider);
        return Err(credential_failed(fault));
    }
    Ok(token)
}

/// The token's trouble is the gateway's own, as a refused credential is.
fn without_token(step: &Step, why: &str) -> Failed {
    step.credential.health.rest(NO_TOKEN_REST);
    step.planned.health.failed();
    let name = &step.planned.target.provider.name;
    let message =
        format!("there is no token to show to provider {name} at the moment; tell the gateway's operator");
    let fault = Fault::provider(502, "upstream_credentials_unavailable", message).with_detail(why);
    credential_failed(fault)
}

fn credential_failed(fault: Box<Fault>) -> Failed {
    Failed {
        fault,
        outcome: Outcome::Credential,
        status: None,
    }
}

/// An attempt that came to no answer.
pub fn unanswered(step: &Step, fault: Box<Fault>) -> Failed {
    step.planned.health.failed();
    let outcome = match &*fault.code {
        "upstream_timeout" => Outcome::Timeout,
        "upstream_broken" => Outcome::Broken,
        _ => Outcome::Connect,
    };
    Failed {
        fault: fault.with_words(|said| step.scrubbed(said)),
        outcome,
        status: None,
    }
}

async fn refused(step: &Step, outgoing: &Outgoing, mut upstream: Box<Upstream>, status: u16) -> Failed {
    let headers = upstream.headers().clone();
    let read = error_body(&mut upstream).await;
    upstream.finish().await;
    let speaks = outgoing.speaks().map(|dialect| Speaker {
        dialect,
        adapted: outgoing.translation.as_ref().and_then(|it| it.adapted.as_deref()),
    });
    let Some(body) = read else {
        // Half a body would be passed off as a whole one: the caller gets our words instead.
        let mut failed = refusal(step, speaks, status, &headers, Bytes::new());
        failed.fault.verbatim = None;
        return failed;
    };
    refusal(step, speaks, status, &headers, body)
}

/// What an answer means that is not the one asked for: its status, and its body. `speaks` is the provider's dialect where
/// the caller speaks another: its words are then told in the caller's.
pub fn refusal(
    step: &Step,
    speaks: Option<Speaker<'_>>,
    status: u16,
    headers: &HeaderMap,
    body: Bytes,
) -> Failed {
    let name = &step.planned.target.provider.name;
    let body = step.scrubbed(body);
    let (fault, outcome) = match status {
        300..=399 => (redirected(name), Outcome::Broken),
        401..=403 => (credential_refused(step, status), Outcome::Credential),
        408 | 429 | 500.. => (
            try_elsewhere(step, speaks, status, headers, &body),
            Outcome::Status,
        ),
        _ => match speaks {
            Some(speaks) => (reworded(step, speaks, status, headers, &body), Outcome::Status),
            None => (verbatim(status, headers, body), Outcome::Status),
        },
    };
    Failed {
        fault,
        outcome,
        status: Some(status),
    }
}

/// The whole body, decompressed; `None` for one that broke off, is too long, or is not what its coding says.
async fn error_body(upstream: &mut Box<Upstream>) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = upstream.read().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_ERROR_BYTES {
            return None;
        }
    }
    let coding = upstream.headers().get(header::CONTENT_ENCODING);
    let coding = coding.map_or("", |coding| coding.to_str().unwrap_or("?"));
    inflate::whole(coding, body.freeze(), MOST_ERROR_BYTES).await.ok()
}

/// Following it could lead anywhere, inside addresses too.
fn redirected(provider: &str) -> Box<Fault> {
    let message = format!("provider {provider} answered with a redirect, which the gateway does not follow");
    Fault::provider(502, "upstream_redirect", message)
}

/// The gateway's credential is no business of the caller's, whose own key is fine: never a 401 (APIS.md 9.9).
fn credential_refused(step: &Step, status: u16) -> Box<Fault> {
    step.credential.health.rest(REFUSED_REST);
    let name = &step.planned.target.provider.name;
    let message =
        format!("provider {name} refused the gateway's credential ({status}); tell the gateway's operator");
    Fault::provider(502, "upstream_credentials_rejected", message)
}

fn try_elsewhere(
    step: &Step,
    speaks: Option<Speaker<'_>>,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Box<Fault> {
    let retry_after = retry_after(headers);
    step.planned.health.failed();
    if let Some(rest) = retry_after {
        let rest = rest.min(LONGEST_REST);
        step.credential.health.rest(rest);
        step.planned.health.rest(rest);
    }
    let said = match speaks {
        Some(speaks) => speaks.error(status, headers, body).map(|told| told.message),
        None => ErrorView::read(body).and_then(|error| error.message),
    };
    let said = said
        .filter(|said| !said.is_empty())
        .map(|said| shortened(step, said));
    let name = &step.planned.target.provider.name;
    let message = match said {
        Some(said) => format!("provider {name} answered {status}: {said}"),
        None => format!("provider {name} answered {status}"),
    };
    let code = match status {
        429 => "rate_limit_exceeded",
        408 | 504 | 524 => "upstream_timeout",
        503 | 529 => "upstream_overloaded",
        _ => "upstream_error",
    };
    Fault::provider(caller_status(status), code, message).with_retry_after(retry_after)
}

/// Statuses that SDKs know; 529 and the 52x of CDNs are nobody's standard.
fn caller_status(status: u16) -> u16 {
    match status {
        529 => 503,
        524 => 504,
        500 | 502..=504 | 408 | 429 => status,
        _ => 502,
    }
}

/// The caller's own mistake: the provider says it better than we could, byte for byte.
fn verbatim(status: u16, headers: &HeaderMap, body: Bytes) -> Box<Fault> {
    let code = match status {
        404 => "upstream_not_found",
        _ => "upstream_invalid_request",
    };
    let mut fault = Fault::provider(status, code, "the provider refused the request").final_here();
    fault.cause = Cause::Caller;
    fault.verbatim = Some(Verbatim {
        content_type: headers.get(header::CONTENT_TYPE).cloned(),
        error_type: headers.get(AWS_ERROR_TYPE).cloned(),
        body,
    });
    fault
}

/// The same in the caller's dialect, where the provider speaks another.
fn reworded(step: &Step, speaks: Speaker<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> Box<Fault> {
    let code = match status {
        404 => "upstream_not_found",
        _ => "upstream_invalid_request",
    };
    let Some(error) = speaks.error(status, headers, body) else {
        return Fault::provider(status, code, "the provider refused the request").final_here();
    };
    let code = match error.kind {
        ErrorKind::ContextLength => "context_length_exceeded",
        ErrorKind::ContentPolicy => "content_policy_violation",
        _ => code,
    };
    let said = shortened(step, error.message);
    let name = &step.planned.target.provider.name;
    let message = format!("provider {name} answered {status}: {said}");
    let mut fault = Fault::provider(status, code, message).final_here();
    fault.cause = Cause::Caller;
    fault.param = error.param;
    fault
}

/// What a provider speaks, and what reads it where that is not built in.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    pub dialect: Dialect,
    pub adapted: Option<&'a Adapted>,
}

/// What matters of an error in a provider's dialect.
struct Told {
    kind: ErrorKind,
    message: String,
    param: Option<String>,
}

impl Speaker<'_> {
    /// None where nobody can read it.
    fn error(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Told> {
        let native = headers.get(AWS_ERROR_TYPE).and_then(|value| value.to_str().ok());
        match self.adapted {
            Some(adapted) => adapted.error(status, native, body, Told::of),
            None => self
                .dialect
                .codec()
                .map(|codec| Told::of(codec.read_error(status, native, body))),
        }
    }
}

impl Told {
    fn of(error: model::Error<'_>) -> Self {
        Self {
            kind: error.kind,
            message: error.message.get().into_owned(),
            param: error.param.map(|param| param.get().into_owned()),
        }
    }
}

/// `retry-after-ms`, else `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let seconds = |text: &str, unit: f64| {
        let value = text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite() && *value >= 0.0)?;
        Duration::try_from_secs_f64(value * unit).ok()
    };
    text("retry-after-ms")
        .and_then(|ms| seconds(ms, 0.001))
        .or_else(|| {
            let value = text("retry-after")?;
            seconds(value, 1.0).or_else(|| {
                httpdate::parse_http_date(value)
                    .ok()?
                    .duration_since(SystemTime::now())
                    .ok()
            })
        })
}

/// A stream that ended in an error before it had said anything counts like a status.
pub fn failed_in_stream(step: &Step, fault: Box<Fault>, outcome: Outcome) -> Failed {
    let outcome = match fault.cause {
        // no mark against the provider
        Cause::Plugin => Outcome::Adapter,
        _ => {
            step.planned.health.failed();
            outcome
        }
    };
    Failed {
        fault: fault.with_words(|said| step.scrubbed(said)),
        outcome,
        status: Some(200),
    }
}

/// An attempt that was never sent: its request could not be made.
pub fn unsent(fault: Box<Fault>) -> Failed {
    let outcome = match fault.cause {
        Cause::Plugin => Outcome::Adapter,
        _ => Outcome::Broken,
    };
    Failed {
        fault,
        outcome,
        status: None,
    }
}

/// A provider's words in an error of ours: enough to understand, not a page. They are without secrets before they are cut,
/// or half a secret would be left.
fn shortened(step: &Step, said: String) -> String {
    let said = step.scrubbed(said.into());
    let mut said = String::from_utf8_lossy(&said).into_owned();
    said.truncate(said.floor_char_boundary(MOST_WORDS));
    said
}

/// The last word on a call that no target answered: the last provider's, with every attempt listed.
pub fn last_word(mut fault: Box<Fault>, attempts: &[Attempt]) -> Box<Fault> {
    let mark = |attempt: &Attempt| AttemptMark {
        provider: attempt.provider.clone(),
        model: attempt.model.clone(),
        status: attempt.status,
        outcome: attempt.outcome.label(),
    };
    fault.attempts = attempts.iter().map(mark).collect();
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn a_rest_is_read_in_each_of_its_spellings() {
        assert_eq!(after("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(after("retry-after", "2.5"), Some(Duration::from_millis(2500)));
        assert_eq!(after("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert!(after("retry-after", "Wed, 21 Oct 2099 07:28:00 GMT").is_some());
        assert_eq!(after("retry-after", "-1"), None);
        assert_eq!(after("retry-after", "1e400"), None);
    }

    #[test]
    fn odd_statuses_become_ones_that_sdks_know() {
        assert_eq!(caller_status(529), 503);
        assert_eq!(caller_status(520), 502);
        assert_eq!(caller_status(429), 429);
    }
}
