//! What a message is made of, in requests and in answers alike.

use super::raw::own_extras;
use super::{
    CacheMark, Citation, Dialect, Extras, Json, Media, Reasoning, Signature, Text, ToolCall, ToolResult,
};
use crate::json::pointer;
use crate::splice::{Splice, apply};

/// One piece of content, with what may hang on any piece.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'a> {
    pub content: Content<'a>,
    /// A prompt cache may end here.
    pub cache: Option<CacheMark<'a>>,
    /// What the model's maker wants back unchanged with this piece: Anthropic's `signature` of a thinking block,
    /// Gemini's `thoughtSignature` of any part.
    pub signature: Option<Signature<'a>>,
    pub extras: Extras<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    Text {
        text: Text<'a>,
        citations: Vec<Citation<'a>>,
    },
    Reasoning(Reasoning<'a>),
    Refusal(Text<'a>),
    ToolCall(ToolCall<'a>),
    ToolResult(ToolResult<'a>),
    Media(Media<'a>),
    SearchResult(SearchResult<'a>),
    /// What the provider's own tools did, and anything else that only its own dialect can say: server tool uses and
    /// their results, executable code, containers.
    Native(Native<'a>),
}

/// Something that was found, for the model to answer from and to cite (Anthropic's and Converse's search results).
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResult<'a> {
    /// Where it is from: a URL, or any other name.
    pub source: Text<'a>,
    pub title: Text<'a>,
    /// Its texts.
    pub parts: Vec<Part<'a>>,
    /// Whether the model may cite it.
    pub citations: Option<bool>,
}

impl SearchResult<'_> {
    /// For dialects that have nothing like it: source, title and text, a line each.
    pub fn as_words(&self) -> String {
        let texts = self.parts.iter().filter_map(Part::as_text).map(Text::get);
        let lines = [self.source.get(), self.title.get()].into_iter().chain(texts);
        lines.collect::<Vec<_>>().join("\n")
    }

    pub fn into_owned(self) -> SearchResult<'static> {
        SearchResult {
            source: self.source.into_owned(),
            title: self.title.into_owned(),
            parts: self.parts.into_iter().map(Part::into_owned).collect(),
            citations: self.citations,
        }
    }
}

/// A piece in its own dialect's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Native<'a> {
    pub dialect: Dialect,
    /// Its type there, such as `web_search_tool_result`.
    pub kind: Text<'a>,
    /// The whole object.
    pub json: Json<'a>,
}

impl<'a> Part<'a> {
    pub fn new(content: Content<'a>) -> Part<'a> {
        Part {
            content,
            cache: None,
            signature: None,
            extras: Vec::new(),
        }
    }

    pub fn text(text: impl Into<Text<'a>>) -> Part<'a> {
        Part::new(Content::Text {
            text: text.into(),
            citations: Vec::new(),
        })
    }

    /// The text, where the part is one.
    pub fn as_text(&self) -> Option<&Text<'a>> {
        match &self.content {
            Content::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Nothing but a text hangs on it.
    pub fn is_bare_text(&self) -> bool {
        let bare = matches!(&self.content, Content::Text { citations, .. } if citations.is_empty());
        bare && self.cache.is_none() && self.signature.is_none() && self.extras.is_empty()
    }

    pub fn into_owned(self) -> Part<'static> {
        Part {
            content: self.content.into_owned(),
            cache: self.cache.map(CacheMark::into_owned),
            signature: self.signature.map(Signature::into_owned),
            extras: own_extras(self.extras),
        }
    }
}

impl<'a> Content<'a> {
    pub fn into_owned(self) -> Content<'static> {
        match self {
            Content::Text { text, citations } => Content::Text {
                text: text.into_owned(),
                citations: citations.into_iter().map(Citation::into_owned).collect(),
            },
            Content::Reasoning(reasoning) => Content::Reasoning(reasoning.into_owned()),
            Content::Refusal(text) => Content::Refusal(text.into_owned()),
            Content::ToolCall(call) => Content::ToolCall(call.into_owned()),
            Content::ToolResult(result) => Content::ToolResult(result.into_owned()),
            Content::Media(media) => Content::Media(media.into_owned()),
            Content::SearchResult(found) => Content::SearchResult(found.into_owned()),
            Content::Native(native) => Content::Native(native.into_owned()),
        }
    }
}

impl Native<'_> {
    /// Puts a value in the place of the member `input`, as it came in pieces; what is not JSON stays out.
    pub(super) fn set_input(&mut self, input: &str) {
        let Some(input) = Json::new(input) else { return };
        let json = self.json.get().as_bytes();
        let Some(place) = pointer(json, "/input") else {
            return;
        };
        let spliced = apply(json, &[Splice::new(place, input.get().as_bytes().to_vec())]);
        self.json = Json::checked(String::from_utf8_lossy(&spliced).into_owned());
    }

    pub fn into_owned(self) -> Native<'static> {
        Native {
            dialect: self.dialect,
            kind: self.kind.into_owned(),
            json: self.json.into_owned(),
        }
    }
}
