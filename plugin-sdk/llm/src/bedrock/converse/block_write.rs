//! Content blocks out of the model.

use std::borrow::Cow;

use crate::fault::Fault;
use crate::model::{
    CacheMark, Citation, Content, Dialect, Extra, Losses, Maker, Names, Part, Reasoning, ReasoningForm,
    Request, Text, ToolCall, ToolResult, broken_arguments, extra,
};
use crate::write::{Array, Object};

use super::super::blob;
use super::block_read::{BLOB, CITED, GUARDED, JSON};
use super::limits::{self, DocumentNames};
use super::{cite, media_write};

pub(super) const NO_SUCH: &str = "Converse has nothing like it";
pub(super) const OWN_ALONE: &str = "only its own dialect can say this";

/// Most cache points that a request may have.
const MOST_POINTS: usize = 4;

/// Cache points: the first ones are left out where there are more than are taken, as a later one covers them.
#[derive(Debug)]
pub(super) struct Points {
    taken: bool,
    skip: usize,
}

impl Points {
    /// Points of another dialect are counted; this one's are its caller's business. `taken`: the model takes any.
    pub fn of(request: &Request<'_>, taken: bool) -> Points {
        if request.dialect == Dialect::BedrockConverse {
            return Points { taken: true, skip: 0 };
        }
        let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let marked: usize = parts.map(marks).sum();
        let top = usize::from(request.cache.is_some());
        let points = tools.saturating_add(marked).saturating_add(top);
        Points {
            taken,
            skip: points.saturating_sub(MOST_POINTS),
        }
    }

    pub fn write(
        &mut self,
        mark: &CacheMark<'_>,
        own: bool,
        array: &mut Array<'_>,
        losses: &mut Losses,
        path: &dyn Fn() -> String,
    ) {
        let why = match self.skip.checked_sub(1) {
            _ if !self.taken => "the model has no prompt cache that can be told",
            Some(left) => {
                self.skip = left;
                "a request has four cache points at most"
            }
            None => return write_point(mark, own, array, losses, path),
        };
        losses.dropped(format!("{}.cache", path()), why);
    }
}

fn marks(part: &Part<'_>) -> usize {
    let inner = match &part.content {
        Content::ToolResult(result) => usize::from(result.parts.iter().any(|part| part.cache.is_some())),
        _ => 0,
    };
    usize::from(part.cache.is_some()).max(inner)
}

fn write_point(
    mark: &CacheMark<'_>,
    own: bool,
    array: &mut Array<'_>,
    losses: &mut Losses,
    path: &dyn Fn() -> String,
) {
    array.object(|object| {
        object.object("cachePoint", |point| {
            if !own || extra(&mark.extras, "type").is_none() {
                point.str("type", "default");
            }
            let known = |ttl: &&Text<'_>| own || ttl.is("5m") || ttl.is("1h");
            point.text_if("ttl", mark.ttl.as_ref().filter(known));
            if mark.ttl.is_some() && mark.ttl.as_ref().filter(known).is_none() {
                losses.changed(
                    format!("{}.cache.ttl", path()),
                    "is 5m or 1h: the default is taken",
                );
            }
            if own {
                point.extras(&mark.extras);
            }
        });
    });
}

/// Writes blocks, of a request or of an answer.
pub(super) struct Blocks<'w> {
    /// The parts were read from this dialect.
    pub own: bool,
    /// The family of the model that is asked.
    pub maker: Option<Maker>,
    pub documents: &'w mut DocumentNames,
    pub names: &'w mut Names,
    pub points: &'w mut Points,
    pub losses: &'w mut Losses,
    /// Blocks that were written into the current array.
    pub written: usize,
}

impl Blocks<'_> {
    /// Writes a turn's parts. `path` says where the part of that index stands.
    ///
    /// # Errors
    /// What cannot be said here and must not be left out, and which of the parts it is.
    pub fn write(
        &mut self,
        parts: &[&Part<'_>],
        path: &dyn Fn(usize) -> String,
        array: &mut Array<'_>,
    ) -> Result<(), (usize, Fault)> {
        self.written = 0;
        let mut index = 0;
        while let Some(part) = parts.get(index) {
            let at = || path(index);
            let pieces = match self.own {
                true => cited_pieces(parts.get(index..).unwrap_or_default()),
                false => 0,
            };
            if pieces > 0 {
                let pieces = parts.get(index..index.saturating_add(pieces)).unwrap_or_default();
                self.cited(pieces, array);
                if let Some(mark) = pieces.last().and_then(|part| part.cache.as_ref()) {
                    self.point(mark, array, &at);
                }
                index = index.saturating_add(pieces.len());
                continue;
            }
            self.part(part, array, &at).map_err(|fault| (index, fault))?;
            index = index.saturating_add(1);
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: &Part<'_>,
        array: &mut Array<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<(), Fault> {
        let mut inner = None;
        match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) if !self.own && text.is_blank() => {
                // refused by Converse, and nothing is said by it
                if !text.is_empty() {
                    self.losses
                        .dropped(path(), "texts of white space alone are not taken");
                }
            }
            Content::Text { text, citations } => {
                self.text(part, text, array);
                if !citations.is_empty() {
                    self.losses
                        .dropped(format!("{}.citations", path()), "are another provider's");
                }
            }
            Content::Refusal(text) => {
                self.losses.changed(path(), "a refusal goes as a text");
                self.block(array, |object| object.text("text", text));
            }
            Content::Reasoning(thought) => self.thought(part, thought, array, path),
            Content::ToolCall(call) => self.call(part, call, array)?,
            Content::ToolResult(result) => {
                inner = result.parts.iter().find_map(|part| part.cache.as_ref());
                self.result(part, result, array, path)?;
            }
            Content::Media(media) => self.media(part, media, array, path)?,
            Content::SearchResult(_) => self.found(part, array, path),
            Content::Native(native) if native.dialect == Dialect::BedrockConverse => {
                self.block(array, |object| object.member(&native.kind, &native.json));
            }
            Content::Native(_) => self.losses.dropped(path(), OWN_ALONE),
        }
        self.unsaid(part, path);
        let thought = matches!(part.content, Content::Reasoning(_)) && !self.own;
        match part.cache.as_ref().or(inner) {
            Some(_) if thought => self.losses.dropped(
                format!("{}.cache", path()),
                "no cache point stands behind thoughts",
            ),
            Some(mark) => self.point(mark, array, path),
            None => {}
        }
        Ok(())
    }

    fn block(&mut self, array: &mut Array<'_>, write: impl FnOnce(&mut Object<'_>)) {
        self.written = self.written.saturating_add(1);
        array.object(write);
    }

    /// A point stands behind something, and not behind thoughts.
    fn point(&mut self, mark: &CacheMark<'_>, array: &mut Array<'_>, path: &dyn Fn() -> String) {
        if self.written == 0 {
            self.losses.dropped(
                format!("{}.cache", path()),
                "there is nothing before it that may be kept",
            );
            return;
        }
        self.points.write(mark, self.own, array, self.losses, path);
    }

    fn text(&mut self, part: &Part<'_>, text: &Text<'_>, array: &mut Array<'_>) {
        let guarded = extra(&part.extras, GUARDED).filter(|_| self.own);
        self.block(array, |object| match guarded {
            Some(rest) => object.object("guardContent", |guarded| {
                guarded.object("text", |object| {
                    object.text("text", text);
                    for (name, value) in rest.members() {
                        object.member(&name, &value);
                    }
                });
            }),
            None => object.text("text", text),
        });
    }

    /// Pieces of one text, with its citations.
    fn cited(&mut self, pieces: &[&Part<'_>], array: &mut Array<'_>) {
        let citations: Vec<&Citation<'_>> = pieces.iter().flat_map(|piece| citations(piece)).collect();
        self.block(array, |object| {
            object.object("citationsContent", |object| {
                object.array("content", |array| {
                    for text in pieces.iter().filter_map(|piece| piece.as_text()) {
                        array.object(|object| object.text("text", text));
                    }
                });
                object.array("citations", |array| {
                    for citation in citations {
                        array.object(|object| cite::write(citation, object));
                    }
                });
            });
        });
    }

    /// Thoughts go back to the family of models that signed them; Claude refuses unsigned ones. What a caller of this
    /// dialect says is left to it, but for thoughts that are another family's.
    fn thought(
        &mut self,
        part: &Part<'_>,
        thought: &Reasoning<'_>,
        array: &mut Array<'_>,
        path: &dyn Fn() -> String,
    ) {
        if !is_taken_back(part, thought, self.own, self.maker) {
            self.losses
                .dropped(path(), "thoughts go back to the maker who signed them alone");
            return;
        }
        let own = self.own;
        self.block(array, |object| write_thought(part, thought, own, object));
    }

    fn call(&mut self, part: &Part<'_>, call: &ToolCall<'_>, array: &mut Array<'_>) -> Result<(), Fault> {
        let input = call
            .arguments_object()
            .ok_or_else(|| broken_arguments(Some(&call.id)))?;
        let name = limits::tool_name(&call.name, self.names);
        self.written = self.written.saturating_add(1);
        array.object(|object| {
            object.object("toolUse", |object| {
                object.str("toolUseId", &limits::call_id(&call.id));
                object.str("name", &name);
                object.json("input", &input);
                object.extras(own_extras(part, self.own));
            });
        });
        Ok(())
    }

    fn result(
        &mut self,
        part: &Part<'_>,
        result: &ToolResult<'_>,
        array: &mut Array<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<(), Fault> {
        let mut written = Ok(());
        self.written = self.written.saturating_add(1);
        array.object(|object| {
            object.object("toolResult", |object| {
                object.str("toolUseId", &limits::call_id(&result.call_id));
                object.array("content", |array| {
                    written = result
                        .parts
                        .iter()
                        .try_for_each(|part| self.result_part(part, array, path));
                });
                match result.is_error {
                    Some(true) => object.str("status", "error"),
                    Some(false) => object.str("status", "success"),
                    None => {}
                }
                object.extras(own_extras(part, self.own));
            });
        });
        written
    }

    /// Blocks of results have no cache points, no thoughts and no calls among them.
    fn result_part(
        &mut self,
        part: &Part<'_>,
        array: &mut Array<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<(), Fault> {
        match &part.content {
            Content::Text { text, .. } if self.own && extra(&part.extras, JSON).is_some() => {
                let json = crate::model::Json::new(text.get());
                array.object(|object| match json {
                    Some(json) => object.json("json", &json),
                    None => object.text("text", text),
                });
                Ok(())
            }
            Content::Text { .. } | Content::Refusal(_) | Content::Media(_) | Content::SearchResult(_) => {
                let bare = Part {
                    cache: None,
                    ..part.clone()
                };
                self.part(&bare, array, path)
            }
            Content::Native(native) if native.dialect == Dialect::BedrockConverse => {
                array.object(|object| object.member(&native.kind, &native.json));
                Ok(())
            }
            _ => {
                self.losses
                    .dropped(format!("{}.content", path()), "cannot be in a tool's result");
                Ok(())
            }
        }
    }

    fn media(
        &mut self,
        part: &Part<'_>,
        media: &crate::model::Media<'_>,
        array: &mut Array<'_>,
        path: &dyn Fn() -> String,
    ) -> Result<(), Fault> {
        let context = media_write::Context {
            own: self.own,
            documents: self.documents,
            losses: self.losses,
        };
        let mut value = Vec::new();
        media_write::write(part, media, context, path, &mut value)?;
        let guarded = self.own && extra(&part.extras, GUARDED).is_some();
        self.block(array, |object| {
            let name = media_write::name(media.kind);
            match guarded {
                true => object.object("guardContent", |object| {
                    object.value(name).extend_from_slice(&value);
                }),
                false => object.value(name).extend_from_slice(&value),
            }
        });
        Ok(())
    }

    fn found(&mut self, part: &Part<'_>, array: &mut Array<'_>, path: &dyn Fn() -> String) {
        let Content::SearchResult(found) = &part.content else {
            return;
        };
        self.written = self.written.saturating_add(1);
        array.object(|object| {
            object.object("searchResult", |object| {
                object.text("source", &found.source);
                object.text("title", &found.title);
                object.array("content", |array| {
                    media_write::texts(&found.parts, path, self.losses, array);
                });
                if let Some(enabled) = found.citations {
                    object.object("citations", |object| object.bool("enabled", enabled));
                }
                object.extras(own_extras(part, self.own));
            });
        });
    }

    /// What hangs on a part and has no place here.
    fn unsaid(&mut self, part: &Part<'_>, path: &dyn Fn() -> String) {
        if part.signature.is_some() && !matches!(part.content, Content::Reasoning(_)) {
            self.losses.dropped(
                format!("{}.signature", path()),
                "goes back to the maker who signed it alone",
            );
        }
        if self.own {
            return;
        }
        // which of the thoughts it was says nothing here
        for extra in part.extras.iter().filter(|extra| !extra.name.is("index")) {
            self.losses
                .dropped(format!("{}.{}", path(), extra.name.get()), NO_SUCH);
        }
    }
}

/// The members of this dialect that hang on a part.
pub(super) fn own_extras<'p, 'a>(part: &'p Part<'a>, own: bool) -> &'p [Extra<'a>] {
    if own { &part.extras } else { &[] }
}

fn citations<'p, 'a>(part: &'p Part<'a>) -> &'p [Citation<'a>] {
    match &part.content {
        Content::Text { citations, .. } => citations,
        _ => &[],
    }
}

/// How many of the first parts are one cited text.
fn cited_pieces(parts: &[&Part<'_>]) -> usize {
    let piece = |part: &Part<'_>| extra(&part.extras, CITED).and_then(|at| at.as_u64());
    let Some(first) = parts.first() else { return 0 };
    if piece(first) != Some(0) {
        return usize::from(!citations(first).is_empty());
    }
    let more = parts.iter().zip(0u64..).skip(1);
    let more = more.take_while(|(part, at)| piece(part) == Some(*at));
    more.count().saturating_add(1)
}

/// Whether a thought may be sent to a model of this family.
pub(super) fn is_taken_back(
    part: &Part<'_>,
    thought: &Reasoning<'_>,
    own: bool,
    maker: Option<Maker>,
) -> bool {
    let signature = part.signature.as_ref();
    let signer = match thought.form {
        ReasoningForm::Encrypted => thought.maker,
        _ => signature.and_then(|signature| signature.maker),
    };
    match (own, signer, maker) {
        (true, Some(signer), Some(maker)) => signer == maker,
        // marked ones went to a caller of this dialect
        (true, Some(signer), None) => signer == Maker::Anthropic,
        (true, None, _) => true,
        (false, Some(signer), Some(maker)) => signer == maker,
        (false, ..) => false,
    }
}

/// Writes a block's `reasoningContent`.
pub(super) fn write_thought(part: &Part<'_>, thought: &Reasoning<'_>, own: bool, object: &mut Object<'_>) {
    object.object("reasoningContent", |object| {
        if thought.form == ReasoningForm::Encrypted {
            object.str("redactedContent", &redacted(thought));
            return;
        }
        object.object("reasoningText", |object| {
            object.text("text", &thought.text);
            if let Some(signature) = &part.signature {
                object.text("signature", &signature.data);
            }
            object.extras(own_extras(part, own));
        });
    });
}

/// Encrypted thoughts as a blob.
pub(super) fn redacted<'t>(thought: &'t Reasoning<'_>) -> Cow<'t, str> {
    let data = thought.data.as_ref().unwrap_or(&thought.text).get();
    match thought.format.as_ref().is_some_and(|format| format.is(BLOB)) {
        true => data,
        false => Cow::Owned(blob::encode(data.as_bytes())),
    }
}
