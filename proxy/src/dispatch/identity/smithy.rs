//! AWS's own clients over the gateway's wire: their requests go where and how [`Way`] leads, and they tell the time by the
//! gateway's clock. An answer that is no success ends here, so that none of its words can stand in an error of theirs.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::dispatch::identity::endpoint::{Ask, Told, Wait, Way};
use crate::dispatch::identity::oauth;
use crate::state::lease::Unavailable;

/// What a client of AWS's is given in place of a connector and of a clock.
#[derive(Clone)]
pub struct Wire {
    way: Way,
    /// For each question; the clients' own limits must be longer.
    wait: Wait,
}

impl Wire {
    pub fn new(way: &Way, wait: Wait) -> Self {
        Self {
            way: way.clone(),
            wait,
        }
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, Unavailable> {
        let ask = self.question(request)?;
        let url = ask.url.clone();
        let told = self.way.ask(ask).await?;
        if !(200..300).contains(&told.status) {
            return Err(refused(&url, &told));
        }
        let mut answer = http::Response::new(SdkBody::from(told.body));
        *answer.headers_mut() = told.headers;
        answer.try_into().map_err(|_| oauth::no_token(&url))
    }

    fn question(&self, request: HttpRequest) -> Result<Ask, Unavailable> {
        let bad = || Unavailable::new("a request of AWS's client that cannot be sent");
        let (head, body) = request.try_into_http1x().map_err(|_| bad())?.into_parts();
        let mut headers = Vec::with_capacity(head.headers.len());
        for (name, value) in &head.headers {
            let mut value = value.clone();
            value.set_sensitive(true);
            headers.push((name.clone(), value));
        }
        Ok(Ask {
            method: head.method,
            url: head.uri.to_string(),
            headers,
            body: Bytes::copy_from_slice(body.bytes().ok_or_else(bad)?),
            wait: self.wait,
        })
    }
}

/// Clients print what they are made of into their traces.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        HttpConnectorFuture::new(async move {
            let answer = wire.answer(request).await;
            answer.map_err(|why| ConnectorError::other(why.into(), None))
        })
    }
}

impl TimeSource for Wire {
    fn now(&self) -> SystemTime {
        moment(self.way.clock.now_ms())
    }
}

/// Milliseconds since 1970 as AWS's crates take them.
pub fn moment(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

/// The status, and AWS's word for it where it is one.
pub fn refused(url: &str, told: &Told) -> Unavailable {
    let text = String::from_utf8_lossy(&told.body);
    let is_word =
        |code: &&str| (1..=60).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    let code = code(&text)
        .filter(is_word)
        .map(|code| format!(", {code}"))
        .unwrap_or_default();
    Unavailable::new(format!("{}: status {}{code}", oauth::host(url), told.status))
}

/// `<Code>` of an error of STS's: it has no attributes, and nothing in a word is escaped.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (found, _) = rest.split_once("</Code>")?;
    Some(found.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn pain_q02_a_refusal_of_sts_is_told_without_its_words() {
        for (code, said) in [
            ("AccessDenied", "sts.example: status 403, AccessDenied"),
            ("a canary", "sts.example: status 403"),
        ] {
            let told = Told {
                status: 403,
                headers: HeaderMap::new(),
                body: format!("<Error><Code>{code}</Code><Message>canary</Message></Error>").into(),
            };
            assert_eq!(&*refused("https://sts.example/", &told).0, said);
        }
    }

    #[test]
    fn pain_q02_of_a_clients_errors_only_the_wires_own_words_are_told() {
        let wire = Unavailable::new("sts.example: broke off");
        let error = ConnectorError::other(wire.clone().into(), None);
        assert_eq!(Unavailable::behind(&error), Some(wire));
        let other = ConnectorError::other("canary".into(), None);
        assert_eq!(Unavailable::behind(&other), None);
    }
}
