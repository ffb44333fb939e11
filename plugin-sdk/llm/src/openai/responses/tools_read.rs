//! Tools, which of them to call, and the form of the answer, as Responses spell them: flat (APIS.md 1.13, 9.3, 9.4).

use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{Dialect, Extras, Json, ResponseFormat, Text, Tool, ToolChoice, ToolKind};
use crate::read::Reader;
use crate::write;

use super::item::text_of as text;

const TEXT: &str = "must be a string";
const BOOL: &str = "must be true or false";
const OBJECT: &str = "must be an object";

/// What a tool's members say; which of them count is told by its type.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Text<'a>>,
    name: Option<Json<'a>>,
    description: Option<Json<'a>>,
    parameters: Option<Json<'a>>,
    strict: Option<Json<'a>>,
    format: Option<Json<'a>>,
    extras: Extras<'a>,
}

/// Reads one tool. What is neither a function nor a custom one is its provider's own, and kept whole.
pub(super) fn tool<'a>(reader: &mut Reader<'a>) -> Result<Option<Tool<'a>>, Fault> {
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let mut found = Members::default();
    while let Some(key) = reader.next(&mut members)? {
        let place = match &*key {
            b"type" => {
                found.kind = reader.text(TEXT).within("type")?;
                continue;
            }
            b"name" => &mut found.name,
            b"description" => &mut found.description,
            b"parameters" => &mut found.parameters,
            b"strict" => &mut found.strict,
            b"format" => &mut found.format,
            _ => {
                reader.extra(key, &mut found.extras)?;
                continue;
            }
        };
        *place = reader.json_or_null()?;
    }
    let whole = reader.walked(&members);
    found.into_tool(whole, reader).map(Some)
}

impl<'a> Members<'a> {
    fn into_tool(self, whole: Json<'a>, reader: &mut Reader<'a>) -> Result<Tool<'a>, Fault> {
        let kind = self
            .kind
            .clone()
            .ok_or_else(|| Fault::missing("type", "is missing: every tool has one"))?;
        let kind = match &*kind.get() {
            "function" => self.function(reader)?,
            "custom" => ToolKind::Custom {
                name: self.name(reader)?,
                description: text(reader, self.description.as_ref(), "description")?,
                format: self.format.map(nested),
            },
            _ => {
                return Ok(Tool::new(ToolKind::Native {
                    dialect: Dialect::OpenAiResponses,
                    kind: kind.clone(),
                    json: whole,
                }));
            }
        };
        let mut tool = Tool::new(kind);
        tool.extras = self.extras;
        Ok(tool)
    }

    fn function(&self, reader: &mut Reader<'a>) -> Result<ToolKind<'a>, Fault> {
        if self.parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err(Fault::wrong_type("parameters", "must be a JSON Schema object"));
        }
        let strict = match &self.strict {
            Some(json) => reader
                .revisit(json, |reader| reader.bool(BOOL))
                .within("strict")?
                .flatten(),
            None => None,
        };
        Ok(ToolKind::Function {
            name: self.name(reader)?,
            description: text(reader, self.description.as_ref(), "description")?,
            parameters: self.parameters.clone(),
            strict,
        })
    }

    fn name(&self, reader: &mut Reader<'a>) -> Result<Text<'a>, Fault> {
        let name = text(reader, self.name.as_ref(), "name")?.filter(|name| !name.is_empty());
        name.ok_or_else(|| Fault::missing("name", "is missing: every function has one, beside its `type`"))
    }
}

/// A custom tool's grammar as the model has it, which is how chat completions spell it: in an object of its own.
fn nested(format: Json<'_>) -> Json<'_> {
    if format.pointer("/syntax").is_none() {
        return format;
    }
    let mut out = Vec::new();
    write::object(&mut out, |object| {
        object.str("type", "grammar");
        object.object("grammar", |grammar| {
            for (name, value) in format.members().iter().filter(|(name, _)| !name.is("type")) {
                grammar.member(name, value);
            }
        });
    });
    Json::checked(String::from_utf8_lossy(&out).into_owned())
}

/// Reads `tool_choice`.
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
    let (mut kind, mut name, mut mode, mut tools) = (None, None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"name" => name = reader.text(TEXT).within("name")?,
            b"mode" => mode = reader.text(TEXT).within("mode")?,
            b"tools" => tools = Some(allowed(reader).within("tools")?),
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    let kind = kind.as_ref().map(Text::get);
    Ok(Some(match (kind.as_deref(), name, tools) {
        (Some("function" | "custom"), Some(name), _) => ToolChoice::Named(name),
        (Some("function" | "custom"), None, _) => return Err(Fault::missing("name", "is missing")),
        (Some("allowed_tools"), _, Some(Some(names))) => ToolChoice::Allowed {
            names,
            required: mode.is_some_and(|mode| mode.is("required")),
        },
        _ => ToolChoice::Native {
            dialect: Dialect::OpenAiResponses,
            json: whole,
        },
    }))
}

fn named_choice<'a>(word: &str) -> Result<ToolChoice<'a>, Fault> {
    match word {
        "none" => Ok(ToolChoice::None),
        "auto" => Ok(ToolChoice::Auto),
        "required" => Ok(ToolChoice::Required),
        _ => Err(Fault::invalid("", "is none of `none`, `auto` and `required`")),
    }
}

/// The names of the tools that are allowed; none where one of them is the provider's own and has no name.
fn allowed<'a>(reader: &mut Reader<'a>) -> Result<Option<Vec<Text<'a>>>, Fault> {
    let (mut names, mut all) = (Vec::new(), true);
    reader.each("must be an array", |reader, _| {
        let Some(mut members) = reader.object(OBJECT)? else {
            return Ok(());
        };
        let (mut kind, mut name) = (None, None);
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"type" => kind = reader.text(TEXT).within("type")?,
                b"name" => name = reader.text(TEXT).within("name")?,
                _ => reader.pass()?,
            }
        }
        let known = kind.is_none_or(|kind: Text<'_>| kind.is("function") || kind.is("custom"));
        all &= known && name.is_some();
        names.extend(name);
        Ok(())
    })?;
    Ok(all.then_some(names))
}

/// Reads `text.format`.
pub(super) fn format<'a>(reader: &mut Reader<'a>) -> Result<Option<ResponseFormat<'a>>, Fault> {
    if reader.kind()? == ValueKind::Null {
        return reader.pass().map(|()| None);
    }
    let Some(mut members) = reader.object(OBJECT)? else {
        return Ok(None);
    };
    let (mut kind, mut name, mut description, mut schema, mut strict) = (None, None, None, None, None);
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"type" => kind = reader.text(TEXT).within("type")?,
            b"name" => name = reader.text(TEXT).within("name")?,
            b"description" => description = reader.text(TEXT).within("description")?,
            b"schema" => schema = reader.json_or_null()?,
            b"strict" => strict = reader.bool(BOOL).within("strict")?,
            _ => reader.pass()?,
        }
    }
    let whole = reader.walked(&members);
    let kind = kind.ok_or_else(|| Fault::missing("type", "is missing"))?;
    Ok(Some(match &*kind.get() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::Json,
        "json_schema" => ResponseFormat::Schema {
            name,
            description,
            schema: schema.ok_or_else(|| Fault::missing("schema", "is missing"))?,
            strict,
        },
        _ => ResponseFormat::Native(whole),
    }))
}
