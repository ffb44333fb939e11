//! Capability `http`: calls to services that the operator lists, out of a hook. The hook waits for the response; the
//! gateway goes on with other calls meanwhile.
//!
//! ```no_run
//! use penstock_plugin::http::{self, Request};
//! use penstock_plugin::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Decision {
//!     allow: bool,
//! }
//!
//! fn ask(text: &str) -> RequestVerdict {
//!     let asked = Request::post("https://policy.example.org/check").body(text).send();
//!     match asked.ok().and_then(|response| response.json::<Decision>()) {
//!         Some(Decision { allow: true }) => RequestVerdict::Proceed,
//!         Some(Decision { allow: false }) => RequestVerdict::Refuse(refuse(403, "policy", "not allowed here")),
//!         // the operator has said what a plugin without a verdict means
//!         None => http::give_up(),
//!     }
//! }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::capabilities::penstock::plugin::http as raw;

pub use raw::{Error, Header, Response};

/// A request that is put together, then sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request(raw::Request);

impl Request {
    /// `GET`.
    pub fn get(url: impl Into<String>) -> Request {
        Request::new("GET", url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>) -> Request {
        Request::new("POST", url)
    }

    /// Any method, `https://host/path?query`.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Request {
        Request(raw::Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 0,
        })
    }

    /// One more header. The operator's own, such as a credential, need not and cannot be written here.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.0.headers.push(Header {
            name: name.into(),
            value: value.into(),
        });
        self
    }

    /// The body as it is.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.0.body = body.into();
        self
    }

    /// A body of JSON, with its header.
    pub fn json(self, value: &impl Serialize) -> Result<Request, serde_json::Error> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Ends the call in [`Error::Timeout`] after this long. Without it, a service that is slower than the operator allows
    /// ends the hook, and its fail mode decides.
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Request {
        self.0.timeout_ms = timeout_ms;
        self
    }

    /// Sends it and waits. No redirect is followed; any status is a response.
    pub fn send(&self) -> Result<Response, Error> {
        raw::send(&self.0)
    }
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(&header.value)
    }

    /// The body of a 2xx, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body)
            .ok()
            .filter(|_| self.is_success())
    }
}

/// Ends the hook without a verdict, because a service that it needs did not answer: the operator's fail mode decides.
pub fn give_up() -> ! {
    raw::give_up();
    unreachable!("the host ends the hook")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_by_its_parts() {
        let response = Response {
            status: 200,
            headers: vec![Header {
                name: "content-type".into(),
                value: "application/json".into(),
            }],
            body: b"[1]".to_vec(),
        };
        assert_eq!(response.header("Content-Type"), Some("application/json"));
        assert_eq!(response.json::<Vec<u32>>(), Some(vec![1]));
        let failed = Response {
            status: 500,
            ..response
        };
        assert_eq!((failed.is_success(), failed.json::<Vec<u32>>()), (false, None));
    }
}
