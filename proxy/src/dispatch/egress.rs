//! Out through a corporate HTTP proxy: a TCP connection to it, one CONNECT, and the tunnel as if it were the provider.

use std::net::SocketAddr as InetAddr;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_error::{Error, ErrorType, OrErr, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::state::secret::Secret;

/// The proxy's whole answer to CONNECT.
const MOST_HEAD_BYTES: usize = 16 * 1024;

/// One tunnel's two ends.
#[derive(Debug)]
pub struct Tunnel {
    pub proxy: InetAddr,
    /// `host:port` of the provider, which the proxy resolves.
    pub authority: String,
    pub authorization: Option<Secret>,
    pub timeout: Duration,
}

#[async_trait]
impl L4Connect for Tunnel {
    async fn connect(&self, _: &SocketAddr) -> Result<Stream> {
        Ok(self.connect_tcp().await?.into())
    }
}

impl Tunnel {
    /// The tunnel as the TCP connection that it is.
    pub async fn connect_tcp(&self) -> Result<TcpStream> {
        let tunnel = tokio::time::timeout(self.timeout, self.open()).await;
        tunnel.or_err(
            ErrorType::ConnectTimedout,
            "the CONNECT proxy did not answer in time",
        )?
    }

    async fn open(&self) -> Result<TcpStream> {
        let connected = TcpStream::connect(self.proxy).await;
        let mut stream = connected.or_err(ErrorType::ConnectError, "the CONNECT proxy cannot be reached")?;
        stream
            .set_nodelay(true)
            .or_err(ErrorType::ConnectError, "TCP_NODELAY")?;
        stream
            .write_all(self.request().as_bytes())
            .await
            .or_err(ErrorType::ConnectProxyFailure, "write")?;
        let head = read_head(&mut stream).await?;
        match status(&head) {
            Some(200..=299) => Ok(stream),
            Some(code) => Error::e_explain(
                ErrorType::ConnectProxyFailure,
                format!("the CONNECT proxy said {code}"),
            ),
            None => Error::e_explain(ErrorType::ConnectProxyFailure, "the CONNECT proxy made no sense"),
        }
    }

    fn request(&self) -> String {
        let mut request = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", self.authority);
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: {}\r\n", authorization.expose()));
        }
        request + "\r\n"
    }
}

/// Reads to the blank line and not one byte further: what follows is the tunnel.
async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MOST_HEAD_BYTES {
            return Error::e_explain(
                ErrorType::ConnectProxyFailure,
                "the CONNECT proxy's head is too long",
            );
        }
        head.push(
            stream
                .read_u8()
                .await
                .or_err(ErrorType::ConnectProxyFailure, "the CONNECT proxy broke off")?,
        );
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let code = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_status_is_read_from_its_first_line() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(
            status(b"HTTP/1.0 407 Proxy Authentication Required\r\nA: b\r\n\r\n"),
            Some(407)
        );
        assert_eq!(status(b"SSH-2.0\r\n\r\n"), None);
    }
}
