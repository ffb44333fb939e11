//! A request of the model as a Messages request.

use crate::fault::{BodyError, Fault};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{
    ClaudeHost, Content, Dialect, Json, Losses, Message, Names, Number, Part, Place, Placed, Request,
    ResponseFormat, Role, Target, Text, Turn, Turns, Written, orphan_result, turns,
};
use crate::write::{Array, Object, object};

use super::block_write::{Blocks, Marks, is_taken_back, write_mark};
use super::request_read::Purpose;
use super::thinking::Thinking;
use super::tools;

const NO_SUCH: &str = "Messages have nothing like it";

/// The beta that uploads need.
const FILES_BETA: &str = "files-api-2025-04-14";

/// What stands in for a turn that has to be there.
const NOTHING_SAID: &str = ".";

/// # Errors
/// What cannot be said here and must not be left out: broken arguments of a call (PAIN D07), a result without its call,
/// media that Claude does not take, several answers at once.
pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    purpose: Purpose,
) -> Result<Written, BodyError> {
    let mut written = Written::default();
    written.bytes.reserve(1024);
    let mut writer = Writer {
        request,
        target,
        purpose,
        own: request.dialect == Dialect::AnthropicMessages,
        names: Names::default(),
        marks: Marks::of(request),
        losses: Losses::default(),
        any_file: false,
    };
    let result = writer.check().and_then(|()| writer.body(&mut written.bytes));
    result.map_err(|fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    let betas = writer.betas();
    if !betas.is_empty() && target.claude_host != ClaudeHost::Bedrock {
        written.headers.push(("anthropic-beta", betas.join(",")));
    }
    written.names = writer.names;
    written.losses = writer.losses;
    Ok(written)
}

struct Writer<'w, 'a> {
    request: &'w Request<'a>,
    target: &'w Target<'w>,
    purpose: Purpose,
    own: bool,
    names: Names,
    marks: Marks,
    losses: Losses,
    any_file: bool,
}

impl Writer<'_, '_> {
    fn check(&self) -> Result<(), Fault> {
        if let Some((placed, _)) = orphan_result(&self.request.messages) {
            let path = format!("messages[{}].tool_call_id", placed.message);
            return Err(Fault::invalid(
                &path,
                "names a call that is in no message before it",
            ));
        }
        let several = self.request.sampling.choices.as_ref().and_then(Number::as_u64);
        if several.is_some_and(|choices| choices > 1) {
            return Err(Fault::unsupported(
                "n",
                "asks for several answers, of which the model gives one",
            ));
        }
        Ok(())
    }

    fn body(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut result = Ok(());
        object(out, |body| {
            let max_tokens = self.edges(body);
            let thinking = Thinking::settle(self.request, self.target, max_tokens, &mut self.losses);
            result = self.conversation(body);
            self.sampling(thinking.is_on(), body);
            self.tools(thinking.is_on(), body);
            let none = Vec::new();
            thinking.write(
                if self.own {
                    &self.request.reasoning.extras
                } else {
                    &none
                },
                body,
            );
            self.output_config(&thinking, body);
            self.rest(body);
        });
        result
    }

    /// Model, stream, version and limit, which differ from host to host (APIS.md 3.8). The limit in tokens.
    fn edges(&mut self, body: &mut Object<'_>) -> Option<u64> {
        let host = self.target.claude_host;
        // counting on Vertex keeps the model in the body
        if host == ClaudeHost::Anthropic || self.purpose == Purpose::Count {
            body.str("model", self.target.model);
        }
        match host {
            ClaudeHost::Bedrock => body.str("anthropic_version", "bedrock-2023-05-31"),
            ClaudeHost::Vertex => body.str("anthropic_version", "vertex-2023-10-16"),
            ClaudeHost::Anthropic => {}
        }
        if self.purpose == Purpose::Count {
            return self.target.max_output;
        }
        if host != ClaudeHost::Bedrock && self.target.stream.unwrap_or(self.request.stream) {
            body.bool("stream", true);
        }
        match &self.request.max_output {
            Some(most) => {
                body.number("max_tokens", most);
                most.as_u64()
            }
            None => {
                let most = self.target.default_max_output.max(1);
                let most = self
                    .target
                    .max_output
                    .map_or(most, |limit| limit.max(1).min(most));
                body.count("max_tokens", most);
                self.losses
                    .added("max_tokens", "Messages demand a limit: the model's default");
                Some(most)
            }
        }
    }

    fn conversation(&mut self, body: &mut Object<'_>) -> Result<(), Fault> {
        if self.own {
            return self.own_messages(body);
        }
        let cut = turns(&self.request.messages, self.target.system_anywhere);
        if cut.moved > 0 {
            self.losses.changed(
                "messages",
                "later system messages stand with the first ones: the model takes them there alone",
            );
        }
        for (at, message) in self.request.messages.iter().enumerate() {
            if message.name.is_some() {
                self.losses.dropped(format!("messages[{at}].name"), NO_SUCH);
            }
            for extra in &message.extras {
                self.losses
                    .dropped(format!("messages[{at}].{}", extra.name.get()), NO_SUCH);
            }
        }
        self.system(&cut, body)?;
        self.turns(&cut.turns, body)
    }

    /// As they were cut, down to a text that stands without its block: prompt caches go by the bytes.
    fn own_messages(&mut self, body: &mut Object<'_>) -> Result<(), Fault> {
        let is_top = |message: &&Message<'_>| message.place == Place::Top;
        let mut result = Ok(());
        if let Some(top) = self.request.messages.iter().find(is_top) {
            self.parts("system", &placed(top, 0), body)?;
        }
        body.array("messages", |array| {
            let messages = self
                .request
                .messages
                .iter()
                .enumerate()
                .filter(|(_, message)| !is_top(message));
            for (at, message) in messages {
                let role = match message.role {
                    Role::Assistant => "assistant",
                    Role::System | Role::Developer => "system",
                    _ => "user",
                };
                array.object(|object| {
                    object.str("role", role);
                    let written = self.parts("content", &placed(message, at), object);
                    if result.is_ok() {
                        result = written;
                    }
                    object.extras(&message.extras);
                });
            }
        });
        result
    }

    /// A string for one bare text, otherwise blocks.
    fn parts(&mut self, name: &str, parts: &[Placed<'_, '_>], object: &mut Object<'_>) -> Result<(), Fault> {
        if let [placed] = parts
            && placed.part.is_bare_text()
            && let Some(text) = placed.part.as_text()
        {
            object.text(name, text);
            return Ok(());
        }
        let mut result = Ok(());
        object.array(name, |array| result = self.blocks(parts, array));
        result
    }

    fn blocks(&mut self, parts: &[Placed<'_, '_>], array: &mut Array<'_>) -> Result<(), Fault> {
        let mut blocks = Blocks {
            target: self.target,
            own: self.own,
            names: &mut self.names,
            marks: &mut self.marks,
            losses: &mut self.losses,
            any_file: false,
        };
        let result = parts.iter().try_for_each(|placed| blocks.write(placed, array));
        self.any_file |= blocks.any_file;
        result
    }

    /// System texts keep their blocks, which marks may stand on; wishes that the dialect has no word for follow them.
    fn system(&mut self, cut: &Turns<'_, '_>, body: &mut Object<'_>) -> Result<(), Fault> {
        let asked = self.format_as_words();
        let said: Vec<Placed<'_, '_>> = cut
            .system
            .iter()
            .copied()
            .filter(|placed| self.is_said(placed))
            .collect();
        let Some(asked) = asked else {
            return if said.is_empty() {
                Ok(())
            } else {
                self.parts("system", &said, body)
            };
        };
        let mut result = Ok(());
        body.array("system", |array| {
            result = self.blocks(&said, array);
            array.object(|object| {
                object.str("type", "text");
                object.str("text", &asked);
            });
        });
        result
    }

    /// Whether anything of a part will be written: a turn must not be empty.
    fn is_said(&self, placed: &Placed<'_, '_>) -> bool {
        match &placed.part.content {
            Content::Text { text, .. } | Content::Refusal(text) => !text.is_blank(),
            Content::Native(native) => native.dialect == Dialect::AnthropicMessages,
            Content::Reasoning(thought) => is_taken_back(placed.part, thought, self.own, self.target),
            _ => true,
        }
    }

    fn turns(&mut self, turns: &[Turn<'_, '_>], body: &mut Object<'_>) -> Result<(), Fault> {
        let mut result = Ok(());
        body.array("messages", |array| {
            let first = turns
                .iter()
                .find(|turn| turn.parts.iter().any(|placed| self.is_said(placed)));
            if first.is_none_or(|turn| turn.role != Role::User) {
                self.losses
                    .added("messages", "a conversation begins with a user's turn");
                array.object(|object| {
                    object.str("role", "user");
                    object.str("content", NOTHING_SAID);
                });
            }
            for (at, turn) in turns.iter().enumerate() {
                let last = at.saturating_add(1) == turns.len();
                let written = self.turn(turn, last, array);
                if result.is_ok() {
                    result = written;
                }
            }
        });
        result
    }

    fn turn(&mut self, turn: &Turn<'_, '_>, last: bool, array: &mut Array<'_>) -> Result<(), Fault> {
        if !turn.parts.iter().any(|placed| self.is_said(placed)) {
            // its parts are named as lost by their writer
            return self.blocks(&turn.parts, &mut crate::write::nowhere(&mut Vec::new()));
        }
        let role = match turn.role {
            Role::Assistant => "assistant",
            Role::System => "system",
            _ => "user",
        };
        let mut result = Ok(());
        array.object(|object| {
            object.str("role", role);
            let trimmed = if last && turn.role == Role::Assistant {
                trimmed(turn)
            } else {
                None
            };
            let Some(trimmed) = trimmed else {
                result = self.parts("content", &turn.parts, object);
                return;
            };
            self.losses.changed(
                "messages",
                "the beginning of an answer goes without the white space at its end",
            );
            let mut parts = turn.parts.clone();
            if let Some(end) = parts.last_mut() {
                end.part = &trimmed;
            }
            result = self.parts("content", &parts, object);
        });
        result
    }

    fn sampling(&mut self, thinks: bool, body: &mut Object<'_>) {
        if self.purpose == Purpose::Count {
            return;
        }
        let sampling = &self.request.sampling;
        let fixed = thinks && !self.own;
        let numbers = [
            ("temperature", &sampling.temperature),
            ("top_p", &sampling.top_p),
            ("top_k", &sampling.top_k),
        ];
        for (name, number) in numbers {
            let Some(number) = number else { continue };
            if fixed {
                self.losses.dropped(name, "is fixed while Claude thinks");
            } else if name == "temperature" && !self.own && number.as_f64().is_some_and(|hot| hot > 1.0) {
                self.losses.changed(name, "is 1 at most");
                body.count(name, 1);
            } else {
                body.number(name, number);
            }
        }
        self.stop(body);
        self.unsaid();
    }

    fn stop(&mut self, body: &mut Object<'_>) {
        let (said, blank): (Vec<&Text<'_>>, Vec<&Text<'_>>) = self
            .request
            .stop
            .iter()
            .partition(|stop| self.own || !stop.is_blank());
        if !blank.is_empty() {
            self.losses
                .dropped("stop", "sequences of white space alone are not taken");
        }
        if !said.is_empty() {
            body.array("stop_sequences", |array| {
                said.iter().for_each(|stop| array.text(stop))
            });
        }
    }

    /// Parameters that Claude does not have.
    fn unsaid(&mut self) {
        let sampling = &self.request.sampling;
        let unsaid = [
            ("min_p", sampling.min_p.is_some()),
            ("frequency_penalty", sampling.frequency_penalty.is_some()),
            ("presence_penalty", sampling.presence_penalty.is_some()),
            ("repetition_penalty", sampling.repetition_penalty.is_some()),
            ("seed", sampling.seed.is_some()),
            ("logit_bias", sampling.logit_bias.is_some()),
            ("logprobs", sampling.logprobs == Some(true)),
            ("top_logprobs", sampling.top_logprobs.is_some()),
            ("verbosity", self.request.verbosity.is_some()),
            ("audio", self.request.audio.is_some()),
            (
                "modalities",
                self.request
                    .modalities
                    .iter()
                    .any(|modality| !modality.is("text")),
            ),
            ("prompt_cache_key", self.request.cache_key.is_some()),
        ];
        for (name, said) in unsaid {
            if said {
                self.losses.dropped(name, NO_SUCH);
            }
        }
    }

    fn tools(&mut self, thinks: bool, body: &mut Object<'_>) {
        let writer = tools::Writer {
            request: self.request,
            target: self.target,
            thinks,
            names: &mut self.names,
            marks: &mut self.marks,
            losses: &mut self.losses,
        };
        writer.write(body);
    }

    fn output_config(&mut self, thinking: &Thinking<'_>, body: &mut Object<'_>) {
        let kept = crate::model::extra(&self.request.extras, "output_config").filter(|_| self.own);
        let schema = match &self.request.format {
            Some(ResponseFormat::Schema { schema, .. }) if self.own || self.target.structured_output => {
                Some(schema)
            }
            _ => None,
        };
        let native = match &self.request.format {
            Some(ResponseFormat::Native(json)) if self.own => Some(json),
            _ => None,
        };
        if kept.is_none() && schema.is_none() && native.is_none() && thinking.effort().is_none() {
            return;
        }
        body.object("output_config", |object| {
            object.text_if("effort", thinking.effort());
            if let Some(schema) = schema {
                object.object("format", |object| {
                    object.str("type", "json_schema");
                    object.json("schema", schema);
                });
            }
            object.json_if("format", native);
            for (name, value) in kept.map(Json::members).unwrap_or_default() {
                object.member(&name, &value);
            }
        });
    }

    /// What to ask for in words where the model has no other way.
    fn format_as_words(&mut self) -> Option<String> {
        match &self.request.format {
            Some(ResponseFormat::Json) => {
                self.losses.changed("response_format", "is asked for in words");
                Some("Answer with one JSON object and nothing else.".to_owned())
            }
            Some(ResponseFormat::Schema { schema, .. }) if !self.target.structured_output => {
                self.losses.changed("response_format", "is asked for in words");
                Some(format!(
                    "Answer with one JSON value that is valid against this JSON Schema, and nothing else:\n{}",
                    schema.get()
                ))
            }
            Some(ResponseFormat::Native(_)) => {
                self.losses.dropped("response_format", NO_SUCH);
                None
            }
            _ => None,
        }
    }

    fn rest(&mut self, body: &mut Object<'_>) {
        if let Some(mark) = &self.request.cache {
            let Writer { marks, losses, .. } = self;
            match self.own {
                true => body.object("cache_control", |object| write_mark(mark, object)),
                false => marks.write(mark, body, losses, String::new),
            }
        }
        self.metadata(body);
        match &self.request.service_tier {
            Some(tier) if self.own || tier.is("auto") => body.text("service_tier", tier),
            Some(_) => self
                .losses
                .dropped("service_tier", "its names differ from provider to provider"),
            None => {}
        }
        if self.target.claude_host == ClaudeHost::Bedrock {
            let betas = self.betas();
            if !betas.is_empty() {
                body.array("anthropic_beta", |array| {
                    betas.iter().for_each(|beta| array.str(beta))
                });
            }
        }
        for extra in self
            .request
            .extras
            .iter()
            .filter(|extra| !extra.name.is("output_config"))
        {
            match self.own {
                true => body.member(&extra.name, &extra.value),
                false => self.losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    }

    fn metadata(&mut self, body: &mut Object<'_>) {
        let others = self.request.metadata.as_ref();
        if others.is_some() && !self.own {
            self.losses.dropped("metadata", NO_SUCH);
        }
        let others = others.filter(|_| self.own).map(Json::members).unwrap_or_default();
        if self.request.user.is_none() && others.is_empty() {
            return;
        }
        body.object("metadata", |object| {
            object.text_if("user_id", self.request.user.as_ref());
            for (name, value) in others.iter().filter(|(name, _)| !name.is("user_id")) {
                object.member(name, value);
            }
        });
    }

    fn betas(&self) -> Vec<String> {
        let mut betas: Vec<String> = self
            .request
            .betas
            .iter()
            .map(|beta| beta.get().into_owned())
            .collect();
        if self.any_file && !betas.iter().any(|beta| beta.starts_with("files-api")) {
            betas.push(FILES_BETA.to_owned());
        }
        betas
    }
}

fn placed<'r, 'a>(message: &'r Message<'a>, at: usize) -> Vec<Placed<'r, 'a>> {
    let parts = message.parts.iter().enumerate();
    parts
        .map(|(index, part)| Placed {
            part,
            message: at,
            index,
        })
        .collect()
}

/// The last text of a turn without the white space at its end, where it has any: an answer to be continued must not
/// end in it.
fn trimmed<'a>(turn: &Turn<'_, 'a>) -> Option<Part<'a>> {
    let last = turn.parts.last()?;
    let text = last.part.as_text()?.get().into_owned();
    let kept = text.trim_end();
    if kept.len() == text.len() {
        return None;
    }
    let mut part = last.part.clone();
    if let Content::Text { text: place, .. } = &mut part.content {
        *place = Text::plain(kept.to_owned());
    }
    Some(part)
}
