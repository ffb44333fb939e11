//! Bodies compressed as a provider or a client would.

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use tokio::io::AsyncWriteExt;

/// Every coding that is known.
pub const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

pub fn compressed(coding: &str, plain: &[u8]) -> Vec<u8> {
    parts(coding, &[plain]).concat()
}

/// Compressed piece by piece, each flushed, as a provider streams: what one piece gives can be undone at once. The last
/// part is the end of the compressed body.
pub fn parts(coding: &str, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    macro_rules! with {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new());
            let mut parts = Vec::new();
            for piece in pieces {
                encoder.write_all(piece).await.expect("memory can be written");
                encoder.flush().await.expect("memory can be written");
                parts.push(std::mem::take(encoder.get_mut()));
            }
            encoder.shutdown().await.expect("memory can be written");
            parts.push(std::mem::take(encoder.get_mut()));
            parts
        }};
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match coding {
            "gzip" => with!(GzipEncoder),
            "deflate" => with!(ZlibEncoder),
            "br" => with!(BrotliEncoder),
            "zstd" => with!(ZstdEncoder),
            other => panic!("{other} is not a coding of these tests"),
        }
    })
}
