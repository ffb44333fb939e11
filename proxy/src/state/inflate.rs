//! Compressed bodies, undone piece by piece within a limit. Whose body it is, is not its business.

use std::io;

use async_compression::tokio::write::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Compressed bytes that are undone before what came out is looked at: a bomb of the worst kind makes 4 MB of them.
const STEP: usize = 4096;

/// Why a body was not undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A coding that is not known, or more than one.
    Unknown,
    TooLarge,
    Corrupt,
}

/// Undoes one coding of one body. The decoders write into memory, so none of this ever waits.
pub struct Inflater {
    decoder: Decoder,
    left: usize,
}

enum Decoder {
    Gzip(Box<GzipDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    Brotli(Box<BrotliDecoder<Vec<u8>>>),
    Zstd(Box<ZstdDecoder<Vec<u8>>>),
}

impl Inflater {
    /// For a value of `Content-Encoding`; `None` where nothing is to be undone. At most `limit` bytes will come out.
    pub fn new(coding: &str, limit: usize) -> Result<Option<Self>, Refused> {
        let decoder = match coding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Decoder::Gzip(Box::new(GzipDecoder::new(Vec::new()))),
            "deflate" => Decoder::Zlib(Box::new(ZlibDecoder::new(Vec::new()))),
            "br" => Decoder::Brotli(Box::new(BrotliDecoder::new(Vec::new()))),
            "zstd" => Decoder::Zstd(Box::new(ZstdDecoder::new(Vec::new()))),
            _ => return Err(Refused::Unknown),
        };
        Ok(Some(Self { decoder, left: limit }))
    }

    /// What a piece of the compressed body gives.
    pub async fn push(&mut self, piece: &[u8]) -> Result<Bytes, Refused> {
        let mut plain = BytesMut::new();
        for step in piece.chunks(STEP) {
            self.step(step, false, &mut plain).await?;
        }
        Ok(plain.freeze())
    }

    /// What was still inside; an error if the compressed body was cut off.
    pub async fn finish(&mut self) -> Result<Bytes, Refused> {
        let mut plain = BytesMut::new();
        self.step(&[], true, &mut plain).await?;
        Ok(plain.freeze())
    }

    async fn step(&mut self, step: &[u8], last: bool, plain: &mut BytesMut) -> Result<(), Refused> {
        let out = match &mut self.decoder {
            Decoder::Gzip(decoder) => feed(&mut **decoder, step, last).await.map(|()| decoder.get_mut()),
            Decoder::Zlib(decoder) => feed(&mut **decoder, step, last).await.map(|()| decoder.get_mut()),
            Decoder::Brotli(decoder) => feed(&mut **decoder, step, last).await.map(|()| decoder.get_mut()),
            Decoder::Zstd(decoder) => feed(&mut **decoder, step, last).await.map(|()| decoder.get_mut()),
        };
        let out = out.map_err(|_| Refused::Corrupt)?;
        self.left = self.left.checked_sub(out.len()).ok_or(Refused::TooLarge)?;
        plain.extend_from_slice(out);
        out.clear();
        Ok(())
    }
}

async fn feed(decoder: &mut (impl AsyncWrite + Unpin), step: &[u8], last: bool) -> io::Result<()> {
    decoder.write_all(step).await?;
    if last {
        decoder.shutdown().await
    } else {
        decoder.flush().await
    }
}

/// Undoes a whole body at once.
pub async fn whole(coding: &str, body: Bytes, limit: usize) -> Result<Bytes, Refused> {
    let Some(mut inflater) = Inflater::new(coding, limit)? else {
        return Ok(body);
    };
    let mut plain = BytesMut::from(&inflater.push(&body).await?[..]);
    plain.extend_from_slice(&inflater.finish().await?);
    Ok(plain.freeze())
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};

    use super::*;

    async fn compressed(coding: &str, plain: &[u8]) -> Bytes {
        macro_rules! with {
            ($encoder:ident) => {{
                let mut encoder = $encoder::new(Vec::new());
                encoder.write_all(plain).await.unwrap();
                encoder.shutdown().await.unwrap();
                encoder.into_inner().into()
            }};
        }
        match coding {
            "gzip" => with!(GzipEncoder),
            "deflate" => with!(ZlibEncoder),
            "br" => with!(BrotliEncoder),
            "zstd" => with!(ZstdEncoder),
            _ => unreachable!("a coding of this test"),
        }
    }

    #[tokio::test]
    async fn each_coding_comes_out_as_it_went_in_however_it_is_cut() {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let body = compressed(coding, b"hello, hello, hello").await;
            assert_eq!(
                &whole(coding, body.clone(), 100).await.unwrap()[..],
                b"hello, hello, hello",
                "{coding}"
            );
            let mut inflater = Inflater::new(coding, 100).unwrap().unwrap();
            let mut plain = Vec::new();
            for byte in &body {
                plain.extend_from_slice(&inflater.push(&[*byte]).await.unwrap());
            }
            plain.extend_from_slice(&inflater.finish().await.unwrap());
            assert_eq!(plain, b"hello, hello, hello", "{coding}");
        }
    }

    #[tokio::test]
    async fn a_bomb_stops_at_the_limit() {
        let bomb = compressed("gzip", &vec![0; 1 << 20]).await;
        assert!(bomb.len() < 4096);
        assert_eq!(whole("gzip", bomb, 65_536).await, Err(Refused::TooLarge));
    }

    #[tokio::test]
    async fn what_is_cut_off_or_no_compression_is_refused() {
        let body = compressed("gzip", b"hello").await;
        assert_eq!(
            whole("gzip", body.slice(..body.len() - 4), 100).await,
            Err(Refused::Corrupt)
        );
        assert_eq!(
            whole("gzip", Bytes::from_static(b"hello"), 100).await,
            Err(Refused::Corrupt)
        );
        assert_eq!(whole("gzip, br", Bytes::new(), 100).await, Err(Refused::Unknown));
    }
}
