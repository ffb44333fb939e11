//! Tools, the choice among them and the form of the answer, read and written (APIS.md 1.3, 9.3, 9.4).

use std::borrow::Cow;

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{
    CacheMark, CallKind, Dialect, Extras, Json, Losses, ResponseFormat, Text, Tool, ToolChoice, ToolKind,
};
use crate::read::Reader;
use crate::write::Object;

use super::content;

const TEXT: &str = "must be a string";
const BOOL: &str = "must be true or false";
const OBJECT: &str = "must be an object";

#[derive(Default)]
struct Function<'a> {
    name: Option<Text<'a>>,
    description: Option<Text<'a>>,
    parameters: Option<Json<'a>>,
    strict: Option<bool>,
    format: Option<Json<'a>>,
    extras: Extras<'a>,
}

/// Reads one element of `tools`.
pub(super) fn tool<'a>(reader: &mut Reader<'a>) -> Result<Option<Tool<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut kind, mut function, mut custom) = (None, None, None);
    let mut cache: Option<CacheMark<'a>> = None;
    let mut extras = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"function" => function = read_function(reader).within("function")?,
            b"custom" => custom = read_function(reader).within("custom")?,
            b"cache_control" => cache = content::cache_control(reader).within("cache_control")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let whole = reader.walked(&members);
    let (kind, more) = match (function, custom) {
        (Some(function), _) => function.into_kind(CallKind::Function).within("function")?,
        (None, Some(custom)) => custom.into_kind(CallKind::Custom).within("custom")?,
        (None, None) => {
            let kind = kind.ok_or_else(|| Fault::missing("type", "is missing: every tool has one"))?;
            if kind.is("function") {
                return Err(Fault::missing("function", "is missing"));
            }
            let native = ToolKind::Native {
                dialect: Dialect::OpenAiChat,
                kind,
                json: whole,
            };
            return Ok(Some(Tool::new(native)));
        }
    };
    extras.extend(more);
    Ok(Some(Tool { kind, cache, extras }))
}

/// Reads one element of `functions`, the name that tools had before.
pub(super) fn legacy_function<'a>(reader: &mut Reader<'a>) -> Result<Option<Tool<'a>>, Fault> {
    let Some(function) = read_function(reader)? else {
        return Ok(None);
    };
    let (kind, extras) = function.into_kind(CallKind::Function)?;
    Ok(Some(Tool {
        extras,
        ..Tool::new(kind)
    }))
}

fn read_function<'a>(reader: &mut Reader<'a>) -> Result<Option<Function<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut function = Function::default();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => function.name = reader.text(TEXT).within("name")?,
            b"description" => function.description = reader.text(TEXT).within("description")?,
            b"parameters" => function.parameters = reader.json_or_null()?,
            b"strict" => function.strict = reader.bool(BOOL).within("strict")?,
            b"format" => function.format = reader.json_or_null()?,
            _ => reader.extra(key, &mut function.extras)?,
        }
    }
    if function
        .parameters
        .as_ref()
        .is_some_and(|schema| !schema.is_object())
    {
        return Err(Fault::wrong_type("parameters", "must be a JSON Schema object"));
    }
    Ok(Some(function))
}

impl<'a> Function<'a> {
    fn into_kind(self, kind: CallKind) -> Result<(ToolKind<'a>, Extras<'a>), Fault> {
        let name = self.name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Fault::missing("name", "is missing: every tool has one"))?;
        let kind = match kind {
            CallKind::Function => ToolKind::Function {
                name,
                description: self.description,
                parameters: self.parameters,
                strict: self.strict,
            },
            CallKind::Custom => ToolKind::Custom {
                name,
                description: self.description,
                format: self.format,
            },
        };
        Ok((kind, self.extras))
    }
}

/// Reads `tool_choice`, and the legacy `function_call`.
pub(super) fn choice<'a>(reader: &mut Reader<'a>) -> Result<Option<ToolChoice<'a>>, Fault> {
    match reader.kind()? {
        ValueKind::Null => return reader.pass().map(|()| None),
        ValueKind::String => {
            let word = reader.literal()?;
            return named_choice(&word.get()).map(Some);
        }
        ValueKind::Object => {}
        _ => return Err(Fault::wrong_type("", "must be a string or an object")),
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut name, mut allowed) = (None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => name = reader.text(TEXT).within("name")?,
            b"function" | b"custom" => name = one_name(reader).within("function")?.or(name),
            b"allowed_tools" => allowed = Some(allowed_tools(reader).within("allowed_tools")?),
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    Ok(Some(match (name, allowed) {
        (_, Some(allowed)) => allowed,
        (Some(name), None) => ToolChoice::Named(name),
        (None, None) => ToolChoice::Native {
            dialect: Dialect::OpenAiChat,
            json: whole,
        },
    }))
}

fn named_choice<'a>(word: &str) -> Result<ToolChoice<'a>, Fault> {
    match word {
        "none" => Ok(ToolChoice::None),
        "auto" => Ok(ToolChoice::Auto),
        // the second is Mistral's
        "required" | "any" => Ok(ToolChoice::Required),
        _ => Err(Fault::invalid("", "is none of `none`, `auto` and `required`")),
    }
}

fn one_name<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut name = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => name = reader.text(TEXT).within("name")?,
            _ => reader.pass()?,
        }
    }
    name.map(Some).ok_or_else(|| Fault::missing("name", "is missing"))
}

fn allowed_tools<'a>(reader: &mut Reader<'a>) -> Result<ToolChoice<'a>, Fault> {
    let (mut names, mut required) = (Vec::new(), false);
    if let Some(mut members) = reader.object(OBJECT)? {
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"mode" => {
                    required = reader
                        .text(TEXT)
                        .within("mode")?
                        .is_some_and(|mode| mode.is("required"))
                }
                b"tools" => reader
                    .each("must be an array", |reader, _| {
                        names.extend(allowed_name(reader)?);
                        Ok(())
                    })
                    .within("tools")?,
                _ => reader.pass()?,
            }
        }
    }
    Ok(ToolChoice::Allowed { names, required })
}

fn allowed_name<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut name = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => name = reader.text(TEXT).within("name")?,
            b"function" | b"custom" => name = one_name(reader).within("function")?,
            _ => reader.pass()?,
        }
    }
    Ok(name)
}

/// Reads `response_format`.
pub(super) fn format<'a>(reader: &mut Reader<'a>) -> Result<Option<ResponseFormat<'a>>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut kind, mut schema, mut described) = (None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"json_schema" => described = schema_format(reader).within("json_schema")?,
            // Together, Cohere: the schema stands directly in the format
            b"schema" => schema = reader.json_or_null()?,
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    let kind = kind.ok_or_else(|| Fault::missing("type", "is missing"))?;
    let plain = schema.map(|schema| ResponseFormat::Schema {
        name: None,
        description: None,
        schema,
        strict: None,
    });
    Ok(Some(match &*kind.get() {
        "text" => ResponseFormat::Text,
        "json_object" => plain.unwrap_or(ResponseFormat::Json),
        "json_schema" => described
            .or(plain)
            .ok_or_else(|| Fault::missing("json_schema.schema", "is missing"))?,
        _ => ResponseFormat::Native(whole),
    }))
}

fn schema_format<'a>(reader: &mut Reader<'a>) -> Result<Option<ResponseFormat<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => name = reader.text(TEXT).within("name")?,
            b"description" => description = reader.text(TEXT).within("description")?,
            b"schema" => schema = reader.json_or_null()?,
            b"strict" => strict = reader.bool(BOOL).within("strict")?,
            _ => reader.pass()?,
        }
    }
    Ok(schema.map(|schema| ResponseFormat::Schema {
        name,
        description,
        schema,
        strict,
    }))
}

/// Writes `tools`, and says whether there are any: other dialects' own tools cannot be run here.
pub(super) fn write_tools(
    tools: &[Tool<'_>],
    own: bool,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> bool {
    let said_here = |tool: &Tool<'_>| match &tool.kind {
        ToolKind::Native { dialect, .. } => *dialect == Dialect::OpenAiChat,
        _ => true,
    };
    for (at, tool) in tools.iter().enumerate().filter(|(_, tool)| !said_here(tool)) {
        let ToolKind::Native { kind, .. } = &tool.kind else {
            continue;
        };
        let why = format!("`{}` is a tool that only its own provider runs", shown(kind));
        losses.dropped(format!("tools[{at}]"), why);
    }
    if !tools.iter().any(said_here) {
        return false;
    }
    object.array("tools", |array| {
        for (at, tool) in tools.iter().enumerate().filter(|(_, tool)| said_here(tool)) {
            array.object(|object| write_tool(tool, object));
            if !own {
                for extra in &tool.extras {
                    losses.dropped(format!("tools[{at}].{}", extra.name.get()), NO_SUCH);
                }
            }
        }
    });
    true
}

pub(super) const NO_SUCH: &str = "chat completions have nothing like it";

/// A tool's type is a name of the provider's; anything else is the caller's words and stays out of reports.
fn shown(kind: &Text<'_>) -> Cow<'static, str> {
    let kind = kind.get();
    let plain = kind.len() <= 64
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte));
    if plain {
        Cow::Owned(kind.into_owned())
    } else {
        Cow::Borrowed("(a type)")
    }
}

fn write_tool(tool: &Tool<'_>, object: &mut Object<'_>) {
    match &tool.kind {
        ToolKind::Function {
            name,
            description,
            parameters,
            strict,
        } => {
            object.str("type", "function");
            object.object("function", |function| {
                function.text("name", name);
                function.text_if("description", description.as_ref());
                function.json_if("parameters", parameters.as_ref());
                function.bool_if("strict", *strict);
            });
        }
        ToolKind::Custom {
            name,
            description,
            format,
        } => {
            object.str("type", "custom");
            object.object("custom", |custom| {
                custom.text("name", name);
                custom.text_if("description", description.as_ref());
                custom.json_if("format", format.as_ref());
            });
        }
        ToolKind::Native { json, .. } => {
            for (name, value) in json.members() {
                object.member(&name, &value);
            }
        }
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
            object.object("allowed_tools", |allowed| {
                allowed.str("mode", if *required { "required" } else { "auto" });
                allowed.array("tools", |array| {
                    for name in names {
                        array.object(|object| write_named(name, tools, object));
                    }
                });
            });
        }),
        ToolChoice::Native {
            dialect: Dialect::OpenAiChat,
            json,
        } => object.json("tool_choice", json),
        ToolChoice::Native { .. } => losses.dropped("tool_choice", NO_SUCH),
    }
}

/// What a tool that is chosen by its name is called.
pub(in crate::openai) fn kind_of(name: &Text<'_>, tools: &[Tool<'_>]) -> &'static str {
    match tools.iter().any(|tool| tool.is_custom(name)) {
        true => "custom",
        false => "function",
    }
}

fn write_named(name: &Text<'_>, tools: &[Tool<'_>], object: &mut Object<'_>) {
    let kind = kind_of(name, tools);
    object.str("type", kind);
    object.object(kind, |object| object.text("name", name));
}

/// Writes `response_format`.
pub(super) fn write_format(
    format: &ResponseFormat<'_>,
    own: bool,
    object: &mut Object<'_>,
    losses: &mut Losses,
) {
    match format {
        ResponseFormat::Text => object.object("response_format", |object| object.str("type", "text")),
        ResponseFormat::Json => object.object("response_format", |object| object.str("type", "json_object")),
        ResponseFormat::Schema {
            name,
            description,
            schema,
            strict,
        } => object.object("response_format", |object| {
            object.str("type", "json_schema");
            object.object("json_schema", |object| {
                match name {
                    Some(name) => object.text("name", name),
                    None => object.str("name", "response"),
                }
                object.text_if("description", description.as_ref());
                object.json("schema", schema);
                object.bool_if("strict", *strict);
            });
        }),
        ResponseFormat::Native(json) if own => object.json("response_format", json),
        ResponseFormat::Native(_) => losses.dropped("response_format", NO_SUCH),
    }
}
