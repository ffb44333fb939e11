//! `toolConfig` out of the model. Converse has no way to forbid calls, and none to leave tools out where the conversation
//! has calls in it (APIS.md 6.3, 9.3).

use crate::model::{
    Content, Dialect, Json, Losses, Maker, Names, Part, Request, Text, Tool, ToolChoice, ToolKind,
};
use crate::write::{Array, Object};

use super::block_write::{NO_SUCH, Points};
use super::{limits, rest};

const SCHEMA_OF_NOTHING: &str = r#"{"type":"object","properties":{}}"#;
const SCHEMA_OF_TEXT: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// The tool that stands in where there has to be one and none may be called.
const NO_TOOL: &str = "no_tool";

/// Writes tools, and how they may be chosen.
pub(super) struct Writer<'w, 'a> {
    pub request: &'w Request<'a>,
    pub own: bool,
    pub maker: Option<Maker>,
    /// The model thinks, which forbids Claude to be made to call.
    pub thinks: bool,
    pub names: &'w mut Names,
    pub points: &'w mut Points,
    pub losses: &'w mut Losses,
}

/// How tools may be chosen, where a dialect-specific member says it (Claude's `disable_parallel_tool_use`).
pub(super) struct ClaudeChoice {
    pub kind: &'static str,
    pub name: Option<String>,
}

impl<'w, 'a> Writer<'w, 'a> {
    /// Writes `toolConfig`. What is given back has to go among the model's own members instead of `toolChoice`.
    pub fn write(mut self, body: &mut Object<'_>) -> Option<ClaudeChoice> {
        let forbidden = self.request.tool_choice == Some(ToolChoice::None);
        let sent = if forbidden { Vec::new() } else { self.sent() };
        if sent.is_empty() {
            self.without_tools(forbidden, body);
            return None;
        }
        let claudes = self.claudes_choice();
        let kept = rest::kept("toolConfig", if self.own { &self.request.extras } else { &[] });
        body.object("toolConfig", |object| {
            object.array("tools", |array| {
                for (at, tool) in sent {
                    self.tool(at, tool, array);
                }
            });
            if claudes.is_none() {
                self.choice(object);
            }
            for (name, value) in &kept {
                object.member(name, value);
            }
        });
        claudes
    }

    /// The tools that go: all that Converse can be told of, and of these the ones that are allowed.
    fn sent(&mut self) -> Vec<(usize, &'w Tool<'a>)> {
        let mut sent = Vec::new();
        for (at, tool) in self.request.tools.iter().enumerate() {
            match &tool.kind {
                ToolKind::Native { dialect, .. } if *dialect != Dialect::BedrockConverse => {
                    self.losses.dropped(
                        format!("tools[{at}]"),
                        "is a tool that only its own provider runs",
                    )
                }
                _ if !self.is_allowed(tool) => self.losses.changed(
                    format!("tools[{at}]"),
                    "is not among the allowed ones, and is not offered",
                ),
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

    /// A conversation with calls is not taken without tools: one stands in that does nothing.
    fn without_tools(&mut self, forbidden: bool, body: &mut Object<'_>) {
        match (&self.request.tool_choice, forbidden) {
            (_, true) if !self.request.tools.is_empty() => self.losses.changed(
                "tool_choice",
                "Converse cannot forbid calls: the tools are not offered",
            ),
            (Some(_), false) => self
                .losses
                .dropped("tool_choice", "there are no tools to choose from"),
            _ => {}
        }
        let mut parts = self.request.messages.iter().flat_map(|message| &message.parts);
        if self.own || !parts.any(is_tools) {
            return;
        }
        self.losses.added(
            "tools",
            "a conversation with calls has to define a tool: one that does nothing",
        );
        body.object("toolConfig", |object| {
            object.array("tools", |array| {
                array.object(|object| {
                    object.object("toolSpec", |spec| {
                        spec.str("name", NO_TOOL);
                        spec.str(
                            "description",
                            "Does nothing. There are no tools: never call this.",
                        );
                        spec.object("inputSchema", |schema| {
                            schema.json("json", &Json::checked(SCHEMA_OF_NOTHING));
                        });
                    });
                });
            });
        });
    }

    fn tool(&mut self, at: usize, tool: &Tool<'_>, array: &mut Array<'_>) {
        match &tool.kind {
            ToolKind::Function {
                name,
                description,
                parameters,
                strict,
            } => {
                let name = limits::tool_name(name, self.names);
                let schema = parameters.as_ref();
                self.spec(&name, description.as_ref(), schema, array, |spec, own| {
                    if own || *strict == Some(true) {
                        spec.bool_if("strict", *strict);
                    }
                    if own {
                        spec.extras(&tool.extras);
                    }
                });
            }
            ToolKind::Custom {
                name,
                description,
                format,
                ..
            } => {
                let name = limits::tool_name(name, self.names).into_owned();
                self.names.custom(&name);
                let schema = Json::checked(SCHEMA_OF_TEXT);
                self.spec(&name, description.as_ref(), Some(&schema), array, |_, _| {});
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
            ToolKind::Native { kind, json, .. } => array.object(|object| object.member(kind, json)),
        }
        for extra in tool.extras.iter().filter(|_| !self.own) {
            self.losses
                .dropped(format!("tools[{at}].{}", extra.name.get()), NO_SUCH);
        }
        if let Some(mark) = &tool.cache {
            self.points
                .write(mark, self.own, array, self.losses, &|| format!("tools[{at}]"));
        }
    }

    fn spec(
        &self,
        name: &str,
        description: Option<&Text<'_>>,
        schema: Option<&Json<'_>>,
        array: &mut Array<'_>,
        more: impl FnOnce(&mut Object<'_>, bool),
    ) {
        let own = self.own;
        array.object(|object| {
            object.object("toolSpec", |spec| {
                spec.str("name", name);
                // an empty one is refused
                spec.text_if("description", description.filter(|text| own || !text.is_empty()));
                spec.object("inputSchema", |object| write_schema(schema, own, object));
                more(spec, own);
            });
        });
    }

    fn is_claude_thinking(&self) -> bool {
        self.thinks && self.maker == Some(Maker::Anthropic) && !self.own
    }

    fn choice(&mut self, object: &mut Object<'_>) {
        let Some(choice) = &self.request.tool_choice else {
            return;
        };
        let forced = match choice {
            ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { required: false, .. } => false,
            ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. } => true,
            ToolChoice::Native {
                dialect: Dialect::BedrockConverse,
                json,
            } => return object.json("toolChoice", json),
            ToolChoice::Native { .. } => return self.losses.dropped("tool_choice", NO_SUCH),
        };
        if forced && self.is_claude_thinking() {
            self.losses.changed(
                "tool_choice",
                "Claude cannot be made to call a tool while it thinks",
            );
            return object.object("toolChoice", |choice| choice.object("auto", |_| {}));
        }
        object.object("toolChoice", |object| match choice {
            ToolChoice::Named(name) => object.object("tool", |tool| {
                tool.str("name", &limits::tool_name(name, self.names));
            }),
            _ if forced => object.object("any", |_| {}),
            _ => object.object("auto", |_| {}),
        });
    }

    /// Only Claude can be told to make one call at a time, and only in its own words.
    fn claudes_choice(&mut self) -> Option<ClaudeChoice> {
        if self.request.parallel_calls != Some(false) {
            return None;
        }
        if self.maker != Some(Maker::Anthropic) {
            self.losses.dropped("parallel_tool_calls", NO_SUCH);
            return None;
        }
        let (kind, name) = match &self.request.tool_choice {
            Some(ToolChoice::Native { .. }) => return None,
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => ("any", None),
            Some(ToolChoice::Named(name)) => ("tool", Some(name)),
            _ => ("auto", None),
        };
        if kind != "auto" && self.is_claude_thinking() {
            self.losses.changed(
                "tool_choice",
                "Claude cannot be made to call a tool while it thinks",
            );
            return Some(ClaudeChoice {
                kind: "auto",
                name: None,
            });
        }
        let name = name.map(|name| limits::tool_name(name, self.names).into_owned());
        Some(ClaudeChoice { kind, name })
    }
}

fn is_tools(part: &Part<'_>) -> bool {
    match &part.content {
        Content::ToolCall(_) | Content::ToolResult(_) => true,
        Content::Native(native) => {
            native.dialect == Dialect::BedrockConverse
                && (native.kind.is("toolUse") || native.kind.is("toolResult"))
        }
        _ => false,
    }
}

/// A schema has to be of an object; one that does not say so means it.
fn write_schema(schema: Option<&Json<'_>>, own: bool, object: &mut Object<'_>) {
    match schema {
        None => object.json("json", &Json::checked(SCHEMA_OF_NOTHING)),
        Some(schema) if own || schema.pointer("/type").is_some() => object.json("json", schema),
        Some(schema) => object.object("json", |object| {
            object.str("type", "object");
            for (name, value) in schema.members() {
                object.member(&name, &value);
            }
        }),
    }
}
