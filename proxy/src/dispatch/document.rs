//! The words of documents. Readers of PDF and HTML are large, and what they read may be made to break them: they are a
//! program of their own (`documents` in this repository), of which nothing is linked into the gateway. Its process knows no
//! secret, keeps limits of its own, and is ended when it takes too long.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use penstock_llm::model::DocumentType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::chain::off_worker;
use crate::state::media::{NotRead, Note, WantedWords, Words};

/// The program's name.
const READER: &str = "penstock-documents";

/// A document as it comes: a long report with pictures.
const MOST_BYTES: usize = 32 << 20;

/// Its words: some five hundred thousand tokens, which is more than most models take.
const MOST_WORDS_BYTES: usize = 2 << 20;

/// From the start of the process to its end. A thousand pages take a few seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Documents that are read at once: each takes a core, and memory up to its limit.
const AT_ONCE: usize = 2;

/// How the process ends: its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Ending {
    Whole = 0,
    Cut = 10,
    Locked = 11,
    NoWords = 12,
}

/// Reads documents, a few at a time.
pub struct Documents {
    /// Started once for each document.
    program: PathBuf,
    places: Semaphore,
}

/// Where the reader is unless the environment's `PENSTOCK_DOCUMENTS` says otherwise: next to this program.
pub fn usual_reader() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(READER)
}

impl Documents {
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// The words of one document, and what the record says of it.
    pub async fn read(&self, wanted: &WantedWords) -> (Result<Words, NotRead>, Note) {
        let begun = Instant::now();
        let words = match wanted.of {
            _ if wanted.bytes.len() > MOST_BYTES => Err(NotRead::TooLarge),
            DocumentType::Text | DocumentType::Other => {
                off_worker(wanted.bytes.len(), || plain(&wanted.bytes))
            }
            DocumentType::Pdf => self.read_apart("pdf", &wanted.bytes).await,
            DocumentType::Html => self.read_apart("html", &wanted.bytes).await,
        };
        let note = Note {
            field: wanted.field.clone(),
            what: "read",
            host: None,
            outcome: words.as_ref().map_or_else(|why| why.label(), |_| "read"),
            bytes: words.as_ref().map_or(0, |words| words.text.len()),
            took: begun.elapsed(),
        };
        (words, note)
    }

    async fn read_apart(&self, kind: &str, bytes: &[u8]) -> Result<Words, NotRead> {
        let place = tokio::time::timeout(PATIENCE, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(NotRead::Busy);
        };
        let child = Command::new(&self.program)
            .arg(kind)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let child = child.map_err(|error| {
            log::error!(
                "{}: the reader of documents cannot be started: {error}",
                self.program.display()
            );
            NotRead::NoReader
        })?;
        let heard = tokio::time::timeout(PATIENCE, hear(child, bytes)).await;
        heard.unwrap_or(Err(NotRead::Unreadable))
    }
}

/// Hands the document over and takes the words; neither waits for the other.
async fn hear(mut child: Child, bytes: &[u8]) -> Result<Words, NotRead> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(NotRead::Unreadable);
    };
    let hand_over = async move {
        // one that ends early does not want the rest
        let _ = input.write_all(bytes).await;
    };
    let mut said = Vec::new();
    let most = MOST_WORDS_BYTES as u64 + 1;
    let mut output = output.take(most);
    let ((), read) = tokio::join!(hand_over, output.read_to_end(&mut said));
    read.map_err(|_| NotRead::Unreadable)?;
    let status = child.wait().await.map_err(|_| NotRead::Unreadable)?;
    concluded(status, said)
}

fn concluded(status: ExitStatus, said: Vec<u8>) -> Result<Words, NotRead> {
    let is = |ending: Ending| status.code() == Some(i32::from(ending as u8));
    if is(Ending::Locked) {
        return Err(NotRead::Locked);
    }
    if is(Ending::NoWords) {
        return Err(NotRead::NoWords);
    }
    if !is(Ending::Whole) && !is(Ending::Cut) {
        return Err(NotRead::Unreadable);
    }
    let text = String::from_utf8(said).map_err(|_| NotRead::Unreadable)?;
    Ok(Words {
        text: text.into(),
        is_cut: is(Ending::Cut),
    })
}

/// A text in Unicode, else in the Western encoding that most others are in.
fn plain(bytes: &[u8]) -> Result<Words, NotRead> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
            Err(_) if bytes.contains(&0) => return Err(NotRead::Unreadable),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        },
    };
    if text.trim().is_empty() {
        return Err(NotRead::NoWords);
    }
    let end = text.floor_char_boundary(MOST_WORDS_BYTES);
    Ok(Words {
        is_cut: end < text.len(),
        text: text.get(..end).unwrap_or_default().into(),
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotRead> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units)
        .collect::<Result<_, _>>()
        .map_err(|_| NotRead::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Result<String, NotRead> {
        plain(bytes).map(|words| words.text.into())
    }

    #[test]
    fn a_text_is_read_in_its_encoding() {
        assert_eq!(said("caf\u{e9}".as_bytes()), Ok("caf\u{e9}".into()));
        assert_eq!(said(b"\xef\xbb\xbfhi"), Ok("hi".into()));
        assert_eq!(said(b"\xff\xfeh\0i\0"), Ok("hi".into()));
        assert_eq!(said(b"\xfe\xff\0h\0i"), Ok("hi".into()));
        assert_eq!(said(b"caf\xe9"), Ok("caf\u{e9}".into()));
        assert_eq!(said(b"\xff\0\x01"), Err(NotRead::Unreadable));
        assert_eq!(said(b" \n"), Err(NotRead::NoWords));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "\u{e9}".repeat(MOST_WORDS_BYTES);
        let words = plain(long.as_bytes()).unwrap();
        assert!(words.is_cut && words.text.len() <= MOST_WORDS_BYTES);
    }

    #[tokio::test]
    async fn a_reader_that_cannot_be_started_is_no_fault_of_the_document() {
        let documents = Documents::new("/nonexistent/penstock".into());
        let wanted = WantedWords {
            field: "f".into(),
            of: DocumentType::Pdf,
            bytes: b"%PDF-1.4".to_vec(),
        };
        assert_eq!(documents.read(&wanted).await.0, Err(NotRead::NoReader));
    }
}
