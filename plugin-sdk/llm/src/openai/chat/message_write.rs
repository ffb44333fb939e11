//! Messages out of the model: what one message of another dialect holds may take several here.

use crate::fault::Fault;
use crate::model::{
    CacheMark, CacheMarks, CallKind, Content, Dialect, Losses, Media, MediaKind, Message, Part, Reasoning,
    ReasoningField, Request, Role, Source, Target, Text, ToolCall, ToolResult,
};
use crate::write::{Array, Object};

use super::content::audio_format;
use super::reasoning::write_detail;
use super::tools::NO_SUCH;

/// Writes a conversation.
pub(super) struct Messages<'w> {
    target: &'w Target<'w>,
    own: bool,
    pub losses: Losses,
}

impl<'w> Messages<'w> {
    pub fn new(request: &Request<'_>, target: &'w Target<'w>) -> Messages<'w> {
        Messages {
            target,
            own: request.dialect == Dialect::OpenAiChat,
            losses: Losses::default(),
        }
    }

    /// # Errors
    /// Media that cannot be said here, by its place.
    pub fn write(&mut self, messages: &[Message<'_>], array: &mut Array<'_>) -> Result<(), Fault> {
        for (at, message) in messages.iter().enumerate() {
            let written = match message.role {
                Role::Assistant => self.assistant(message, at, array),
                _ => self.spoken(message, at, array),
            };
            written.map_err(|fault| fault.within_element(at).within("messages"))?;
        }
        Ok(())
    }

    /// A system's, user's or tool's message: results of tools are messages of their own, and come first, right behind
    /// the calls; images in them follow in a user's message, as tools' messages hold text alone.
    fn spoken(&mut self, message: &Message<'_>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let mut media: Vec<(usize, &Part<'_>)> = Vec::new();
        for (index, part) in message.parts.iter().enumerate() {
            if let Content::ToolResult(result) = &part.content {
                self.result(message, part, result, (at, index), array);
                media.extend(
                    result
                        .parts
                        .iter()
                        .filter(|part| is_media(part))
                        .map(|part| (index, part)),
                );
            }
        }
        if !media.is_empty() {
            self.losses.changed(
                format!("messages[{at}].content"),
                "media of a tool's result follow in a user's message",
            );
        }
        let others = message.parts.iter().enumerate();
        let others = others.filter(|(_, part)| !matches!(part.content, Content::ToolResult(_)));
        let parts: Vec<(usize, &Part<'_>)> = media.into_iter().chain(others).collect();
        if parts.is_empty() && (message.role == Role::Tool || !message.parts.is_empty()) {
            return Ok(());
        }
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            _ => "user",
        };
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", role);
            object.text_if("name", message.name.as_ref());
            result = self.content(&parts, at, object);
            self.extras(message, at, object);
        });
        result
    }

    fn content(
        &mut self,
        parts: &[(usize, &Part<'_>)],
        at: usize,
        object: &mut Object<'_>,
    ) -> Result<(), Fault> {
        if let [(_, part)] = parts
            && let Some(text) = part.as_text().filter(|_| part.is_bare_text())
        {
            object.text("content", text);
            return Ok(());
        }
        let mut result = Ok(());
        object.array("content", |array| {
            for (index, part) in parts {
                if result.is_ok() {
                    let written = self.part(part, at, *index, array);
                    result = written.map_err(|fault| fault.within_element(*index).within("content"));
                }
            }
        });
        result
    }

    fn part(&mut self, part: &Part<'_>, at: usize, index: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        match &part.content {
            Content::Text { text, citations } => {
                array.object(|object| {
                    object.str("type", "text");
                    object.text("text", text);
                    self.hangings(part, at, index, object);
                });
                if !citations.is_empty() {
                    self.losses
                        .dropped(format!("{}.citations", path(at, index)), NO_SUCH);
                }
                Ok(())
            }
            Content::Refusal(text) => {
                array.object(|object| {
                    object.str("type", "refusal");
                    object.text("refusal", text);
                });
                Ok(())
            }
            Content::Media(media) => self.media(media, part, at, index, array),
            Content::SearchResult(found) => {
                self.losses
                    .changed(path(at, index), "a search result goes as a text");
                array.object(|object| {
                    object.str("type", "text");
                    object.str("text", &found.as_words());
                    self.hangings(part, at, index, object);
                });
                Ok(())
            }
            Content::Native(native) if native.dialect == Dialect::OpenAiChat => {
                array.json(&native.json);
                Ok(())
            }
            Content::Native(_) => {
                self.losses
                    .dropped(path(at, index), "only its own dialect can say this");
                Ok(())
            }
            Content::Reasoning(_) | Content::ToolCall(_) | Content::ToolResult(_) => {
                self.losses
                    .dropped(path(at, index), "does not belong into a message of this role");
                Ok(())
            }
        }
    }

    fn media(
        &mut self,
        media: &Media<'_>,
        part: &Part<'_>,
        at: usize,
        index: usize,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        for (name, said) in [
            ("context", media.context.is_some()),
            ("citations", media.citations.is_some()),
        ] {
            if said {
                self.losses
                    .dropped(format!("{}.{name}", path(at, index)), NO_SUCH);
            }
        }
        match (media.kind, &media.source) {
            (MediaKind::Image, Source::Base64(_) | Source::Url(_)) => array.object(|object| {
                object.str("type", "image_url");
                object.object("image_url", |object| {
                    media.write_url("image/png", object.value("url"));
                    object.text_if("detail", media.detail.as_ref());
                });
                self.hangings(part, at, index, object);
            }),
            (MediaKind::Video, Source::Base64(_) | Source::Url(_)) => array.object(|object| {
                object.str("type", "video_url");
                object.object("video_url", |object| {
                    media.write_url("video/mp4", object.value("url"));
                });
                self.hangings(part, at, index, object);
            }),
            (MediaKind::Audio, Source::Base64(data)) => {
                let media_type = media.media_type.as_ref().map_or("audio/wav".into(), Text::get);
                let format = audio_format(&media_type)
                    .ok_or_else(|| Fault::unsupported("", "is audio of another format than wav and mp3"))?;
                array.object(|object| {
                    object.str("type", "input_audio");
                    object.object("input_audio", |object| {
                        object.text("data", data);
                        object.str("format", format);
                    });
                    self.hangings(part, at, index, object);
                });
            }
            (MediaKind::Document, Source::Text(text)) => {
                self.losses
                    .changed(path(at, index), "a plain text's document goes as a text");
                array.object(|object| {
                    object.str("type", "text");
                    match &media.title {
                        Some(title) => object.str("text", &format!("{}\n\n{}", title.get(), text.get())),
                        None => object.text("text", text),
                    }
                    self.hangings(part, at, index, object);
                });
            }
            (MediaKind::Document, Source::Parts(parts)) => {
                self.losses
                    .changed(path(at, index), "a document of parts goes as its parts");
                for inner in parts {
                    self.part(inner, at, index, array)?;
                }
            }
            (MediaKind::Document, Source::Base64(_) | Source::Url(_) | Source::File { .. }) => {
                self.file(media, part, at, index, array)?;
            }
            (_, Source::File { .. }) => {
                return Err(Fault::unsupported(
                    "",
                    "names an upload, which chat completions take as a file only",
                ));
            }
            _ => {
                return Err(Fault::unsupported(
                    "",
                    "is media that chat completions have no part for",
                ));
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        media: &Media<'_>,
        part: &Part<'_>,
        at: usize,
        index: usize,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        // an upload has its id with one provider only
        let foreign = |maker| self.target.maker.is_some_and(|target| target != maker);
        if matches!(&media.source, Source::File { maker: Some(maker), .. } if foreign(*maker)) {
            return Err(Fault::unsupported(
                "",
                "names a file that was uploaded to another provider",
            ));
        }
        if matches!(media.source, Source::Url(_)) && !self.own && !fetches_documents(self.target) {
            return Err(Fault::unsupported(
                "",
                "is a document by URL, which has to be sent as base64",
            ));
        }
        array.object(|object| {
            object.str("type", "file");
            object.object("file", |file| {
                match &media.source {
                    Source::File { id, .. } => file.text("file_id", id),
                    _ => {
                        media.write_url("application/pdf", file.value("file_data"));
                    }
                }
                match (&media.title, &media.source) {
                    (Some(title), _) => file.text("filename", title),
                    // beside data OpenAI demands one
                    (None, Source::Base64(_)) => {
                        file.str("filename", "document.pdf");
                        self.losses.added(
                            format!("{}.filename", path(at, index)),
                            "a file has to have a name",
                        );
                    }
                    (None, _) => {}
                }
            });
            self.hangings(part, at, index, object);
        });
        Ok(())
    }

    /// What may hang on a part: marks, and members of this dialect.
    fn hangings(&mut self, part: &Part<'_>, at: usize, index: usize, object: &mut Object<'_>) {
        if let Some(mark) = &part.cache {
            self.cache(mark, at, index, object);
        }
        if part.signature.is_some() {
            self.losses
                .dropped(format!("{}.signature", path(at, index)), NO_SUCH);
        }
        if self.own {
            object.extras(&part.extras);
            return;
        }
        for extra in &part.extras {
            self.losses
                .dropped(format!("{}.{}", path(at, index), extra.name.get()), NO_SUCH);
        }
    }

    fn cache(&mut self, mark: &CacheMark<'_>, at: usize, index: usize, object: &mut Object<'_>) {
        if self.own
            && mark
                .extras
                .iter()
                .any(|extra| extra.name.is("prompt_cache_breakpoint"))
        {
            object.extras(&mark.extras);
            return;
        }
        match self.target.cache_marks {
            CacheMarks::CacheControl => object.object("cache_control", |object| write_mark(mark, object)),
            CacheMarks::Breakpoint => {
                object.object("prompt_cache_breakpoint", |object| object.str("mode", "explicit"))
            }
            CacheMarks::None if self.own => object.object("cache_control", |object| write_mark(mark, object)),
            CacheMarks::None => {
                self.losses.dropped(
                    format!("{}.cache_control", path(at, index)),
                    "the provider has no marks for its cache",
                );
            }
        }
    }

    fn result(
        &mut self,
        message: &Message<'_>,
        part: &Part<'_>,
        result: &ToolResult<'_>,
        (at, index): (usize, usize),
        array: &mut Array<'_>,
    ) {
        if result.is_error == Some(true) {
            self.losses.dropped(
                format!("{}.is_error", path(at, index)),
                "tools' messages do not say whether they failed",
            );
        }
        let words: Vec<&Part<'_>> = result
            .parts
            .iter()
            .filter(|part| part.as_text().is_some())
            .collect();
        for other in result
            .parts
            .iter()
            .filter(|part| part.as_text().is_none() && !is_media(part))
        {
            if let Content::Native(_) = other.content {
                self.losses
                    .dropped(path(at, index), "only its own dialect can say this");
            }
        }
        array.object(|object| {
            object.str("role", "tool");
            object.text("tool_call_id", &result.call_id);
            object.text_if("name", result.name.as_ref());
            match words.as_slice() {
                [] => object.str("content", ""),
                [word] if word.is_bare_text() => {
                    object.text("content", word.as_text().unwrap_or(&Text::default()))
                }
                _ => object.array("content", |array| {
                    for word in &words {
                        // a text is never refused
                        let _ = self.part(word, at, index, array);
                    }
                }),
            }
            if self.own {
                object.extras(&message.extras);
            }
            if let Some(mark) = &part.cache {
                self.cache(mark, at, index, object);
            }
        });
    }

    fn assistant(&mut self, message: &Message<'_>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let mut said = Said::default();
        for (index, part) in message.parts.iter().enumerate() {
            said.take(part, index);
        }
        if said.words_behind_calls {
            self.losses.changed(
                format!("messages[{at}].content"),
                "words stand before calls of tools here",
            );
        }
        let reasoning_written =
            self.target.reasoning_field != ReasoningField::None && !said.thoughts.is_empty();
        let nothing = said.words.is_empty()
            && said.calls.is_empty()
            && said.audio.is_none()
            && said.refusals.is_empty();
        if nothing && !reasoning_written && !message.parts.is_empty() {
            // there were only pieces that are left out here
            self.thoughts(&said.thoughts, at, None);
            self.unsaid(&said, at);
            return Ok(());
        }
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", "assistant");
            object.text_if("name", message.name.as_ref());
            result = self.words(&said, at, object);
            if let [(_, refusal)] = said.refusals.as_slice() {
                object.text("refusal", refusal);
            }
            self.thoughts(&said.thoughts, at, Some(object));
            self.calls(&said, at, object);
            self.audio(&said, at, object);
            self.extras(message, at, object);
        });
        self.unsaid(&said, at);
        result
    }

    fn unsaid(&mut self, said: &Said<'_, '_>, at: usize) {
        for index in &said.others {
            self.losses.dropped(
                path(at, *index),
                "only its own dialect can say this of an assistant",
            );
        }
    }

    /// The words of an assistant: one text, as older providers take nothing else; parts only where the caller sent parts.
    fn words(&mut self, said: &Said<'_, '_>, at: usize, object: &mut Object<'_>) -> Result<(), Fault> {
        let bare = said.words.iter().all(|(_, part)| part.is_bare_text());
        match said.words.as_slice() {
            [] if said.refusals.len() > 1 => {}
            [] => object.null("content"),
            [(_, part)] if bare => object.text("content", part.as_text().unwrap_or(&Text::default())),
            words if self.own || words.iter().any(|(_, part)| part.cache.is_some()) && self.marks() => {
                return self.content(words, at, object);
            }
            words => {
                let mut joined = Text::default();
                for (index, part) in words {
                    if let Content::Text { text, citations } = &part.content {
                        joined.push(text);
                        if !citations.is_empty() {
                            self.losses
                                .dropped(format!("{}.citations", path(at, *index)), NO_SUCH);
                        }
                    }
                    if part.cache.is_some() {
                        self.losses.dropped(
                            format!("{}.cache_control", path(at, *index)),
                            "the provider has no marks for its cache",
                        );
                    }
                }
                object.text("content", &joined);
            }
        }
        if said.refusals.len() > 1 {
            let parts: Vec<(usize, &Part<'_>)> = said.refusal_parts.clone();
            return self.content(&parts, at, object);
        }
        Ok(())
    }

    fn marks(&self) -> bool {
        self.target.cache_marks != CacheMarks::None
    }

    /// Earlier thoughts, under the name that the provider has for them; only their maker gets what is signed or
    /// encrypted.
    fn thoughts(
        &mut self,
        thoughts: &[(usize, &Part<'_>, &Reasoning<'_>)],
        at: usize,
        object: Option<&mut Object<'_>>,
    ) {
        if thoughts.is_empty() {
            return;
        }
        let Some(object) = object.filter(|_| self.target.reasoning_field != ReasoningField::None) else {
            for (index, ..) in thoughts {
                self.losses
                    .dropped(path(at, *index), "the provider does not take thoughts back");
            }
            return;
        };
        let mut text = Text::default();
        for (_, _, thought) in thoughts {
            text.push(&thought.text);
        }
        match self.target.reasoning_field {
            ReasoningField::Content => object.text("reasoning_content", &text),
            ReasoningField::Plain => object.text("reasoning", &text),
            ReasoningField::Details => {
                if !text.is_empty() {
                    object.text("reasoning", &text);
                }
                object.array("reasoning_details", |array| {
                    for (count, (_, part, thought)) in (0u64..).zip(thoughts) {
                        write_detail(thought, part.signature.as_ref(), count, array);
                    }
                });
                return;
            }
            ReasoningField::None => {}
        }
        for (index, part, thought) in thoughts {
            if part.signature.is_some() || thought.data.is_some() {
                self.losses.dropped(
                    format!("{}.signature", path(at, *index)),
                    "the provider takes back words alone",
                );
            }
        }
    }

    fn calls(&mut self, said: &Said<'_, '_>, at: usize, object: &mut Object<'_>) {
        if said.calls.is_empty() {
            return;
        }
        object.array("tool_calls", |array| {
            for (index, part, call) in &said.calls {
                array.object(|object| {
                    write_call(call, part, object);
                    if self.own {
                        object.extras(&part.extras);
                        return;
                    }
                    for extra in &part.extras {
                        self.losses
                            .dropped(format!("{}.{}", path(at, *index), extra.name.get()), NO_SUCH);
                    }
                });
                if part.cache.is_some() {
                    self.losses.dropped(
                        format!("{}.cache_control", path(at, *index)),
                        "calls of tools take no mark here",
                    );
                }
            }
        });
    }

    fn audio(&mut self, said: &Said<'_, '_>, at: usize, object: &mut Object<'_>) {
        let Some((index, part, media)) = said.audio else {
            return;
        };
        let id = match &media.source {
            Source::File { id, .. } => Some(id.clone()),
            _ => crate::model::extra(&part.extras, "id").and_then(|id| id.as_text().map(Text::into_owned)),
        };
        match id {
            Some(id) => object.object("audio", |audio| audio.text("id", &id)),
            None => self
                .losses
                .dropped(path(at, index), "spoken output goes back by its id alone"),
        }
    }

    fn extras(&mut self, message: &Message<'_>, at: usize, object: &mut Object<'_>) {
        if self.own {
            object.extras(&message.extras);
            return;
        }
        for extra in &message.extras {
            self.losses
                .dropped(format!("messages[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }
}

/// An assistant's parts by where they go.
#[derive(Default)]
struct Said<'r, 'a> {
    words: Vec<(usize, &'r Part<'a>)>,
    refusals: Vec<(usize, &'r Text<'a>)>,
    refusal_parts: Vec<(usize, &'r Part<'a>)>,
    thoughts: Vec<(usize, &'r Part<'a>, &'r Reasoning<'a>)>,
    calls: Vec<(usize, &'r Part<'a>, &'r ToolCall<'a>)>,
    audio: Option<(usize, &'r Part<'a>, &'r Media<'a>)>,
    others: Vec<usize>,
    words_behind_calls: bool,
}

impl<'r, 'a> Said<'r, 'a> {
    fn take(&mut self, part: &'r Part<'a>, index: usize) {
        match &part.content {
            Content::Text { .. } => {
                self.words_behind_calls |= !self.calls.is_empty();
                self.words.push((index, part));
            }
            Content::Refusal(text) => {
                self.refusals.push((index, text));
                self.refusal_parts.push((index, part));
            }
            Content::Reasoning(thought) => self.thoughts.push((index, part, thought)),
            Content::ToolCall(call) => self.calls.push((index, part, call)),
            Content::Media(media) if media.kind == MediaKind::Audio && self.audio.is_none() => {
                self.audio = Some((index, part, media));
            }
            Content::Native(native) if native.dialect == Dialect::OpenAiChat => {
                self.words.push((index, part))
            }
            Content::Media(_) | Content::ToolResult(_) | Content::SearchResult(_) | Content::Native(_) => {
                self.others.push(index);
            }
        }
    }
}

/// Writes a call's members, without the braces.
pub(super) fn write_call(call: &ToolCall<'_>, part: &Part<'_>, object: &mut Object<'_>) {
    object.text("id", &call.id);
    match call.kind {
        CallKind::Function => {
            object.str("type", "function");
            object.object("function", |function| {
                function.text("name", &call.name);
                match call.arguments.is_blank() {
                    // a call without arguments is `{}` here
                    true => function.str("arguments", "{}"),
                    false => function.text("arguments", &call.arguments),
                }
            });
        }
        CallKind::Custom => {
            object.str("type", "custom");
            object.object("custom", |custom| {
                custom.text("name", &call.name);
                custom.text("input", &call.arguments);
            });
        }
    }
    if let Some(signature) = &part.signature {
        write_signature(&signature.data, object);
    }
}

/// Where Gemini's OpenAI-like surface has it, and clients that keep unknown members bring it back (PAIN E02).
/// Whether the bytes have to stand in the message. Audio has no URL here.
pub(super) fn needs_bytes(media: &Media<'_>, target: &Target<'_>) -> bool {
    match media.kind {
        MediaKind::Image | MediaKind::Video => !target.fetches_urls,
        MediaKind::Audio => true,
        MediaKind::Document => !target.fetches_urls || !fetches_documents(target),
    }
}

/// Only OpenRouter's likes do.
fn fetches_documents(target: &Target<'_>) -> bool {
    target.reasoning_field == ReasoningField::Details
}

pub(super) fn write_signature(data: &Text<'_>, object: &mut Object<'_>) {
    object.object("extra_content", |extra| {
        extra.object("google", |google| google.text("thought_signature", data));
    });
}

fn write_mark(mark: &CacheMark<'_>, object: &mut Object<'_>) {
    object.str("type", "ephemeral");
    object.text_if("ttl", mark.ttl.as_ref());
    object.extras(&mark.extras);
}

fn is_media(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Media(_))
}

fn path(at: usize, index: usize) -> String {
    format!("messages[{at}].content[{index}]")
}
