//! Media of a request in the form that its target takes: bytes for what is at a URL that it does not fetch, words for
//! documents that it does not read. What it takes to have them is named; having them is left to `fetch` and `document`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use penstock_llm::model::{
    Codec, Content, DocumentType, Losses, Media, MediaKind, Part, Request, Source, Target, Text,
};

use crate::fault::{Fault, Next, Result};
use crate::state::media::{Got, Want, WantedBytes, WantedWords, Words};

/// The longest name of a file that a model is told.
const LONGEST_NAME: usize = 200;

const LOOSE: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LOOSE);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LOOSE);

/// What is known of who gets the media.
pub struct Fit<'f> {
    pub codec: &'static dyn Codec,
    pub target: &'f Target<'f>,
    /// The model reads documents, as far as its dialect has them.
    pub reads_documents: bool,
    /// The gateway may fetch.
    pub may_fetch: bool,
    /// Documents that are not read go as their words.
    pub as_words: bool,
}

/// What became of a request.
#[derive(Default)]
pub struct Fitted {
    /// What has to be had first; the request is of no use until then.
    pub wants: Vec<Want>,
    pub losses: Losses,
    pub is_changed: bool,
}

/// Where a part stands; one within another has the outer's place and its own.
#[derive(Clone, Copy)]
struct Place {
    message: usize,
    part: usize,
    inner: Option<usize>,
}

impl Fit<'_> {
    /// Puts what is there in the place of what the target does not take.
    ///
    /// # Errors
    /// What could not be had, or may not be: another target may do without.
    pub fn request<'a>(&self, request: &mut Request<'a>, got: &'a Got) -> Result<Fitted> {
        let mut fitted = Fitted::default();
        for (message, turn) in request.messages.iter_mut().enumerate() {
            for (part, piece) in turn.parts.iter_mut().enumerate() {
                let place = Place {
                    message,
                    part,
                    inner: None,
                };
                self.part(piece, place, got, &mut fitted)?;
            }
        }
        Ok(fitted)
    }

    fn part<'a>(&self, part: &mut Part<'a>, at: Place, got: &'a Got, fitted: &mut Fitted) -> Result<()> {
        let inner = match &mut part.content {
            Content::ToolResult(result) => &mut result.parts,
            Content::Media(Media {
                source: Source::Parts(parts),
                ..
            }) => parts,
            Content::Media(_) => return self.media(part, at, got, fitted),
            _ => return Ok(()),
        };
        for (index, piece) in inner.iter_mut().enumerate() {
            let place = Place {
                inner: Some(index),
                ..at
            };
            if matches!(piece.content, Content::Media(_)) {
                self.media(piece, place, got, fitted)?;
            }
        }
        Ok(())
    }

    fn media<'a>(&self, part: &mut Part<'a>, at: Place, got: &'a Got, fitted: &mut Fitted) -> Result<()> {
        let Content::Media(media) = &mut part.content else {
            return Ok(());
        };
        let unread = media.kind == MediaKind::Document && !self.reads_documents;
        if let Source::Url(url) = &media.source
            && is_of_the_web(&url.get())
            && (unread || self.codec.needs_bytes(media, self.target))
        {
            self.bytes(media, at, got, fitted)?;
        }
        let is_read = self.reads_documents && self.codec.reads_document(media);
        if media.kind == MediaKind::Document && !is_read {
            self.words(part, at, got, fitted)?;
        }
        Ok(())
    }

    fn bytes<'a>(&self, media: &mut Media<'a>, at: Place, got: &'a Got, fitted: &mut Fitted) -> Result<()> {
        let Source::Url(url) = &media.source else {
            return Ok(());
        };
        let url = url.get();
        match got.fetched(&url) {
            Some(Ok(fetched)) => {
                media.source = Source::Base64(Text::plain(&*fetched.base64));
                media.media_type = Some(Text::plain(&*fetched.media_type));
                media.kind = fetched.kind;
                if media.kind == MediaKind::Document && media.title.is_none() {
                    media.title = fetched.name.as_deref().map(Text::plain);
                }
                fitted.is_changed = true;
                Ok(())
            }
            Some(Err(why)) => Err(why.fault(at.path())),
            None if !self.may_fetch => Err(crate::state::media::NotFetched::Off.fault(at.path())),
            None => {
                fitted.wants.push(Want::Bytes(WantedBytes {
                    url: url.into(),
                    kind: media.kind,
                    field: at.path().into(),
                }));
                Ok(())
            }
        }
    }

    fn words<'a>(&self, part: &mut Part<'a>, at: Place, got: &'a Got, fitted: &mut Fitted) -> Result<()> {
        let Content::Media(media) = &part.content else {
            return Ok(());
        };
        if !self.as_words {
            // what only the dialect lacks it refuses in its own words
            return if self.reads_documents {
                Ok(())
            } else {
                Err(unread(&at))
            };
        }
        let text = match (&media.source, media.document_type()) {
            (Source::Text(text), _) => worded(media, &text.get(), false),
            (
                Source::Base64(data),
                Some(of @ (DocumentType::Pdf | DocumentType::Html | DocumentType::Text)),
            ) => {
                let field = at.path();
                match got.words(&field) {
                    Some(Ok(Words { text, is_cut })) => worded(media, text, *is_cut),
                    Some(Err(why)) => return Err(why.fault(field)),
                    None => {
                        let bytes = decoded(&data.get()).ok_or_else(|| not_base64(&at))?;
                        let field = field.into();
                        fitted.wants.push(Want::Words(WantedWords { field, of, bytes }));
                        return Ok(());
                    }
                }
            }
            // it is about to come
            (Source::Url(_), _) => return Ok(()),
            _ if self.reads_documents => return Ok(()),
            _ => return Err(unread(&at)),
        };
        fitted
            .losses
            .changed(at.path(), "is not read as a document: its words go");
        fitted.is_changed = true;
        part.content = Content::Text {
            text: Text::plain(text),
            citations: Vec::new(),
        };
        Ok(())
    }
}

/// A document's words, with its name. The model is told where they begin and end, so that they are not taken for the
/// caller's own.
fn worded(media: &Media<'_>, words: &str, is_cut: bool) -> String {
    let name = media.title.as_ref().map(Text::get).unwrap_or_default();
    let name: String = name
        .chars()
        .map(|char| {
            if char.is_control() || "\"<>".contains(char) {
                ' '
            } else {
                char
            }
        })
        .take(LONGEST_NAME)
        .collect();
    let name = match name.trim() {
        "" => "unnamed",
        name => name,
    };
    let cut = match is_cut {
        true => "\n[the rest of the document is left out]",
        false => "",
    };
    format!("<document name=\"{name}\">\n{words}{cut}\n</document>")
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    STANDARD.decode(base64).or_else(|_| URL_SAFE.decode(base64)).ok()
}

fn is_of_the_web(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

fn not_base64(at: &Place) -> Box<Fault> {
    let field = at.path();
    Fault::caller(400, "invalid_value", format!("{field} is not valid base64")).with_param(field)
}

fn unread(at: &Place) -> Box<Fault> {
    let field = at.path();
    let message = format!("{field} is a document, which the model does not read: send its text");
    let mut fault = Fault::caller(400, "unsupported_value", message).with_param(field);
    fault.next = Next::TryNextTarget;
    fault
}

impl Place {
    /// As in `messages[2].content[0]`.
    fn path(&self) -> String {
        let outer = format!("messages[{}].content[{}]", self.message, self.part);
        match self.inner {
            Some(inner) => format!("{outer}.content[{inner}]"),
            None => outer,
        }
    }
}
