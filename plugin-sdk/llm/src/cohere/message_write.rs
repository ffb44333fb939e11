//! Messages out of the model: what one message of another dialect holds may take several here.

use crate::fault::{Fault, Within};
use crate::model::{
    Citation, Content, Dialect, Losses, Maker, Media, MediaKind, Message, Part, Reasoning, ReasoningForm,
    Role, Source, Text, ToolCall, ToolResult,
};
use crate::write::{Array, Object};

use super::{NO_SUCH, call, citation, content, documents};

/// Writes a conversation, and collects the documents in it.
pub(super) struct Messages<'r, 'a> {
    own: bool,
    /// Where they stood, and which they are.
    documents: Vec<(usize, usize, &'r Part<'a>)>,
    /// Images that tools gave: they follow when all results of the turn are said.
    images: Vec<(usize, &'r Part<'a>)>,
    pub losses: Losses,
}

impl<'r, 'a> Messages<'r, 'a> {
    pub fn new(own: bool) -> Messages<'r, 'a> {
        Messages {
            own,
            documents: Vec::new(),
            images: Vec::new(),
            losses: Losses::default(),
        }
    }

    /// # Errors
    /// Media that cannot be said here, by its place.
    pub fn write(&mut self, messages: &'r [Message<'a>], array: &mut Array<'_>) -> Result<(), Fault> {
        for (at, message) in messages.iter().enumerate() {
            let written = match message.role {
                Role::Assistant => self.assistant(message, at, array),
                Role::System | Role::Developer => self.system(message, at, array),
                _ => self.spoken(message, at, array),
            };
            written
                .map_err(|fault| fault.within_element(at))
                .within("messages")?;
            if message.name.is_some() {
                self.losses.dropped(format!("messages[{at}].name"), NO_SUCH);
            }
        }
        self.flush(messages.len(), array).within("messages")
    }

    /// Images that wait for a user's message, in one of their own.
    fn flush(&mut self, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let images = std::mem::take(&mut self.images);
        if images.is_empty() {
            return Ok(());
        }
        self.message("user", &images, None, at, array)
    }

    fn system(&mut self, message: &'r Message<'a>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        self.flush(at, array)?;
        let mut words = Vec::new();
        for (index, part) in message.parts.iter().enumerate() {
            match part.as_text() {
                Some(_) => words.push((index, part)),
                None => self
                    .losses
                    .dropped(path(at, index), "instructions are texts here"),
            }
        }
        self.message("system", &words, Some(message), at, array)
    }

    /// A user's or tool's message: results of tools are messages of their own and come first, right behind the calls.
    fn spoken(&mut self, message: &'r Message<'a>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let mut said = Vec::new();
        for (index, part) in message.parts.iter().enumerate() {
            match &part.content {
                Content::ToolResult(result) => {
                    self.result(message, result, (at, index), array)
                        .map_err(|fault| fault.within_element(index))
                        .within("content")?;
                    self.hangings(part, at, index);
                }
                _ if documents::is_document(part) => {
                    self.documents.push((at, index, part));
                    if !self.own {
                        self.losses
                            .changed(path(at, index), "stands among the documents of the request");
                    }
                }
                _ => said.push((index, part)),
            }
        }
        if said.is_empty() && (message.role == Role::Tool || !message.parts.is_empty()) {
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.images);
        all.append(&mut said);
        self.message("user", &all, Some(message), at, array)
    }

    fn message(
        &mut self,
        role: &'static str,
        parts: &[(usize, &'r Part<'a>)],
        message: Option<&Message<'a>>,
        at: usize,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", role);
            result = self.content(parts, at, object);
            if let Some(message) = message {
                self.extras(message, at, object);
            }
        });
        result
    }

    fn content(
        &mut self,
        parts: &[(usize, &Part<'_>)],
        at: usize,
        object: &mut Object<'_>,
    ) -> Result<(), Fault> {
        match parts {
            [] => object.str("content", ""),
            [(_, part)] if part.is_bare_text() => {
                object.text("content", part.as_text().unwrap_or(&Text::default()));
            }
            parts => {
                let mut result = Ok(());
                object.array("content", |array| {
                    for (index, part) in parts {
                        if result.is_ok() {
                            result = self.piece(part, at, *index, array);
                        }
                    }
                });
                return result;
            }
        }
        Ok(())
    }

    fn piece(
        &mut self,
        part: &Part<'_>,
        at: usize,
        index: usize,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        match &part.content {
            Content::Text { text, citations } => {
                if !citations.is_empty() {
                    self.losses
                        .dropped(format!("{}.citations", path(at, index)), NO_SUCH);
                }
                self.object("text", part, at, index, array, |object| object.text("text", text));
            }
            Content::Refusal(text) => {
                self.object("text", part, at, index, array, |object| object.text("text", text));
            }
            Content::Media(media) => {
                if !has_url(media) {
                    return Err(no_media())
                        .map_err(|fault: Fault| fault.within_element(index))
                        .within("content");
                }
                self.object("image_url", part, at, index, array, |object| {
                    write_image(media, object);
                });
            }
            Content::Native(native) if native.dialect == Dialect::Cohere => array.json(&native.json),
            Content::Native(_) => self
                .losses
                .dropped(path(at, index), "only its own dialect can say this"),
            Content::Reasoning(_)
            | Content::ToolCall(_)
            | Content::ToolResult(_)
            | Content::SearchResult(_) => {
                self.losses
                    .dropped(path(at, index), "does not belong into a message of this role");
            }
        }
        Ok(())
    }

    /// One piece of content, with what may hang on it.
    fn object(
        &mut self,
        kind: &str,
        part: &Part<'_>,
        at: usize,
        index: usize,
        array: &mut Array<'_>,
        write: impl FnOnce(&mut Object<'_>),
    ) {
        self.hangings(part, at, index);
        array.object(|object| {
            object.str("type", kind);
            write(object);
            if self.own {
                object.extras(&part.extras);
            }
        });
    }

    /// What hangs on a part and has no place here.
    fn hangings(&mut self, part: &Part<'_>, at: usize, index: usize) {
        if part.cache.is_some() {
            self.losses.dropped(
                format!("{}.cache_control", path(at, index)),
                "Cohere caches by itself",
            );
        }
        if part.signature.is_some() && !matches!(part.content, Content::Reasoning(_)) {
            self.losses
                .dropped(format!("{}.signature", path(at, index)), NO_SUCH);
        }
        for extra in part.extras.iter().filter(|_| !self.own) {
            self.losses
                .dropped(format!("{}.{}", path(at, index), extra.name.get()), NO_SUCH);
        }
    }

    fn result(
        &mut self,
        message: &'r Message<'a>,
        result: &'r ToolResult<'a>,
        (at, index): (usize, usize),
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        if result.is_error == Some(true) {
            self.losses.dropped(
                format!("{}.is_error", path(at, index)),
                "tools' messages do not say whether they failed",
            );
        }
        let mut said: Vec<&'r Part<'a>> = Vec::new();
        for part in &result.parts {
            match &part.content {
                Content::Media(media) if media.kind == MediaKind::Image => {
                    self.losses.changed(
                        path(at, index),
                        "an image of a tool's result follows in a user's message",
                    );
                    self.images.push((index, part));
                }
                _ => said.push(part),
            }
        }
        let mut written = Ok(());
        array.object(|object| {
            object.str("role", "tool");
            object.text("tool_call_id", &result.call_id);
            written = self.output(&said, at, index, object);
            self.extras(message, at, object);
        });
        written
    }

    /// What a tool gave: texts and documents.
    fn output(
        &mut self,
        parts: &[&Part<'_>],
        at: usize,
        index: usize,
        object: &mut Object<'_>,
    ) -> Result<(), Fault> {
        match parts {
            [] => object.str("content", ""),
            [part] if part.is_bare_text() => {
                object.text("content", part.as_text().unwrap_or(&Text::default()));
            }
            parts => {
                let mut result = Ok(());
                object.array("content", |array| {
                    for part in parts {
                        if result.is_ok() {
                            result = self.output_piece(part, at, index, array);
                        }
                    }
                });
                return result;
            }
        }
        Ok(())
    }

    fn output_piece(
        &mut self,
        part: &Part<'_>,
        at: usize,
        index: usize,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        if !documents::is_document(part) {
            return match part.content {
                Content::Media(_) => Err(no_media()),
                _ => self.piece(part, at, index, array),
            };
        }
        let document = documents::of(part, self.own)?;
        self.hangings(part, at, index);
        array.object(|object| {
            object.str("type", "document");
            object.object("document", |object| document.write(object));
        });
        Ok(())
    }

    fn assistant(&mut self, message: &'r Message<'a>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        self.flush(at, array)?;
        let mut said = Said::default();
        for (index, part) in message.parts.iter().enumerate() {
            self.sort(part, at, index, &mut said);
        }
        if said.words_behind_calls {
            self.losses.changed(
                format!("messages[{at}].content"),
                "words stand before calls of tools here",
            );
        }
        if said.is_empty() && !message.parts.is_empty() {
            return Ok(());
        }
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", "assistant");
            if !said.words.is_empty() {
                result = self.words(&said.words, at, object);
            }
            object.text_if("tool_plan", said.plan.as_ref());
            self.calls(&said.calls, at, object);
            write_citations(&said.cited, &message.extras, self.own, object);
            self.extras(message, at, object);
        });
        result
    }

    fn sort(&mut self, part: &'r Part<'a>, at: usize, index: usize, said: &mut Said<'r, 'a>) {
        match &part.content {
            Content::Text { citations, .. } => {
                said.words_behind_calls |= !said.calls.is_empty();
                let place = said.words.len() as u64;
                let cited = citations.iter().map(|citation| (place, part.as_text(), citation));
                said.cited.extend(cited);
                said.words.push((index, part));
            }
            Content::Refusal(_) => said.words.push((index, part)),
            Content::Reasoning(thought) => self.thought(part, thought, at, index, said),
            Content::ToolCall(call) => said.calls.push((index, part, call)),
            Content::Native(native) if native.dialect == Dialect::Cohere => said.words.push((index, part)),
            Content::Native(_) | Content::Media(_) | Content::ToolResult(_) | Content::SearchResult(_) => {
                self.losses
                    .dropped(path(at, index), "Cohere has no such piece of an assistant's");
            }
        }
    }

    /// Another maker's thoughts are not the model's own, and nobody's may be anybody's.
    fn thought(
        &mut self,
        part: &'r Part<'a>,
        thought: &Reasoning<'a>,
        at: usize,
        index: usize,
        said: &mut Said<'r, 'a>,
    ) {
        if thought.maker != Some(Maker::Cohere) || thought.form == ReasoningForm::Encrypted {
            return self.losses.dropped(
                path(at, index),
                "Cohere takes back no thoughts but its own models'",
            );
        }
        if !content::is_plan(thought) {
            return said.words.push((index, part));
        }
        match &mut said.plan {
            Some(plan) => plan.push(&thought.text),
            None => said.plan = Some(thought.text.clone()),
        }
    }

    fn words(
        &mut self,
        words: &[(usize, &Part<'_>)],
        at: usize,
        object: &mut Object<'_>,
    ) -> Result<(), Fault> {
        let uncited =
            |part: &Part<'_>| part.as_text().is_some() && part.cache.is_none() && part.extras.is_empty();
        if let [(_, part)] = words
            && uncited(part)
            && let Some(text) = part.as_text()
        {
            object.text("content", text);
            return Ok(());
        }
        let mut result = Ok(());
        object.array("content", |array| {
            for (index, part) in words {
                if result.is_err() {
                    return;
                }
                match &part.content {
                    Content::Reasoning(thought) => {
                        self.object("thinking", part, at, *index, array, |object| {
                            object.text("thinking", &thought.text);
                        });
                    }
                    Content::Text { text, .. } => {
                        self.object("text", part, at, *index, array, |object| {
                            object.text("text", text)
                        });
                    }
                    _ => result = self.piece(part, at, *index, array),
                }
            }
        });
        result
    }

    fn calls(&mut self, calls: &[(usize, &Part<'_>, &ToolCall<'_>)], at: usize, object: &mut Object<'_>) {
        if calls.is_empty() {
            return;
        }
        object.array("tool_calls", |array| {
            for (index, part, call) in calls {
                self.hangings(part, at, *index);
                array.object(|object| {
                    object.text("id", &call.id);
                    call::write(call, object);
                    if self.own {
                        object.extras(&part.extras);
                    }
                });
            }
        });
    }

    fn extras(&mut self, message: &Message<'_>, at: usize, object: &mut Object<'_>) {
        let kept = message.extras.iter().filter(|extra| !extra.name.is("citations"));
        for extra in kept {
            match self.own {
                true => object.member(&extra.name, &extra.value),
                false => self
                    .losses
                    .dropped(format!("messages[{at}].{}", extra.name.get()), NO_SUCH),
            }
        }
    }

    /// The request's own list of documents. Whoever did not ask for citations gets none.
    ///
    /// # Errors
    /// A document that is no text.
    pub fn write_documents(&mut self, body: &mut Object<'_>) -> Result<(), Fault> {
        if self.documents.is_empty() {
            return Ok(());
        }
        let mut list = Vec::with_capacity(self.documents.len());
        let mut cited = false;
        for (at, index, part) in std::mem::take(&mut self.documents) {
            cited |= documents::is_cited(part);
            let document = documents::of(part, self.own);
            list.push(
                document
                    .map_err(|fault| fault.within_element(index))
                    .within("content")
                    .map_err(|fault| fault.within_element(at))
                    .within("messages")?,
            );
            self.hangings(part, at, index);
        }
        body.array("documents", |array| {
            list.iter().for_each(|document| document.write_listed(array));
        });
        if !cited && !self.own {
            body.object("citation_options", |options| options.str("mode", "OFF"));
        }
        Ok(())
    }
}

/// A text's citations, with the place of the text among the content.
pub(super) type CitedText<'r, 'a> = (u64, Option<&'r Text<'a>>, &'r Citation<'a>);

/// An assistant's parts by where they go.
#[derive(Default)]
struct Said<'r, 'a> {
    words: Vec<(usize, &'r Part<'a>)>,
    plan: Option<Text<'a>>,
    calls: Vec<(usize, &'r Part<'a>, &'r ToolCall<'a>)>,
    cited: Vec<CitedText<'r, 'a>>,
    words_behind_calls: bool,
}

impl Said<'_, '_> {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.plan.is_none() && self.calls.is_empty()
    }
}

/// Most characters that are walked to find cited words: beyond, a caller has places alone.
const MAX_WALKED: usize = 64 << 20;

/// Writes `citations`: those of texts, and those that hang on no text.
pub(super) fn write_citations(
    cited: &[CitedText<'_, '_>],
    extras: &[crate::model::Extra<'_>],
    own: bool,
    object: &mut Object<'_>,
) {
    let others = crate::model::extra(extras, "citations").filter(|_| own);
    if cited.is_empty() && others.is_none() {
        return;
    }
    let longest = cited.iter().filter_map(|(_, text, _)| text.map(Text::len)).max();
    let affordable = longest.unwrap_or(0).saturating_mul(cited.len()) <= MAX_WALKED;
    object.array("citations", |array| {
        for of_one in cited.chunk_by(|one, other| one.0 == other.0) {
            let text = of_one
                .first()
                .and_then(|(_, text, _)| *text)
                .filter(|_| affordable);
            let decoded = text.map(Text::get);
            let words = decoded.as_deref().map(|text| citation::Words {
                text,
                characters: text.chars().count() as u64,
            });
            for (place, _, of) in of_one {
                array.object(|object| citation::write(of, *place, words, object));
            }
        }
        let others = others.map(crate::model::Json::elements).unwrap_or_default();
        others.iter().for_each(|other| array.json(other));
    });
}

fn has_url(media: &Media<'_>) -> bool {
    media.kind == MediaKind::Image && matches!(media.source, Source::Url(_) | Source::Base64(_))
}

fn write_image(media: &Media<'_>, object: &mut Object<'_>) {
    object.object("image_url", |image| {
        media.write_url("image/png", image.value("url"));
        image.text_if("detail", media.detail.as_ref());
    });
}

fn no_media() -> Fault {
    Fault::unsupported("", "is media that Cohere's chat does not take")
}

fn path(at: usize, index: usize) -> String {
    format!("messages[{at}].content[{index}]")
}
