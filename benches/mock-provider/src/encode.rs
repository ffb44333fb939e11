//! The encodings an answer can have: content encodings of HTTP, and base64 for embeddings.

use std::io;

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use tokio::io::AsyncWriteExt;

/// A content encoding. `Deflate` is the zlib format, as RFC 9110 means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Brotli,
    Zstd,
    Deflate,
}

impl Encoding {
    /// Reads the name that `content-encoding` uses.
    pub fn parse(name: &str) -> Option<Encoding> {
        match name {
            "gzip" => Some(Encoding::Gzip),
            "br" => Some(Encoding::Brotli),
            "zstd" => Some(Encoding::Zstd),
            "deflate" => Some(Encoding::Deflate),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Encoding::Gzip => "gzip",
            Encoding::Brotli => "br",
            Encoding::Zstd => "zstd",
            Encoding::Deflate => "deflate",
        }
    }
}

/// Encodes a body piece by piece; without an encoding it passes the bytes on.
pub enum Encoder {
    Plain,
    Gzip(GzipEncoder<Vec<u8>>),
    Brotli(Box<BrotliEncoder<Vec<u8>>>),
    Zstd(ZstdEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

/// Every encoder of the library has the same methods and no common trait for taking its output.
macro_rules! piece {
    ($encoder:expr, $bytes:expr, $finish:ident) => {{
        $encoder.write_all($bytes).await?;
        $encoder.$finish().await?;
        std::mem::take($encoder.get_mut())
    }};
}

impl Encoder {
    pub fn new(encoding: Option<Encoding>) -> Encoder {
        match encoding {
            None => Encoder::Plain,
            Some(Encoding::Gzip) => Encoder::Gzip(GzipEncoder::new(Vec::new())),
            Some(Encoding::Brotli) => Encoder::Brotli(Box::new(BrotliEncoder::new(Vec::new()))),
            Some(Encoding::Zstd) => Encoder::Zstd(ZstdEncoder::new(Vec::new())),
            Some(Encoding::Deflate) => Encoder::Deflate(ZlibEncoder::new(Vec::new())),
        }
    }

    /// Whether `piece` and `last` change anything.
    pub fn is_plain(&self) -> bool {
        matches!(self, Encoder::Plain)
    }

    /// Encodes and flushes, so that a reader can decode everything so far.
    pub async fn piece(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        Ok(match self {
            Encoder::Plain => bytes.to_vec(),
            Encoder::Gzip(encoder) => piece!(encoder, bytes, flush),
            Encoder::Brotli(encoder) => piece!(encoder, bytes, flush),
            Encoder::Zstd(encoder) => piece!(encoder, bytes, flush),
            Encoder::Deflate(encoder) => piece!(encoder, bytes, flush),
        })
    }

    /// Encodes the last piece and writes the trailer of the format.
    pub async fn last(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        Ok(match self {
            Encoder::Plain => bytes.to_vec(),
            Encoder::Gzip(encoder) => piece!(encoder, bytes, shutdown),
            Encoder::Brotli(encoder) => piece!(encoder, bytes, shutdown),
            Encoder::Zstd(encoder) => piece!(encoder, bytes, shutdown),
            Encoder::Deflate(encoder) => piece!(encoder, bytes, shutdown),
        })
    }
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .enumerate()
            .fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for position in 0..4 {
            let filled = position <= group.len();
            let letter = ALPHABET[(bits >> (18 - 6 * position)) as usize & 63];
            text.push(if filled { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_agrees_with_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
