//! A connection that breaks when an answer that is waited for does not come: for what Pingora's proxy carries, whose own
//! read timeout is the same before the answer's head and after it. How long to wait, and when, is the session's to say.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_error::{ErrorType, OkOrErr, OrErr, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::dispatch::egress::Tunnel;

const OFF: u8 = 0;
const ON: u8 = 1;
const OVER: u8 = 2;

/// A wait for an answer: begun and ended by a session, watched by its connection.
#[derive(Clone, Debug)]
pub struct Wait {
    state: Arc<AtomicU8>,
    limit: Duration,
}

impl Wait {
    pub fn new(limit: Duration) -> Self {
        Self {
            state: Arc::default(),
            limit,
        }
    }

    /// From the next read on, nothing may take longer than the limit.
    pub fn begin(&self) {
        self.state.store(ON, Ordering::Relaxed);
    }

    /// The answer is there; what follows may take its time.
    pub fn end(&self) {
        self.state.store(OFF, Ordering::Relaxed);
    }

    /// Whether it was in vain.
    pub fn is_over(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OVER
    }

    fn is_on(&self) -> bool {
        self.state.load(Ordering::Relaxed) == ON
    }

    fn give_up(&self) {
        self.state.store(OVER, Ordering::Relaxed);
    }
}

/// Opens watched connections, through a proxy where there is one.
#[derive(Debug)]
pub struct Watched {
    pub tunnel: Option<Tunnel>,
    pub wait: Wait,
}

#[async_trait]
impl L4Connect for Watched {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let tcp = match &self.tunnel {
            Some(tunnel) => tunnel.connect_tcp().await?,
            None => {
                let address = address
                    .as_inet()
                    .or_err(ErrorType::ConnectError, "not a TCP address")?;
                let connected = TcpStream::connect(address).await;
                connected.or_err(ErrorType::ConnectError, "the provider cannot be reached")?
            }
        };
        let socket = Socket {
            tcp,
            wait: self.wait.clone(),
            due: None,
        };
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

#[derive(Debug)]
struct Socket {
    tcp: TcpStream,
    wait: Wait,
    /// When the answer has to be there; none while nobody waits.
    due: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if !self.wait.is_on() {
            self.due = None;
            return read;
        }
        if read.is_ready() {
            return read;
        }
        let limit = self.wait.limit;
        let due = self
            .due
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(due.as_mut().poll(cx));
        self.wait.give_up();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
