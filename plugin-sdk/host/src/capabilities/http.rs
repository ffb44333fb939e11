//! Capability `http`: a hook's calls, counted and timed. Which of them may be made is `outbound`'s, making them is left to
//! whoever embeds this crate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::bindings::penstock::plugin::http as wit;
use crate::fault::Overrun;
use crate::guest::{Guest, Stage};
use crate::outbound::{Asked, HttpError, HttpResponse, HttpTerms, Outbound, OutboundCall};

/// What the instances of one plugin share.
#[derive(Clone)]
pub struct Granted {
    pub terms: Arc<HttpTerms>,
    pub outbound: Arc<dyn Outbound>,
    /// A place for each hook that may wait at the same time.
    pub places: Arc<Semaphore>,
}

/// The waits of one hook.
pub struct Waiting {
    calls: u32,
    left: Duration,
    /// When the hook has to be done. Waits move it: it bounds the time that the guest computes.
    pub until: Instant,
}

impl Waiting {
    /// For a plugin that cannot wait, and between hooks.
    pub fn none() -> Waiting {
        Waiting {
            calls: 0,
            left: Duration::ZERO,
            until: Instant::now(),
        }
    }

    /// For a hook that may compute for `time`.
    pub fn new(terms: &HttpTerms, time: Duration) -> Waiting {
        Waiting {
            calls: terms.limits.calls,
            left: terms.limits.wait,
            until: Instant::now() + time,
        }
    }

    fn ended(&mut self, took: Duration) {
        self.left = self.left.saturating_sub(took);
        self.until += took;
    }
}

impl Guest {
    /// The call that the guest asks for, and who makes it.
    fn outbound(
        &mut self,
        asked: Asked,
        within: Duration,
    ) -> Result<(Arc<dyn Outbound>, OutboundCall), HttpError> {
        let Some(granted) = self.terms.http.clone().filter(|_| self.stage != Stage::None) else {
            return Err(HttpError::NotAllowed);
        };
        let calls = self.waiting.calls.checked_sub(1).ok_or(HttpError::TooMany)?;
        let call = granted.terms.admit(asked, within)?;
        self.waiting.calls = calls;
        Ok((granted.outbound, call))
    }
}

impl wit::Host for Guest {
    async fn send(&mut self, request: wit::Request) -> wasmtime::Result<Result<wit::Response, wit::Error>> {
        let own_limit = Duration::from_millis(request.timeout_ms.into());
        let asked = Asked::from_guest(request);
        self.charge(asked.bytes())?;
        let left = self.waiting.left;
        let within = if own_limit.is_zero() {
            left
        } else {
            own_limit.min(left)
        };
        let (outbound, call) = match self.outbound(asked, within) {
            Ok(made) => made,
            Err(error) => return Ok(Err(error_to_guest(error))),
        };
        let rule = call.rule.clone();
        let begun = Instant::now();
        let answered = outbound.send(call).await;
        self.waiting.ended(begun.elapsed());
        match answered {
            // the operator's limit is no answer that the plugin could weigh
            Err(HttpError::Timeout) if within == left => Err(Overrun::Waited.into()),
            Err(error) => {
                log::debug!("plugin {}: a call to {rule}: {error:?}", self.granted.name);
                Ok(Err(error_to_guest(error)))
            }
            Ok(response) => Ok(Ok(response_to_guest(response))),
        }
    }

    fn give_up(&mut self) -> wasmtime::Result<()> {
        Err(Overrun::GaveUp.into())
    }
}

impl Asked {
    fn from_guest(request: wit::Request) -> Asked {
        let headers = request.headers.into_iter();
        Asked {
            method: request.method,
            url: request.url,
            headers: headers.map(|header| (header.name, header.value)).collect(),
            body: request.body,
        }
    }
}

/// Headers that are not text are left out: the contract has no place for them.
fn response_to_guest(response: HttpResponse) -> wit::Response {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        Some(wit::Header {
            name: name.as_str().to_owned(),
            value: value.to_owned(),
        })
    };
    wit::Response {
        status: response.status,
        headers: response.headers.iter().filter_map(header).collect(),
        body: response.body.into(),
    }
}

fn error_to_guest(error: HttpError) -> wit::Error {
    match error {
        HttpError::NotAllowed => wit::Error::NotAllowed,
        HttpError::Invalid => wit::Error::Invalid,
        HttpError::TooLarge => wit::Error::TooLarge,
        HttpError::TooMany => wit::Error::TooMany,
        HttpError::Unreachable => wit::Error::Unreachable,
        HttpError::Timeout => wit::Error::Timeout,
        HttpError::Broken => wit::Error::Broken,
    }
}
