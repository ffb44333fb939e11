//! The HTTP proxy that a provider is reached by, with CONNECT.

use crate::startup::check::Checker;
use crate::startup::shape::Field;
use crate::state::secret::Secret;
use crate::state::snapshot::ConnectProxy;

impl Checker<'_> {
    pub(super) fn connect_proxy(&mut self, field: &Field<String>) -> Option<ConnectProxy> {
        let written = field.value.as_deref()?;
        let refers = written.starts_with("env:") || written.starts_with("file:");
        let text = match refers {
            true => {
                let read = self.secret(written);
                read.map_err(|wrong| self.findings.problem(field.mark, wrong.message, wrong.remedy))
                    .ok()?
            }
            false => Secret::new(written),
        };
        let url = self.url(text.expose(), field.mark)?;
        if url.user.is_some() && !refers {
            let remedy = "put the URL into an environment variable and write env:NAME";
            self.findings.problem(
                field.mark,
                "a proxy's password does not belong into this file",
                remedy,
            );
        }
        if url.tls || !url.path.is_empty() {
            self.findings.problem(
                field.mark,
                "not the URL of an HTTP proxy",
                "write http://host:port",
            );
        }
        let authorization = url.user.map(|user| Secret::new(basic(&user)));
        Some(ConnectProxy {
            host: url.host.into(),
            port: url.port,
            authorization,
        })
    }
}

/// `user:password` of a URL, where both are percent-encoded, as a `Basic` credential.
fn basic(user: &str) -> String {
    let user = if user.contains(':') {
        user.to_owned()
    } else {
        format!("{user}:")
    };
    format!("Basic {}", base64(&percent_decode(&user)))
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |b: &u8| {
            char::from(*b)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        match tail {
            [high, low, after @ ..] if *first == b'%' && hex(high).is_some() && hex(low).is_some() => {
                out.push(hex(high).unwrap_or(0) << 4 | hex(low).unwrap_or(0));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// RFC 4648 with padding: written out, because a dependency for one proxy header is not worth it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .zip([16, 8, 0])
            .fold(0_u32, |bits, (byte, shift)| bits | u32::from(*byte) << shift);
        for position in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * position) & 63) as usize];
            out.push(if position <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_password_is_sent_as_rfc_7617_says() {
        assert_eq!(
            basic("Aladdin:open%20sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(basic("u"), "Basic dTo=");
        assert_eq!(base64(b"abc"), "YWJj");
        assert_eq!(percent_decode("a%4"), b"a%4");
        assert_eq!(percent_decode("%zz%41"), b"%zzA");
    }
}
