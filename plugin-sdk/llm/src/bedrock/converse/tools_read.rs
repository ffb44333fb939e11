//! `toolConfig` into the model.

use crate::fault::{Fault, Within};
use crate::model::{Dialect, Extras, Json, Request, Text, Tool, ToolChoice, ToolKind};
use crate::read::Reader;

use super::{block_read, rest};

const TEXT: &str = "must be a string";
const OBJECT: &str = "must be an object";

/// Reads `toolConfig`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(());
    };
    let mut others = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"tools" => {
                let tools = &mut request.tools;
                reader
                    .each("must be an array", |reader, _| tool(reader, tools))
                    .within("tools")?;
            }
            b"toolChoice" => request.tool_choice = choice(reader).within("toolChoice")?,
            _ => reader.extra(key, &mut others)?,
        }
    }
    rest::keep("toolConfig", &others, &mut request.extras);
    Ok(())
}

fn tool<'a>(reader: &mut Reader<'a>, tools: &mut Vec<Tool<'a>>) -> Result<(), Fault> {
    let Some(mut members) = reader.object("must be an object with one member")? else {
        return Ok(());
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"toolSpec" => tools.extend(spec(reader).within("toolSpec")?),
            b"cachePoint" => {
                let Some((mark, json)) = block_read::cache_point(reader).within("cachePoint")? else {
                    continue;
                };
                match tools.last_mut().filter(|last| last.cache.is_none()) {
                    Some(last) => last.cache = Some(mark),
                    None => tools.push(native("cachePoint", json)),
                }
            }
            _ => {
                let json = reader.json()?;
                tools.push(native(&String::from_utf8_lossy(&key), json));
            }
        }
    }
    Ok(())
}

fn native<'a>(kind: &str, json: Json<'a>) -> Tool<'a> {
    Tool::new(ToolKind::Native {
        dialect: Dialect::BedrockConverse,
        kind: Text::plain(kind.to_owned()),
        json,
    })
}

fn spec<'a>(reader: &mut Reader<'a>) -> Result<Option<Tool<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut name, mut description, mut parameters, mut strict) = (None, None, None, None);
    let mut extras = Extras::new();
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"name" => name = reader.text(TEXT).within("name")?,
            b"description" => description = reader.text(TEXT).within("description")?,
            b"inputSchema" => parameters = schema(reader).within("inputSchema")?,
            b"strict" => strict = reader.bool("must be true or false").within("strict")?,
            _ => reader.extra(key, &mut extras)?,
        }
    }
    let name = name.ok_or_else(|| Fault::missing("name", "is missing: every tool has one"))?;
    let mut tool = Tool::new(ToolKind::Function {
        name,
        description,
        parameters,
        strict,
    });
    tool.extras = extras;
    Ok(Some(tool))
}

fn schema<'a>(reader: &mut Reader<'a>) -> Result<Option<Json<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut schema = None;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"json" => schema = reader.json_or_null()?,
            _ => reader.pass()?,
        }
    }
    Ok(schema)
}

fn choice<'a>(reader: &mut Reader<'a>) -> Result<Option<ToolChoice<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut choice = None;
    while let Some(key) = reader.next(&mut members)? {
        let value = reader.json()?;
        if value.is_null() {
            continue;
        }
        choice = match &*key {
            b"auto" => Some(ToolChoice::Auto),
            b"any" => Some(ToolChoice::Required),
            b"tool" => value
                .pointer("/name")
                .and_then(|name| name.as_text().map(Text::into_owned))
                .map(ToolChoice::Named),
            _ => None,
        };
    }
    let whole = reader.walked(&members);
    Ok(Some(choice.unwrap_or(ToolChoice::Native {
        dialect: Dialect::BedrockConverse,
        json: whole,
    })))
}
