//! Content blocks out of the model.

use crate::fault::Fault;
use crate::model::{
    CacheMark, Citation, Content, Dialect, Losses, Maker, Names, Part, Placed, Reasoning, ReasoningForm,
    Request, Target, Text, ToolCall, ToolResult, broken_arguments,
};
use crate::write::{Array, Object};

use super::limits::{self, LONGEST_NAME, takes};
use super::source::{self, Sent};

const NO_SUCH: &str = "Messages have nothing like it";

/// Most marks that a request may have.
const MOST_MARKS: usize = 4;

/// Marks for the prompt cache: the first ones are left out where there are more than are taken, as a later one covers
/// them.
#[derive(Debug, Default)]
pub(super) struct Marks {
    skip: usize,
}

impl Marks {
    /// Marks of another dialect are counted; this one's are its caller's business.
    pub fn of(request: &Request<'_>) -> Marks {
        if request.dialect == Dialect::AnthropicMessages {
            return Marks::default();
        }
        let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let top = usize::from(request.cache.is_some());
        let marked = parts.filter(|part| part.cache.is_some()).count();
        let marks = tools.saturating_add(marked).saturating_add(top);
        Marks {
            skip: marks.saturating_sub(MOST_MARKS),
        }
    }

    pub fn write(
        &mut self,
        mark: &CacheMark<'_>,
        object: &mut Object<'_>,
        losses: &mut Losses,
        path: impl FnOnce() -> String,
    ) {
        if let Some(left) = self.skip.checked_sub(1) {
            self.skip = left;
            losses.dropped(
                format!("{}.cache_control", path()),
                "a request has four marks at most",
            );
            return;
        }
        object.object("cache_control", |object| write_mark(mark, object));
    }
}

pub(super) fn write_mark(mark: &CacheMark<'_>, object: &mut Object<'_>) {
    object.str("type", "ephemeral");
    // the only two that are taken
    let ttl = mark.ttl.as_ref().filter(|ttl| ttl.is("5m") || ttl.is("1h"));
    object.text_if("ttl", ttl);
    for extra in mark
        .extras
        .iter()
        .filter(|extra| !extra.name.is("prompt_cache_breakpoint"))
    {
        object.member(&extra.name, &extra.value);
    }
}

/// Writes blocks of requests.
pub(super) struct Blocks<'w> {
    pub target: &'w Target<'w>,
    pub own: bool,
    pub names: &'w mut Names,
    pub marks: &'w mut Marks,
    pub losses: &'w mut Losses,
    /// An upload is named, which has to be switched on.
    pub any_file: bool,
}

impl Blocks<'_> {
    /// # Errors
    /// What cannot be said here and must not be left out, by its place.
    pub fn write(&mut self, placed: &Placed<'_, '_>, array: &mut Array<'_>) -> Result<(), Fault> {
        let written = self.part(placed.part, placed, array);
        written.map_err(|fault| {
            fault
                .within_element(placed.index)
                .within("content")
                .within_element(placed.message)
                .within("messages")
        })
    }

    fn part(&mut self, part: &Part<'_>, placed: &Placed<'_, '_>, array: &mut Array<'_>) -> Result<(), Fault> {
        match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) if !self.own && text.is_blank() => {
                // refused by Anthropic, and nothing is said by it
                if !text.is_empty() {
                    self.losses
                        .dropped(placed.path(), "texts of white space alone are not taken");
                }
                self.lost_mark(part, placed);
            }
            Content::Text { text, citations } => array.object(|object| {
                object.str("type", "text");
                object.text("text", text);
                self.citations(citations, placed, object);
                self.hangings(part, placed, object);
            }),
            Content::Refusal(text) => array.object(|object| {
                object.str("type", "text");
                object.text("text", text);
                self.hangings(part, placed, object);
            }),
            Content::Reasoning(thought) => self.thought(part, thought, placed, array),
            Content::ToolCall(call) => return self.call(part, call, placed, array),
            Content::ToolResult(result) => return self.result(part, result, placed, array),
            Content::Media(media) => {
                let sent = source::sent(media, self.own, self.target.fetches_urls)?;
                return self.media(part, media, &sent, placed, array);
            }
            Content::SearchResult(found) => {
                let mut result = Ok(());
                array.object(|object| {
                    object.str("type", "search_result");
                    object.text("source", &found.source);
                    object.text("title", &found.title);
                    object.array("content", |array| {
                        result = self.parts(&found.parts, placed, array)
                    });
                    if let Some(enabled) = found.citations {
                        object.object("citations", |object| object.bool("enabled", enabled));
                    }
                    self.hangings(part, placed, object);
                });
                return result;
            }
            Content::Native(native) if native.dialect == Dialect::AnthropicMessages => {
                array.json(&native.json)
            }
            Content::Native(_) => self
                .losses
                .dropped(placed.path(), "only its own dialect can say this"),
        }
        Ok(())
    }

    fn parts(
        &mut self,
        parts: &[Part<'_>],
        placed: &Placed<'_, '_>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        parts.iter().try_for_each(|part| self.part(part, placed, array))
    }

    /// Only what Anthropic's models made and signed goes back to one of them; unsigned thoughts are refused.
    fn thought(
        &mut self,
        part: &Part<'_>,
        thought: &Reasoning<'_>,
        placed: &Placed<'_, '_>,
        array: &mut Array<'_>,
    ) {
        if !is_taken_back(part, thought, self.own, self.target) {
            self.losses.dropped(
                placed.path(),
                "thoughts go back to the maker who signed them alone",
            );
            return;
        }
        array.object(|object| {
            match (thought.form, &thought.data) {
                (ReasoningForm::Encrypted, Some(data)) => {
                    object.str("type", "redacted_thinking");
                    object.text("data", data);
                }
                _ => {
                    object.str("type", "thinking");
                    object.text("thinking", &thought.text);
                    match &part.signature {
                        Some(signature) => object.text("signature", &signature.data),
                        None => object.str("signature", ""),
                    }
                }
            }
            self.unnamed(part, placed, object);
        });
    }

    fn call(
        &mut self,
        part: &Part<'_>,
        call: &ToolCall<'_>,
        placed: &Placed<'_, '_>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        let input = call
            .arguments_object()
            .ok_or_else(|| broken_arguments(Some(&call.id)))?;
        array.object(|object| {
            object.str("type", "tool_use");
            object.str("id", &limits::id(&call.id));
            object.str("name", &self.names.sent(&call.name, LONGEST_NAME, takes));
            object.json("input", &input);
            self.hangings(part, placed, object);
        });
        Ok(())
    }

    fn result(
        &mut self,
        part: &Part<'_>,
        result: &ToolResult<'_>,
        placed: &Placed<'_, '_>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        let mut written = Ok(());
        array.object(|object| {
            object.str("type", "tool_result");
            object.str("tool_use_id", &limits::id(&result.call_id));
            match result.parts.as_slice() {
                [] => {}
                [word] if word.is_bare_text() => {
                    object.text("content", word.as_text().unwrap_or(&Text::default()))
                }
                parts => object.array("content", |array| written = self.parts(parts, placed, array)),
            }
            object.bool_if("is_error", result.is_error);
            self.hangings(part, placed, object);
        });
        written
    }

    fn media(
        &mut self,
        part: &Part<'_>,
        media: &crate::model::Media<'_>,
        sent: &Sent<'_, '_>,
        placed: &Placed<'_, '_>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        self.any_file |= matches!(sent, Sent::File(_));
        let is_image = media.kind == crate::model::MediaKind::Image;
        if media.detail.is_some() && !self.own {
            self.losses.dropped(format!("{}.detail", placed.path()), NO_SUCH);
        }
        let mut written = Ok(());
        array.object(|object| {
            object.str("type", if is_image { "image" } else { "document" });
            object.object("source", |object| {
                source::write(sent, object);
                if let Sent::Parts(parts) = sent {
                    object.array("content", |array| written = self.parts(parts, placed, array));
                }
            });
            if !is_image {
                object.text_if("title", media.title.as_ref());
                object.text_if("context", media.context.as_ref());
                if let Some(enabled) = media.citations {
                    object.object("citations", |object| object.bool("enabled", enabled));
                }
            }
            self.hangings(part, placed, object);
        });
        written
    }

    fn citations(&mut self, citations: &[Citation<'_>], placed: &Placed<'_, '_>, object: &mut Object<'_>) {
        // one that was made for a caller of this dialect has no index that Anthropic knows
        let genuine =
            |citation: &&Citation<'_>| citation.dialect == Dialect::AnthropicMessages && !is_made(citation);
        if citations.iter().any(|citation| genuine(&citation)) {
            object.array("citations", |array| {
                citations
                    .iter()
                    .filter(genuine)
                    .for_each(|citation| array.json(&citation.native));
            });
        }
        if citations.iter().any(|citation| !genuine(&citation)) {
            self.losses
                .dropped(format!("{}.citations", placed.path()), "are another provider's");
        }
    }

    /// What may hang on a block: a mark, and members of this dialect.
    fn hangings(&mut self, part: &Part<'_>, placed: &Placed<'_, '_>, object: &mut Object<'_>) {
        if let Some(mark) = &part.cache {
            self.marks.write(mark, object, self.losses, || placed.path());
        }
        let signed = part.signature.is_some() && !matches!(part.content, Content::Reasoning(_));
        if signed {
            self.losses.dropped(
                format!("{}.signature", placed.path()),
                "goes back to the maker who signed it alone",
            );
        }
        self.unnamed(part, placed, object);
    }

    fn unnamed(&mut self, part: &Part<'_>, placed: &Placed<'_, '_>, object: &mut Object<'_>) {
        if self.own {
            object.extras(&part.extras);
            return;
        }
        // which of the thoughts it was says nothing here
        for extra in part.extras.iter().filter(|extra| !extra.name.is("index")) {
            self.losses
                .dropped(format!("{}.{}", placed.path(), extra.name.get()), NO_SUCH);
        }
    }

    fn lost_mark(&mut self, part: &Part<'_>, placed: &Placed<'_, '_>) {
        if part.cache.is_some() {
            self.losses.dropped(
                format!("{}.cache_control", placed.path()),
                "stands on a text that is not taken",
            );
        }
    }
}

/// Whether Claude takes a thought back: one that Anthropic's models made and signed or encrypted. What a caller of this
/// dialect says of another's thoughts is not sent either.
pub(super) fn is_taken_back(
    part: &Part<'_>,
    thought: &Reasoning<'_>,
    own: bool,
    target: &Target<'_>,
) -> bool {
    let asked = own || target.maker == Some(Maker::Anthropic);
    let signed = part
        .signature
        .as_ref()
        .is_some_and(|signature| signature.maker == Some(Maker::Anthropic));
    asked
        && match thought.form {
            ReasoningForm::Encrypted => thought.data.is_some() && thought.maker == Some(Maker::Anthropic),
            ReasoningForm::Text | ReasoningForm::Summary => signed,
        }
}

/// The member that a citation made by the gateway has empty.
pub(super) const INDEX: &str = "encrypted_index";

fn is_made(citation: &Citation<'_>) -> bool {
    let index = citation.native.pointer("/encrypted_index");
    index
        .and_then(|index| index.as_text().map(|text| text.is_empty()))
        .unwrap_or(false)
}

/// Writes a citation of an answer: its own words where it is of this dialect, otherwise as a page that was found.
pub(super) fn write_citation(citation: &Citation<'_>, object: &mut Object<'_>) {
    if citation.dialect == Dialect::AnthropicMessages {
        for (name, value) in citation.native.members() {
            object.member(&name, &value);
        }
        return;
    }
    let text = |text: &Option<Text<'_>>| {
        text.as_ref()
            .map_or(String::new(), |text| text.get().into_owned())
    };
    object.str("type", "web_search_result_location");
    object.str("url", &text(&citation.url));
    object.str("title", &text(&citation.title));
    object.str("cited_text", &text(&citation.quote));
    object.str(INDEX, "");
}
