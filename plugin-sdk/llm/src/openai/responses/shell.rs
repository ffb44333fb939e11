//! What a response says around its output: who it is, how it stands, and what it repeats of the request.

use crate::model::{Dialect, Effort, Envelope, Error, Extra, Json, Losses, Place, Request, Text, Usage};
use crate::write::{Object, object};

use super::tools_write::{write_choice, write_format, write_tools};
use super::{error, usage};

/// What stands for the request where nobody said what was asked.
const NOTHING_REPEATED: &str = r#"{"instructions":null,"max_output_tokens":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":false,"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled","user":null}"#;

/// Members of a response that repeat its request, or say the same of every one: they are no part of an answer.
pub(super) fn is_repeated(name: &[u8]) -> bool {
    const NAMES: &[&str] = &[
        "background",
        "completed_at",
        "context_management",
        "conversation",
        "frequency_penalty",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "moderation",
        "object",
        "parallel_tool_calls",
        "presence_penalty",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ];
    NAMES.iter().any(|known| known.as_bytes() == name)
}

/// What answers repeat of a request: a JSON object.
pub(super) fn repeated(request: &Request<'_>) -> String {
    let mut out = Vec::with_capacity(512);
    let (own, mut lost) = (true, Losses::default());
    object(&mut out, |object| {
        let top = request
            .messages
            .first()
            .filter(|message| message.place == Place::Top);
        let top = top.and_then(|message| message.parts.first()?.as_text());
        object.text_or_null("instructions", top);
        number(request.max_output.as_ref(), "max_output_tokens", object);
        match &request.metadata {
            Some(metadata) => object.json("metadata", metadata),
            None => object.object("metadata", |_| {}),
        }
        object.bool("parallel_tool_calls", request.parallel_calls.unwrap_or(true));
        object.null("previous_response_id");
        object.object("reasoning", |reasoning| {
            let effort = request.reasoning.effort.as_ref().map(Effort::name);
            reasoning.text_or_null("effort", effort.as_ref());
            reasoning.text_or_null("summary", request.reasoning.summary.as_ref());
        });
        object.bool("store", false);
        number(request.sampling.temperature.as_ref(), "temperature", object);
        object.object("text", |text| {
            match &request.format {
                Some(format) => write_format(format, own, text, &mut lost),
                None => text.object("format", |format| format.str("type", "text")),
            }
            text.text_if("verbosity", request.verbosity.as_ref());
        });
        match &request.tool_choice {
            Some(choice) => write_choice(choice, &request.tools, object, &mut lost),
            None => object.str("tool_choice", "auto"),
        }
        object.array("tools", |array| {
            write_tools(&request.tools, own, array, &mut lost)
        });
        number(request.sampling.top_p.as_ref(), "top_p", object);
        object.str("truncation", "disabled");
        object.text_or_null("user", request.user.as_ref());
    });
    String::from_utf8_lossy(&out).into_owned()
}

fn number(number: Option<&crate::model::Number<'_>>, name: &str, object: &mut Object<'_>) {
    match number {
        Some(number) => object.number(name, number),
        None => object.null(name),
    }
}

/// How a response stands.
pub(super) struct State<'s> {
    pub status: &'s str,
    /// Why it is incomplete.
    pub reason: Option<&'s str>,
    pub error: Option<&'s Error<'s>>,
    /// The items of its output, with commas between them.
    pub output: &'s [u8],
    pub usage: Option<&'s Usage>,
}

/// What every copy of one response says.
pub(super) struct Shell {
    pub id: Text<'static>,
    pub created: u64,
    pub model: Text<'static>,
    pub service_tier: Option<Text<'static>>,
    repeated: String,
}

impl Shell {
    pub fn new(envelope: &Envelope<'_>) -> Shell {
        Shell {
            id: Text::plain(envelope.id.to_owned()),
            created: envelope.created,
            model: Text::plain(envelope.model.to_owned()),
            service_tier: None,
            repeated: envelope.repeated.unwrap_or(NOTHING_REPEATED).to_owned(),
        }
    }

    /// Writes the members of a response. `extras` are those of the same dialect's answer.
    pub fn write(&self, state: &State<'_>, extras: &[Extra<'_>], object: &mut Object<'_>) {
        object.text("id", &self.id);
        object.str("object", "response");
        object.count("created_at", self.created);
        object.str("status", state.status);
        object.bool("background", false);
        match state.error {
            Some(fault) => object.object("error", |object| error::write_failure(fault, object)),
            None => object.null("error"),
        }
        match state.reason {
            Some(reason) => object.object("incomplete_details", |object| object.str("reason", reason)),
            None => object.null("incomplete_details"),
        }
        object.text("model", &self.model);
        let output = object.value("output");
        output.push(b'[');
        output.extend_from_slice(state.output);
        output.push(b']');
        for (name, value) in Json::checked(self.repeated.as_str()).members() {
            object.member(&name, &value);
        }
        match state.usage {
            Some(counts) => object.object("usage", |object| usage::write(counts, object)),
            None => object.null("usage"),
        }
        object.text_if("service_tier", self.service_tier.as_ref());
        object.extras(extras);
    }
}

/// Whether an answer was read from this dialect.
pub(super) fn is_own(dialect: Dialect) -> bool {
    dialect == Dialect::OpenAiResponses
}

impl State<'_> {
    /// Of a response that has just begun.
    pub fn begun() -> State<'static> {
        State {
            status: "in_progress",
            reason: None,
            error: None,
            output: b"",
            usage: None,
        }
    }
}
