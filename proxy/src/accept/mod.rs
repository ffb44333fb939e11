//! Stage 1: bytes in, a call out.

pub mod body;
pub mod call;
pub mod client;
pub mod count;
pub mod handshake;
pub mod head;
pub mod listen;
pub mod named;
pub mod proxy_protocol;
pub mod raw;
pub mod route;
pub mod stored;
