//! `tools` and `toolConfig` into the model (APIS.md 4.1, 9.3).

use crate::fault::{Fault, Within};
use crate::model::{Dialect, Extras, Json, Request, Text, Tool, ToolChoice, ToolKind};
use crate::read::Reader;
use crate::write;

use super::config_read::prefix_last;
use super::spelling::{TEXT, each, next, object, word};
use super::{CALLING, TOOL_CONFIG, schema_up};

/// Reads `tools`: each may hold functions and tools of Google's own.
pub(super) fn read<'a>(reader: &mut Reader<'a>, tools: &mut Vec<Tool<'a>>) -> Result<(), Fault> {
    each(reader, |reader, _| {
        let Some(mut members) = object(reader)? else {
            return Ok(());
        };
        while let Some(key) = next(reader, &mut members)? {
            match &*key {
                b"functionDeclarations" => each(reader, |reader, _| {
                    tools.extend(declaration(reader)?);
                    Ok(())
                })
                .within("functionDeclarations")?,
                _ => {
                    let mut extras = Extras::new();
                    reader.extra(key, &mut extras)?;
                    tools.extend(extras.into_iter().map(|extra| native(extra.name, &extra.value)));
                }
            }
        }
        Ok(())
    })
}

fn native<'a>(kind: Text<'a>, value: &Json<'a>) -> Tool<'a> {
    let mut out = Vec::new();
    write::object(&mut out, |object| object.member(&kind, value));
    Tool::new(ToolKind::Native {
        dialect: Dialect::Gemini,
        kind,
        json: Json::checked(String::from_utf8_lossy(&out).into_owned()),
    })
}

fn declaration<'a>(reader: &mut Reader<'a>) -> Result<Option<Tool<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let (mut name, mut description, mut parameters, mut json_schema) = (None, None, None, None);
    let mut extras = Extras::new();
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"name" => name = reader.text(TEXT).within("name")?,
            b"description" => description = reader.text(TEXT).within("description")?,
            b"parameters" => parameters = schema(reader).within("parameters")?,
            b"parametersJsonSchema" => json_schema = schema(reader).within("parametersJsonSchema")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Fault::missing("name", "is missing: every function has one"))?;
    let kind = ToolKind::Function {
        name,
        description,
        parameters: json_schema.or_else(|| parameters.as_ref().map(schema_up::convert)),
        strict: None,
    };
    Ok(Some(Tool {
        extras,
        ..Tool::new(kind)
    }))
}

fn schema<'a>(reader: &mut Reader<'a>) -> Result<Option<Json<'a>>, Fault> {
    let schema = reader.json_or_null()?;
    match &schema {
        Some(schema) if !schema.is_object() => Err(Fault::wrong_type("", "must be a schema's object")),
        _ => Ok(schema),
    }
}

/// Reads `toolConfig`.
pub(super) fn config<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(());
    };
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"functionCallingConfig" => calling(reader, request).within("functionCallingConfig")?,
            _ => {
                reader.extra(key, &mut request.extras)?;
                prefix_last(request, TOOL_CONFIG);
            }
        }
    }
    Ok(())
}

fn calling<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(());
    };
    let (mut mode, mut names) = (None, Vec::new());
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"mode" => mode = word(reader).within("mode")?,
            b"allowedFunctionNames" => each(reader, |reader, _| {
                names.extend(reader.text(TEXT)?);
                Ok(())
            })
            .within("allowedFunctionNames")?,
            _ => {
                reader.extra(key, &mut request.extras)?;
                prefix_last(request, CALLING);
            }
        }
    }
    // names alone are a wish all the same
    let mode = mode.or((!names.is_empty()).then(|| Text::plain("MODE_UNSPECIFIED")));
    request.tool_choice = mode.map(|mode| choice(mode, names));
    Ok(())
}

fn choice<'a>(mode: Text<'a>, mut names: Vec<Text<'a>>) -> ToolChoice<'a> {
    let word = mode.get().to_ascii_uppercase();
    match (&*word, names.len()) {
        ("AUTO" | "1", 0) => ToolChoice::Auto,
        ("ANY" | "2", 0) => ToolChoice::Required,
        ("NONE" | "3", _) => ToolChoice::None,
        ("ANY" | "2", 1) => ToolChoice::Named(names.pop().unwrap_or_default()),
        ("ANY" | "2", _) => ToolChoice::Allowed {
            names,
            required: true,
        },
        ("VALIDATED", 1..) => ToolChoice::Allowed {
            names,
            required: false,
        },
        // the mode that checks calls against their schema, and what comes next
        _ => {
            let mut out = Vec::new();
            write::object(&mut out, |object| {
                object.text("mode", &mode);
                if !names.is_empty() {
                    object.array("allowedFunctionNames", |array| {
                        names.iter().for_each(|name| array.text(name));
                    });
                }
            });
            ToolChoice::Native {
                dialect: Dialect::Gemini,
                json: Json::checked(String::from_utf8_lossy(&out).into_owned()),
            }
        }
    }
}
