//! Items out of the model: what one message of another dialect holds takes several here.

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::model::{
    CacheMark, CallKind, Content, Dialect, Losses, Maker, MediaKind, Message, Part, Reasoning,
    ReasoningField, ReasoningForm, Request, Role, Source, Target, Text, ToolCall, ToolResult,
};
use crate::write::{Array, Object};

use super::{NO_SUCH, ONLY_OWN};

/// Writes a conversation.
pub(super) struct Input<'w> {
    pub(super) target: &'w Target<'w>,
    pub(super) own: bool,
    /// Calls of custom tools by id: their results are items of another type.
    custom: BTreeSet<String>,
    pub losses: Losses,
}

impl<'w> Input<'w> {
    pub fn new(request: &Request<'_>, target: &'w Target<'w>) -> Input<'w> {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let custom = |part: &Part<'_>| match &part.content {
            Content::ToolCall(call) if call.kind == CallKind::Custom => Some(call.id.get().into_owned()),
            _ => None,
        };
        Input {
            target,
            own: request.dialect == Dialect::OpenAiResponses,
            custom: parts.filter_map(custom).collect(),
            losses: Losses::default(),
        }
    }

    /// `first` is the place of the first of the messages.
    ///
    /// # Errors
    /// Media that cannot be said here, by its place.
    pub fn write(
        &mut self,
        messages: &[Message<'_>],
        first: usize,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        for (message, at) in messages.iter().zip(first..) {
            let written = match message.role {
                Role::Assistant => self.assistant(message, at, array),
                _ => self.spoken(message, at, array),
            };
            written.map_err(|fault| fault.within_element(at).within("messages"))?;
        }
        Ok(())
    }

    /// A system's, user's or tool's message: results of tools are items of their own, right behind the calls.
    fn spoken(&mut self, message: &Message<'_>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let mut others: Vec<(usize, &Part<'_>)> = Vec::new();
        for (index, part) in message.parts.iter().enumerate() {
            match &part.content {
                Content::ToolResult(result) => self.result(message, part, result, (at, index), array)?,
                _ => others.push((index, part)),
            }
        }
        if others.is_empty() && !(message.parts.is_empty() && message.role != Role::Tool) {
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
            result = self.content(&others, "input_text", at, object);
            self.extras(message, at, object);
        });
        if message.name.is_some() {
            self.losses.dropped(format!("messages[{at}].name"), NO_SUCH);
        }
        result
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

    fn content(
        &mut self,
        parts: &[(usize, &Part<'_>)],
        text_type: &str,
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
                    let written = self.part(part, text_type, (at, *index), array);
                    result = written.map_err(|fault| fault.within_element(*index).within("content"));
                }
            }
        });
        result
    }

    pub(super) fn part(
        &mut self,
        part: &Part<'_>,
        text_type: &str,
        place: (usize, usize),
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        match &part.content {
            Content::Text { text, citations } => {
                if !citations.is_empty() && !self.own {
                    self.losses.dropped(format!("{}.citations", path(place)), NO_SUCH);
                }
                array.object(|object| {
                    object.str("type", text_type);
                    object.text("text", text);
                    if self.own && !citations.is_empty() {
                        object.array("annotations", |array| {
                            citations.iter().for_each(|citation| array.json(&citation.native));
                        });
                    }
                    self.hangings(part, place, object);
                });
            }
            // what was refused was said by the model; anybody else's is words
            Content::Refusal(text) => array.object(|object| match text_type {
                "output_text" => {
                    object.str("type", "refusal");
                    object.text("refusal", text);
                }
                _ => {
                    object.str("type", text_type);
                    object.text("text", text);
                }
            }),
            Content::Media(media) => return self.media(media, part, text_type, place, array),
            Content::SearchResult(found) => {
                self.losses.changed(path(place), "a search result goes as a text");
                array.object(|object| {
                    object.str("type", text_type);
                    object.str("text", &found.as_words());
                    self.hangings(part, place, object);
                });
            }
            Content::Native(native) if native.dialect == Dialect::OpenAiResponses => array.json(&native.json),
            Content::Native(_) => self.losses.dropped(path(place), ONLY_OWN),
            Content::Reasoning(_) | Content::ToolCall(_) | Content::ToolResult(_) => {
                let why = "does not belong into a message of this role";
                self.losses.dropped(path(place), why);
            }
        }
        Ok(())
    }

    /// What may hang on a part: marks, and members of this dialect.
    pub(super) fn hangings(&mut self, part: &Part<'_>, place: (usize, usize), object: &mut Object<'_>) {
        if let Some(mark) = &part.cache {
            self.cache(mark, place, object);
        }
        if part.signature.is_some() {
            self.losses.dropped(format!("{}.signature", path(place)), NO_SUCH);
        }
        for extra in part.extras.iter().filter(|extra| !extra.name.is("phase")) {
            match self.own {
                true => object.member(&extra.name, &extra.value),
                false => self
                    .losses
                    .dropped(format!("{}.{}", path(place), extra.name.get()), NO_SUCH),
            }
        }
    }

    fn cache(&mut self, mark: &CacheMark<'_>, place: (usize, usize), object: &mut Object<'_>) {
        let breakpoint = mark
            .extras
            .iter()
            .find(|extra| extra.name.is("prompt_cache_breakpoint"));
        match breakpoint {
            Some(extra) => object.member(&extra.name, &extra.value),
            None => self.losses.dropped(
                format!("{}.cache_control", path(place)),
                "the provider has no marks for its cache",
            ),
        }
    }

    fn result(
        &mut self,
        message: &Message<'_>,
        part: &Part<'_>,
        result: &ToolResult<'_>,
        place: (usize, usize),
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        if result.is_error == Some(true) {
            let why = "results do not say whether their tool failed";
            self.losses.dropped(format!("{}.is_error", path(place)), why);
        }
        if part.cache.is_some() {
            let why = "the provider has no marks for its cache";
            self.losses.dropped(format!("{}.cache_control", path(place)), why);
        }
        let custom = self.custom.contains(&*result.call_id.get());
        let mut written = Ok(());
        array.object(|object| {
            object.str(
                "type",
                if custom {
                    "custom_tool_call_output"
                } else {
                    "function_call_output"
                },
            );
            object.text("call_id", &result.call_id);
            written = self.output(result, place, object);
            self.extras(message, place.0, object);
        });
        written
    }

    fn output(
        &mut self,
        result: &ToolResult<'_>,
        place: (usize, usize),
        object: &mut Object<'_>,
    ) -> Result<(), Fault> {
        match result.parts.as_slice() {
            [] => object.str("output", ""),
            [part] if part.is_bare_text() => {
                object.text("output", part.as_text().unwrap_or(&Text::default()));
            }
            parts => {
                let mut written = Ok(());
                object.array("output", |array| {
                    for part in parts {
                        if written.is_ok() {
                            written = self.part(part, "input_text", place, array);
                        }
                    }
                });
                return written.map_err(|fault| fault.within_element(place.1).within("content"));
            }
        }
        Ok(())
    }

    /// What a model said in one turn, in its order: words next to each other are one message.
    fn assistant(&mut self, message: &Message<'_>, at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let parts: Vec<(usize, &Part<'_>)> = message.parts.iter().enumerate().collect();
        for item in parts.chunk_by(|(_, one), (_, next)| is_one_item(one, next)) {
            match item {
                [(_, first), ..] if is_words(first) => self.words(item, at, array)?,
                [(_, first), ..] if is_thought(first) => self.thoughts(item, at, array),
                deeds => deeds
                    .iter()
                    .for_each(|(index, part)| self.deed(part, (at, *index), array)),
            }
        }
        if message.name.is_some() {
            self.losses.dropped(format!("messages[{at}].name"), NO_SUCH);
        }
        for extra in &message.extras {
            self.losses
                .dropped(format!("messages[{at}].{}", extra.name.get()), NO_SUCH);
        }
        Ok(())
    }

    fn words(&mut self, words: &[(usize, &Part<'_>)], at: usize, array: &mut Array<'_>) -> Result<(), Fault> {
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", "assistant");
            result = self.content(words, "output_text", at, object);
            if let Some(phase) = words.first().and_then(|(_, part)| phase_of(part)) {
                object.json("phase", phase);
            }
        });
        result
    }

    /// Earlier thoughts: only their maker gets them back, and only what he can check: others would be refused.
    fn thoughts(&mut self, thoughts: &[(usize, &Part<'_>)], at: usize, array: &mut Array<'_>) {
        let mut all: Vec<&Reasoning<'_>> = Vec::with_capacity(thoughts.len());
        for (_, part) in thoughts {
            if let Content::Reasoning(thought) = &part.content {
                all.push(thought);
            }
        }
        let signed = thoughts.iter().any(|(_, part)| part.signature.is_some());
        let secret = all.iter().find(|thought| thought.data.is_some());
        let taken = match secret {
            Some(secret) => self.takes(secret),
            // a provider that keeps its answers knows them by id
            None if self.own => !signed,
            None => self.target.reasoning_field != ReasoningField::None && !signed,
        };
        if !taken {
            for (index, _) in thoughts {
                let why = "thoughts go back to the maker of the model alone";
                self.losses.dropped(path((at, *index)), why);
            }
            return;
        }
        array.object(|object| {
            object.str("type", "reasoning");
            object.text_if("id", all.first().and_then(|thought| thought.id.as_ref()));
            object.array("summary", |array| {
                words_of(&all, ReasoningForm::Summary, "summary_text", array);
            });
            if all.iter().any(|thought| thought.form == ReasoningForm::Text) {
                object.array("content", |array| {
                    words_of(&all, ReasoningForm::Text, "reasoning_text", array);
                });
            }
            if let Some(secret) = secret {
                object.text(
                    "encrypted_content",
                    secret.data.as_ref().unwrap_or(&Text::default()),
                );
            }
        });
    }

    fn takes(&self, secret: &Reasoning<'_>) -> bool {
        let own = self.own && secret.maker == Some(Maker::OpenAi);
        let mine = self.target.maker.is_some() && secret.maker == self.target.maker;
        own || mine
    }

    /// A call, an image, or what only this dialect has.
    fn deed(&mut self, part: &Part<'_>, place: (usize, usize), array: &mut Array<'_>) {
        match &part.content {
            Content::ToolCall(call) => {
                array.object(|object| {
                    write_call(call, object);
                    self.hangings(part, place, object);
                });
            }
            Content::Media(media) if media.kind == MediaKind::Image && self.own => {
                if let Source::Base64(data) = &media.source {
                    array.object(|object| {
                        object.str("type", "image_generation_call");
                        object.text("result", data);
                        object.extras(&part.extras);
                    });
                }
            }
            Content::Native(native) if native.dialect == Dialect::OpenAiResponses => array.json(&native.json),
            _ => {
                let why = "only its own dialect can say this of an assistant";
                self.losses.dropped(path(place), why);
            }
        }
    }
}

/// Whether two parts that stand next to each other belong to the same item.
fn is_one_item(one: &Part<'_>, next: &Part<'_>) -> bool {
    match (&one.content, &next.content) {
        (Content::Reasoning(one), Content::Reasoning(next)) => one.id.is_some() && one.id == next.id,
        _ => is_words(one) && is_words(next) && phase_of(one) == phase_of(next),
    }
}

fn is_words(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Text { .. } | Content::Refusal(_))
}

fn is_thought(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Reasoning(_))
}

fn phase_of<'p, 'a>(part: &'p Part<'a>) -> Option<&'p crate::model::Json<'a>> {
    crate::model::extra(&part.extras, "phase")
}

fn words_of(thoughts: &[&Reasoning<'_>], form: ReasoningForm, kind: &str, array: &mut Array<'_>) {
    for thought in thoughts
        .iter()
        .filter(|thought| thought.form == form && !thought.text.is_empty())
    {
        array.object(|object| {
            object.str("type", kind);
            object.text("text", &thought.text);
        });
    }
}

fn write_call(call: &ToolCall<'_>, object: &mut Object<'_>) {
    let (kind, said) = match call.kind {
        CallKind::Function => ("function_call", "arguments"),
        CallKind::Custom => ("custom_tool_call", "input"),
    };
    object.str("type", kind);
    object.text("call_id", &call.id);
    object.text("name", &call.name);
    match call.kind == CallKind::Function && call.arguments.is_blank() {
        // a call without arguments is `{}` here
        true => object.str(said, "{}"),
        false => object.text(said, &call.arguments),
    }
}

pub(super) fn path((at, index): (usize, usize)) -> String {
    format!("messages[{at}].content[{index}]")
}
