//! The PROXY protocol header (versions 1 and 2, HAProxy's specification) that a load balancer puts before a connection.
//! It is read to its last byte and not one further.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use pingora_core::protocols::l4::stream::Stream as TcpConnection;
use pingora_core::protocols::{GetSocketDigest, SocketDigest};
use pingora_error::{ErrorType, OrErr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest header of version 1, its line end included.
const LONGEST_V1: usize = 107;
const SIGNATURE_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Addresses and extensions of version 2.
const LONGEST_V2: usize = 4096;

/// The client's address; `None` where the balancer speaks for itself (its health checks).
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == *SIGNATURE_V2 {
        read_v2(stream).await
    } else {
        read_v1(stream, start).await
    }
}

/// The same on a connection whose TLS handshake comes after the header: the address becomes the connection's.
pub async fn before_tls(stream: &mut TcpConnection) -> pingora_error::Result<()> {
    let named = read(stream)
        .await
        .or_err(ErrorType::HandshakeError, "PROXY protocol")?;
    let Some(address) = named else { return Ok(()) };
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let _ = digest.peer_addr.set(Some(address.into()));
    stream.set_socket_digest(digest);
    Ok(())
}

async fn read_v1(stream: &mut (impl AsyncRead + Unpin), start: [u8; 12]) -> Result<Option<SocketAddr>> {
    let mut line = start.to_vec();
    if !line.starts_with(b"PROXY ") {
        return Err(invalid());
    }
    while !line.ends_with(b"\r\n") {
        if line.len() >= LONGEST_V1 {
            return Err(invalid());
        }
        line.push(stream.read_u8().await?);
    }
    parse_v1(&line).ok_or_else(invalid)
}

fn parse_v1(line: &[u8]) -> Option<Option<SocketAddr>> {
    let mut words = std::str::from_utf8(line).ok()?.trim_end().split(' ').skip(1);
    if words.next()? == "UNKNOWN" {
        return Some(None);
    }
    let source: IpAddr = words.next()?.parse().ok()?;
    let _destination: IpAddr = words.next()?.parse().ok()?;
    Some(Some(SocketAddr::new(source, words.next()?.parse().ok()?)))
}

async fn read_v2(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [version_and_command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if version_and_command >> 4 != 2 || length > LONGEST_V2 {
        return Err(invalid());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match version_and_command & 0xf {
        0 => Ok(None),
        1 => parse_v2(family, &rest).ok_or_else(invalid),
        _ => Err(invalid()),
    }
}

/// Source address, destination address, source port, destination port.
fn parse_v2(family: u8, rest: &[u8]) -> Option<Option<SocketAddr>> {
    let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    match family >> 4 {
        1 => {
            let source: [u8; 4] = rest.get(..4)?.try_into().ok()?;
            Some(Some(SocketAddr::new(Ipv4Addr::from(source).into(), port(8)?)))
        }
        2 => {
            let source: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            Some(Some(SocketAddr::new(Ipv6Addr::from(source).into(), port(32)?)))
        }
        _ => Some(None),
    }
}

fn invalid() -> Error {
    Error::new(ErrorKind::InvalidData, "no PROXY protocol header")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(bytes: &[u8]) -> (Result<Option<SocketAddr>>, Vec<u8>) {
        let mut stream = bytes;
        let address = read(&mut stream).await;
        (address, stream.to_vec())
    }

    #[tokio::test]
    async fn the_clients_address_is_read_and_nothing_after_it() {
        let (address, rest) = parsed(b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\nGET /").await;
        assert_eq!(address.unwrap(), Some("192.0.2.7:5000".parse().unwrap()));
        assert_eq!(rest, b"GET /");
        let mut v2 = SIGNATURE_V2.to_vec();
        v2.extend_from_slice(&[0x21, 0x11, 0, 12, 192, 0, 2, 7, 10, 0, 0, 1, 0x13, 0x88, 1, 0xbb]);
        v2.extend_from_slice(b"GET /");
        let (address, rest) = parsed(&v2).await;
        assert_eq!(address.unwrap(), Some("192.0.2.7:5000".parse().unwrap()));
        assert_eq!(rest, b"GET /");
    }

    #[tokio::test]
    async fn a_balancers_own_connection_names_nobody() {
        assert_eq!(parsed(b"PROXY UNKNOWN\r\n").await.0.unwrap(), None);
        let mut local = SIGNATURE_V2.to_vec();
        local.extend_from_slice(&[0x20, 0, 0, 0]);
        assert_eq!(parsed(&local).await.0.unwrap(), None);
    }

    #[tokio::test]
    async fn a_connection_without_the_header_is_refused() {
        assert!(parsed(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.0.is_err());
        assert!(
            parsed(&[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat())
                .await
                .0
                .is_err()
        );
        assert!(parsed(b"PROXY TCP4 1.2.3.4 nonsense 1 2\r\n").await.0.is_err());
    }
}
