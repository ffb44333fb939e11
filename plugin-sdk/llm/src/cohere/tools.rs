//! Tools, which of them has to be called, and the form of an answer, both ways.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::fault::{Fault, Within};
use crate::model::{
    Dialect, Extras, Json, Losses, Names, Request, ResponseFormat, Text, Tool, ToolChoice, ToolKind,
};
use crate::read::Reader;
use crate::write::Object;

use super::NO_SUCH;

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Tool<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut kind, mut function, mut extras) = (None, None, Extras::new());
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"function" => function = read_function(reader, &mut extras).within("function")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let kind = kind.unwrap_or_else(|| Text::plain("function"));
    if !kind.is("function") {
        return Ok(Some(Tool::new(ToolKind::Native {
            dialect: Dialect::Cohere,
            kind,
            json: reader.walked(&members),
        })));
    }
    let function = function.ok_or_else(|| Fault::missing("function", "is missing"))?;
    Ok(Some(Tool {
        extras,
        ..Tool::new(function)
    }))
}

fn read_function<'a>(
    reader: &mut Reader<'a>,
    extras: &mut Extras<'a>,
) -> Result<Option<ToolKind<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut name, mut description, mut parameters) = (None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => name = reader.text(TEXT).within("name")?,
            b"description" => description = reader.text(TEXT).within("description")?,
            b"parameters" => parameters = reader.json_or_null()?,
            _ => reader.extra(key, extras)?,
        }
    }
    Ok(Some(ToolKind::Function {
        name: name.ok_or_else(|| Fault::missing("name", "is missing"))?,
        description,
        parameters,
        strict: None,
    }))
}

pub(super) fn read_choice<'a>(reader: &mut Reader<'a>) -> Result<Option<ToolChoice<'a>>, Fault> {
    let Some(json) = reader.json_or_null()? else {
        return Ok(None);
    };
    let word = json.as_text().map(Text::into_string);
    Ok(Some(match word.as_deref() {
        Some("REQUIRED") => ToolChoice::Required,
        Some("NONE") => ToolChoice::None,
        _ => ToolChoice::Native {
            dialect: Dialect::Cohere,
            json,
        },
    }))
}

pub(super) fn read_format<'a>(reader: &mut Reader<'a>) -> Result<Option<ResponseFormat<'a>>, Fault> {
    if reader.kind()? == crate::json::ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object("must be an object with a `type`")? else {
        return Ok(None);
    };
    let (mut kind, mut schema) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            // the second is its name before
            b"json_schema" | b"schema" => schema = reader.json_or_null()?.or(schema),
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    let kind = kind.ok_or_else(|| Fault::missing("type", "is missing"))?;
    Ok(Some(match (&*kind.get(), schema) {
        ("text", _) => ResponseFormat::Text,
        ("json_object", None) => ResponseFormat::Json,
        ("json_object", Some(schema)) => ResponseFormat::Schema {
            name: None,
            description: None,
            schema,
            strict: None,
        },
        _ => ResponseFormat::Native(whole),
    }))
}

/// Writes the tools, which of them has to be called, and how strictly.
pub(super) fn write(request: &Request<'_>, body: &mut Object<'_>, names: &mut Names, losses: &mut Losses) {
    let own = request.dialect == Dialect::Cohere;
    let chosen = chosen(request, losses);
    let tools: Vec<(usize, &Tool<'_>)> = request
        .tools
        .iter()
        .enumerate()
        .filter(|(at, tool)| is_said_here(*at, tool, losses))
        .filter(|(_, tool)| chosen.as_ref().is_none_or(|names| is_named(tool, names)))
        .collect();
    if !tools.is_empty() {
        for (_, tool) in &tools {
            if let ToolKind::Custom { name, .. } = &tool.kind {
                names.custom(&name.get());
            }
        }
        body.array("tools", |array| {
            for (at, tool) in &tools {
                array.object(|object| write_tool(tool, *at, own, object, losses));
            }
        });
        write_strict(&tools, body, losses);
    }
    if request.parallel_calls == Some(false) {
        losses.dropped("parallel_tool_calls", NO_SUCH);
    }
    write_choice(request, !tools.is_empty(), body, losses);
}

fn is_said_here(at: usize, tool: &Tool<'_>, losses: &mut Losses) -> bool {
    match &tool.kind {
        ToolKind::Native { dialect, .. } if *dialect != Dialect::Cohere => {
            losses.dropped(
                format!("tools[{at}]"),
                "is a tool that only its own provider runs",
            );
            false
        }
        _ => true,
    }
}

/// The only tools that may be called, where the caller said so: Cohere is given no others.
fn chosen<'r>(request: &'r Request<'_>, losses: &mut Losses) -> Option<HashSet<Cow<'r, str>>> {
    let names: HashSet<Cow<'r, str>> = match &request.tool_choice {
        Some(ToolChoice::Named(name)) => HashSet::from([name.get()]),
        Some(ToolChoice::Allowed { names, .. }) => names.iter().map(Text::get).collect(),
        _ => return None,
    };
    if !request.tools.iter().any(|tool| is_named(tool, &names)) {
        losses.changed("tool_choice", "names no tool of the request");
        return None;
    }
    if !request.tools.iter().all(|tool| is_named(tool, &names)) {
        losses.changed(
            "tools",
            "Cohere cannot be told which tools to choose from: it gets no others",
        );
    }
    Some(names)
}

fn is_named(tool: &Tool<'_>, names: &HashSet<Cow<'_, str>>) -> bool {
    tool.name().is_some_and(|name| names.contains(&*name.get()))
}

fn write_tool(tool: &Tool<'_>, at: usize, own: bool, object: &mut Object<'_>, losses: &mut Losses) {
    match &tool.kind {
        ToolKind::Function {
            name,
            description,
            parameters,
            ..
        } => {
            object.str("type", "function");
            object.object("function", |function| {
                function.text("name", name);
                function.text_if("description", description.as_ref());
                function.json_if("parameters", parameters.as_ref());
                if own {
                    function.extras(&tool.extras);
                }
            });
        }
        ToolKind::Custom {
            name,
            description,
            format,
        } => {
            losses.changed(format!("tools[{at}]"), "takes its text as the member `input`");
            if format.is_some() {
                losses.dropped(format!("tools[{at}].format"), NO_SUCH);
            }
            object.str("type", "function");
            object.object("function", |function| {
                function.text("name", name);
                function.text_if("description", description.as_ref());
                function.json("parameters", &Json::checked(INPUT));
            });
        }
        ToolKind::Native { json, .. } => {
            for (name, value) in json.members() {
                object.member(&name, &value);
            }
        }
    }
    if tool.cache.is_some() {
        losses.dropped(format!("tools[{at}].cache_control"), "Cohere caches by itself");
    }
    if !own {
        for extra in &tool.extras {
            losses.dropped(format!("tools[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }
}

/// The parameters of a tool that takes a text.
const INPUT: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// One flag for all tools.
fn write_strict(tools: &[(usize, &Tool<'_>)], body: &mut Object<'_>, losses: &mut Losses) {
    let strict = |tool: &Tool<'_>| match &tool.kind {
        ToolKind::Function { strict, .. } => *strict,
        _ => None,
    };
    let any = tools.iter().any(|(_, tool)| strict(tool) == Some(true));
    let all = tools.iter().all(|(_, tool)| strict(tool) == Some(true));
    if any && all {
        body.bool("strict_tools", true);
    } else if any {
        losses.dropped("tools.strict", "Cohere is strict with all tools or with none");
    } else if tools.iter().all(|(_, tool)| strict(tool) == Some(false)) {
        body.bool("strict_tools", false);
    }
}

fn write_choice(request: &Request<'_>, any_tools: bool, body: &mut Object<'_>, losses: &mut Losses) {
    let Some(choice) = &request.tool_choice else {
        return;
    };
    let required = match choice {
        ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => return,
        ToolChoice::None => return body.str("tool_choice", "NONE"),
        ToolChoice::Native {
            dialect: Dialect::Cohere,
            json,
        } => return body.json("tool_choice", json),
        ToolChoice::Native { .. } => return losses.dropped("tool_choice", NO_SUCH),
        ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { .. } => any_tools,
    };
    match required {
        true => body.str("tool_choice", "REQUIRED"),
        false => losses.dropped("tool_choice", "there are no tools to choose from"),
    }
}

/// Writes the form of the answer.
pub(super) fn write_format(request: &Request<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let Some(format) = &request.format else {
        return;
    };
    match format {
        ResponseFormat::Text => body.object("response_format", |object| object.str("type", "text")),
        ResponseFormat::Json => body.object("response_format", |object| object.str("type", "json_object")),
        ResponseFormat::Schema {
            description, schema, ..
        } => {
            // every schema is kept to here, and has no name
            body.object("response_format", |object| {
                object.str("type", "json_object");
                object.json("json_schema", schema);
            });
            if description.is_some() {
                losses.dropped("response_format.description", NO_SUCH);
            }
        }
        ResponseFormat::Native(json) if request.dialect == Dialect::Cohere => {
            body.json("response_format", json);
        }
        ResponseFormat::Native(_) => losses.dropped("response_format", NO_SUCH),
    }
}
