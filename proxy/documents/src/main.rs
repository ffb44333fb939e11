//! Reads one document for a gateway, from its input to its output, within limits that the system keeps. What it reads may
//! be made to break it: then it ends, and nothing else does.
//!
//! `penstock-documents pdf|html`; the exit code says how it went: 0 all words are there, 10 some are left out, 11 the
//! document needs a password, 12 it has no words, anything else it cannot be read.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use pdf_extract::{Document, PlainTextOutput, output_doc_page};
use rlimit::{Resource, setrlimit};

/// Of the document.
const MOST_BYTES: u64 = 32 << 20;

/// Of its words.
const MOST_WORDS_BYTES: usize = 2 << 20;

/// Memory of this process: a page with pictures takes some tens of megabytes.
const MOST_MEMORY: u64 = 512 << 20;

/// Seconds of computing.
const MOST_SECONDS: u64 = 20;

/// Pages that are read.
const MOST_PAGES: usize = 2_000;

/// Characters in a line of what a web page becomes: wide, as nobody looks at it.
const LINE: usize = 400;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Ending {
    Whole = 0,
    Cut = 10,
    Locked = 11,
    NoWords = 12,
    Unreadable = 13,
}

fn main() -> ExitCode {
    // what a panic would print may quote the document
    std::panic::set_hook(Box::new(|_| {}));
    let kind = std::env::args().nth(1).unwrap_or_default();
    let mut bytes = Vec::new();
    let read = limit().and_then(|()| io::stdin().lock().take(MOST_BYTES).read_to_end(&mut bytes));
    let words = match (read, kind.as_str()) {
        (Ok(_), "pdf") => pdf(&bytes),
        (Ok(_), "html") => html(&bytes),
        _ => Err(Ending::Unreadable),
    };
    let (text, ending) = words.unwrap_or_else(|ending| (String::new(), ending));
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(ending as u8),
        Err(_) => ExitCode::from(Ending::Unreadable as u8),
    }
}

/// Takes away what a document could be made to use.
fn limit() -> io::Result<()> {
    for (resource, most) in [
        (Resource::AS, MOST_MEMORY),
        (Resource::CPU, MOST_SECONDS),
        (Resource::CORE, 0),
        (Resource::FSIZE, 0),
    ] {
        setrlimit(resource, most, most)?;
    }
    Ok(())
}

/// Page by page: one that cannot be read does not take the others with it.
fn pdf(bytes: &[u8]) -> Result<(String, Ending), Ending> {
    let mut document = Document::load_mem(bytes).map_err(|_| Ending::Unreadable)?;
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(Ending::Locked);
    }
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    let (mut text, mut is_whole) = (String::new(), pages.len() <= MOST_PAGES);
    for page in pages.into_iter().take(MOST_PAGES) {
        if text.len() > MOST_WORDS_BYTES {
            break;
        }
        let mut words = String::new();
        let read = catch_unwind(AssertUnwindSafe(|| {
            output_doc_page(&document, &mut PlainTextOutput::new(&mut words), page)
        }));
        is_whole &= matches!(read, Ok(Ok(())));
        text.push_str(words.trim());
        text.push_str("\n\n");
    }
    concluded(text, is_whole)
}

fn html(bytes: &[u8]) -> Result<(String, Ending), Ending> {
    let text = html2text::from_read(bytes, LINE).map_err(|_| Ending::Unreadable)?;
    concluded(text, true)
}

fn concluded(mut text: String, is_whole: bool) -> Result<(String, Ending), Ending> {
    text.truncate(text.trim_end().len());
    let end = text.floor_char_boundary(MOST_WORDS_BYTES);
    let is_cut = end < text.len();
    text.truncate(end);
    match (text.is_empty(), is_whole && !is_cut) {
        (true, true) => Err(Ending::NoWords),
        (true, false) => Err(Ending::Unreadable),
        (false, true) => Ok((text, Ending::Whole)),
        (false, false) => Ok((text, Ending::Cut)),
    }
}
