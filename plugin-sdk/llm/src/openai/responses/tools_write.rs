//! The same out of the model.

use crate::model::{Dialect, Json, Losses, ResponseFormat, Text, Tool, ToolChoice, ToolKind};
use crate::openai::chat::tools::kind_of;
use crate::write::{Array, Object};

use super::NO_SUCH;

/// Writes the elements of `tools`. Other dialects' own tools cannot be run here.
pub(super) fn write_tools(tools: &[Tool<'_>], own: bool, array: &mut Array<'_>, losses: &mut Losses) {
    for (at, tool) in tools.iter().enumerate() {
        if !is_said_here(tool) {
            losses.dropped(
                format!("tools[{at}]"),
                "is a tool that only its own provider runs",
            );
            continue;
        }
        array.object(|object| write_tool(tool, own, object));
        if tool.cache.is_some() {
            losses.dropped(
                format!("tools[{at}].cache_control"),
                "the provider has no marks for its cache",
            );
        }
        for extra in tool.extras.iter().filter(|_| !own) {
            losses.dropped(format!("tools[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }
}

pub(super) fn is_said_here(tool: &Tool<'_>) -> bool {
    match &tool.kind {
        ToolKind::Native { dialect, .. } => *dialect == Dialect::OpenAiResponses,
        _ => true,
    }
}

fn write_tool(tool: &Tool<'_>, own: bool, object: &mut Object<'_>) {
    match &tool.kind {
        ToolKind::Function {
            name,
            description,
            parameters,
            strict,
        } => {
            object.str("type", "function");
            object.text("name", name);
            object.text_if("description", description.as_ref());
            match parameters {
                Some(schema) => object.json("parameters", schema),
                // not to be left out here
                None => object.null("parameters"),
            }
            match strict {
                Some(strict) => object.bool("strict", *strict),
                // left out it would be true here, and false everywhere else
                None if !own => object.bool("strict", false),
                None => {}
            }
        }
        ToolKind::Custom {
            name,
            description,
            format,
        } => {
            object.str("type", "custom");
            object.text("name", name);
            object.text_if("description", description.as_ref());
            if let Some(format) = format {
                write_custom_format(format, object);
            }
        }
        ToolKind::Native { json, .. } => {
            for (name, value) in json.members() {
                object.member(&name, &value);
            }
            return;
        }
    }
    if own {
        object.extras(&tool.extras);
    }
}

/// A custom tool's grammar stands in an object of its own in the model, and flat here.
fn write_custom_format(format: &Json<'_>, object: &mut Object<'_>) {
    match format.pointer("/grammar") {
        Some(grammar) => object.object("format", |object| {
            object.str("type", "grammar");
            for (name, value) in grammar.members() {
                object.member(&name, &value);
            }
        }),
        None => object.json("format", format),
    }
}

/// Writes `tool_choice`. `tools` tells which of the named ones are custom.
pub(super) fn write_choice(
    choice: &ToolChoice<'_>,
    tools: &[Tool<'_>],
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    match choice {
        ToolChoice::None => object.str("tool_choice", "none"),
        ToolChoice::Auto => object.str("tool_choice", "auto"),
        ToolChoice::Required => object.str("tool_choice", "required"),
        ToolChoice::Named(name) => object.object("tool_choice", |object| write_named(name, tools, object)),
        ToolChoice::Allowed { names, required } => object.object("tool_choice", |object| {
            object.str("type", "allowed_tools");
            object.str("mode", if *required { "required" } else { "auto" });
            object.array("tools", |array| {
                for name in names {
                    array.object(|object| write_named(name, tools, object));
                }
            });
        }),
        ToolChoice::Native {
            dialect: Dialect::OpenAiResponses,
            json,
        } => object.json("tool_choice", json),
        ToolChoice::Native { .. } => losses.dropped("tool_choice", NO_SUCH),
    }
}

fn write_named(name: &Text<'_>, tools: &[Tool<'_>], object: &mut Object<'_>) {
    object.str("type", kind_of(name, tools));
    object.text("name", name);
}

/// Writes `format`, inside of `text`.
pub(super) fn write_format(
    format: &ResponseFormat<'_>,
    own: bool,
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    match format {
        ResponseFormat::Text => object.object("format", |object| object.str("type", "text")),
        ResponseFormat::Json => object.object("format", |object| object.str("type", "json_object")),
        ResponseFormat::Schema {
            name,
            description,
            schema,
            strict,
        } => object.object("format", |object| {
            object.str("type", "json_schema");
            match name {
                Some(name) => object.text("name", name),
                None => object.str("name", "response"),
            }
            object.text_if("description", description.as_ref());
            object.json("schema", schema);
            match strict {
                Some(strict) => object.bool("strict", *strict),
                None if !own => object.bool("strict", false),
                None => {}
            }
        }),
        ResponseFormat::Native(json) if own => object.json("format", json),
        ResponseFormat::Native(_) => losses.dropped("response_format", NO_SUCH),
    }
}
