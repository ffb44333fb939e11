//! Tools and the choice among them, read and written (APIS.md 3.1, 9.3).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    Content, Dialect, Extras, Json, Losses, Names, Request, Target, Text, Tool, ToolChoice, ToolKind,
};
use crate::read::Reader;
use crate::write::{Array, Object};

use super::block_read;
use super::block_write::Marks;
use super::limits::{LONGEST_NAME, takes};

const TEXT: &str = "must be a string";
const BOOL: &str = "must be true or false";

/// Reads one element of `tools`.
pub(super) fn tool<'a>(reader: &mut Reader<'a>) -> Result<Option<Tool<'a>>, Fault> {
    let Some(mut members) = reader.object("must be an object")? else {
        return Ok(None);
    };
    let (mut kind, mut name, mut description, mut parameters) = (None, None, None, None);
    let (mut strict, mut cache, mut extras) = (None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text("must be a string or null").within("type")?,
            b"name" => name = reader.text(TEXT).within("name")?,
            b"description" => description = reader.text(TEXT).within("description")?,
            b"input_schema" => parameters = reader.json_or_null()?,
            b"strict" => strict = reader.bool(BOOL).within("strict")?,
            b"cache_control" => cache = block_read::cache_control(reader).within("cache_control")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let whole = reader.walked(&members);
    if let Some(kind) = kind.filter(|kind| !kind.is("custom")) {
        let native = ToolKind::Native {
            dialect: Dialect::AnthropicMessages,
            kind,
            json: whole,
        };
        // the mark is in its JSON
        return Ok(Some(Tool::new(native)));
    }
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Fault::missing("name", "is missing: every tool has one"))?;
    if parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(Fault::wrong_type("input_schema", "must be a JSON Schema object"));
    }
    Ok(Some(Tool {
        kind: ToolKind::Function {
            name,
            description,
            parameters,
            strict,
        },
        cache,
        extras,
    }))
}

/// Reads `tool_choice`, which says too whether several tools may be called at once.
pub(super) fn choice<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass();
    }
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok(());
    };
    let (mut kind, mut name, mut single) = (None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"name" => name = reader.text(TEXT).within("name")?,
            b"disable_parallel_tool_use" => single = reader.bool(BOOL).within("disable_parallel_tool_use")?,
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    let kind = kind.ok_or_else(|| Fault::missing("type", "is missing"))?;
    request.tool_choice = Some(match &*kind.get() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(name.ok_or_else(|| Fault::missing("name", "is missing"))?),
        _ => ToolChoice::Native {
            dialect: Dialect::AnthropicMessages,
            json: whole,
        },
    });
    request.parallel_calls = single.map(|single| !single);
    Ok(())
}

/// Writes `tools` and `tool_choice`.
pub(super) struct Writer<'w, 'a> {
    pub request: &'w Request<'a>,
    pub target: &'w Target<'w>,
    pub thinks: bool,
    pub names: &'w mut Names,
    pub marks: &'w mut Marks,
    pub losses: &'w mut Losses,
}

const SCHEMA_OF_NOTHING: &str = r#"{"type":"object","properties":{}}"#;
const SCHEMA_OF_TEXT: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

impl<'w, 'a> Writer<'w, 'a> {
    pub fn write(mut self, body: &mut Object<'_>) {
        let sent: Vec<(usize, &'w Tool<'a>)> = self.sent();
        if sent.is_empty() {
            return self.without_tools(body);
        }
        body.array("tools", |array| {
            for (at, tool) in &sent {
                array.object(|object| self.tool(*at, tool, object));
            }
        });
        self.choice(body);
    }

    /// The tools that go: all that Claude can be told of, and of these the ones that are allowed.
    fn sent(&mut self) -> Vec<(usize, &'w Tool<'a>)> {
        let mut sent = Vec::new();
        for (at, tool) in self.request.tools.iter().enumerate() {
            match &tool.kind {
                ToolKind::Native { dialect, .. } if *dialect != Dialect::AnthropicMessages => {
                    self.losses.dropped(
                        format!("tools[{at}]"),
                        "is a tool that only its own provider runs",
                    );
                }
                _ if !self.is_allowed(tool) => {
                    self.losses.changed(
                        format!("tools[{at}]"),
                        "is not among the allowed ones, and is not offered",
                    );
                }
                _ => sent.push((at, tool)),
            }
        }
        sent
    }

    fn is_allowed(&self, tool: &Tool<'_>) -> bool {
        match (&self.request.tool_choice, tool.name()) {
            (Some(ToolChoice::Allowed { names, .. }), Some(name)) => names.contains(name),
            (Some(ToolChoice::Allowed { .. }), None) => false,
            _ => true,
        }
    }

    fn tool(&mut self, at: usize, tool: &Tool<'_>, object: &mut Object<'_>) {
        let own = self.request.dialect == Dialect::AnthropicMessages;
        match &tool.kind {
            ToolKind::Function {
                name,
                description,
                parameters,
                strict,
            } => {
                object.str("name", &self.names.sent(name, LONGEST_NAME, takes));
                object.text_if("description", description.as_ref());
                write_schema(parameters.as_ref(), object);
                match strict {
                    Some(true) if !own && !self.target.structured_output => {
                        self.losses.dropped(
                            format!("tools[{at}].strict"),
                            "the model is not strict with tools",
                        );
                    }
                    Some(strict) if own || *strict => object.bool("strict", *strict),
                    _ => {}
                }
            }
            ToolKind::Custom {
                name,
                description,
                format,
                ..
            } => {
                let sent = self.names.sent(name, LONGEST_NAME, takes).into_owned();
                object.str("name", &sent);
                object.text_if("description", description.as_ref());
                object.json("input_schema", &Json::checked(SCHEMA_OF_TEXT));
                self.names.custom(&sent);
                self.losses.changed(
                    format!("tools[{at}]"),
                    "a custom tool goes as a function of one text",
                );
                if format.is_some() {
                    self.losses.dropped(
                        format!("tools[{at}].format"),
                        "texts of tools have no grammar here",
                    );
                }
            }
            ToolKind::Native { json, .. } => {
                for (name, value) in json.members() {
                    object.member(&name, &value);
                }
                return;
            }
        }
        if let Some(mark) = &tool.cache {
            self.marks
                .write(mark, object, self.losses, || format!("tools[{at}]"));
        }
        match own {
            true => object.extras(&tool.extras),
            false => {
                for extra in &tool.extras {
                    self.losses.dropped(
                        format!("tools[{at}].{}", extra.name.get()),
                        "Messages have nothing like it",
                    );
                }
            }
        }
    }

    fn choice(&mut self, body: &mut Object<'_>) {
        let single = self.request.parallel_calls.map(|parallel| !parallel);
        let (kind, name) = match &self.request.tool_choice {
            Some(ToolChoice::Native {
                dialect: Dialect::AnthropicMessages,
                json,
            }) => return body.json("tool_choice", json),
            Some(ToolChoice::Native { .. }) => {
                self.losses
                    .dropped("tool_choice", "Messages have nothing like it");
                return;
            }
            None if single != Some(true) => return,
            None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("auto", None),
            Some(ToolChoice::None) => ("none", None),
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => ("any", None),
            Some(ToolChoice::Named(name)) => ("tool", Some(name)),
        };
        let own = self.request.dialect == Dialect::AnthropicMessages;
        let forced = matches!(kind, "any" | "tool");
        let (kind, name) = if forced && self.thinks && !own {
            self.losses.changed(
                "tool_choice",
                "Claude cannot be made to call a tool while it thinks",
            );
            ("auto", None)
        } else {
            (kind, name)
        };
        body.object("tool_choice", |object| {
            object.str("type", kind);
            if let Some(name) = name {
                object.str("name", &self.names.sent(name, LONGEST_NAME, takes));
            }
            if kind != "none" {
                object.bool_if("disable_parallel_tool_use", single);
            }
        });
    }

    /// A history with calls is not taken without tools: those that were called are named, and none may be called.
    fn without_tools(&mut self, body: &mut Object<'_>) {
        if self
            .request
            .tool_choice
            .as_ref()
            .is_some_and(|choice| *choice != ToolChoice::None)
        {
            self.losses
                .dropped("tool_choice", "there are no tools to choose from");
        }
        let mut called: Vec<&Text<'_>> = Vec::new();
        for part in self.request.messages.iter().flat_map(|message| &message.parts) {
            if let Content::ToolCall(call) = &part.content
                && !called.contains(&&call.name)
            {
                called.push(&call.name);
            }
        }
        if called.is_empty() || self.request.dialect == Dialect::AnthropicMessages {
            return;
        }
        self.losses.added(
            "tools",
            "a conversation with calls has to define tools; none of these may be called",
        );
        body.array("tools", |array: &mut Array<'_>| {
            for name in called {
                array.object(|object| {
                    object.str("name", &self.names.sent(name, LONGEST_NAME, takes));
                    object.json("input_schema", &Json::checked(SCHEMA_OF_NOTHING));
                });
            }
        });
        body.object("tool_choice", |object| object.str("type", "none"));
    }
}

/// A schema has to be of an object; one that does not say so means it.
fn write_schema(parameters: Option<&Json<'_>>, object: &mut Object<'_>) {
    let Some(schema) = parameters else {
        return object.json("input_schema", &Json::checked(SCHEMA_OF_NOTHING));
    };
    if schema.pointer("/type").is_some() {
        return object.json("input_schema", schema);
    }
    object.object("input_schema", |object| {
        object.str("type", "object");
        for (name, value) in schema.members() {
            object.member(&name, &value);
        }
    });
}
