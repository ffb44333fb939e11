//! `tools` and `toolConfig` out of the model (APIS.md 4.1, 9.3).

use std::borrow::Cow;

use crate::model::{Dialect, Json, Losses, Names, Request, Target, Text, Tool, ToolChoice, ToolKind};
use crate::write::{Object, object};

use super::config_read::inside;
use super::family::Family;
use super::{CALLING, NO_SUCH, TOOL_CONFIG, schema_down};

/// Longer names are taken by the newest models alone.
const LONGEST_NAME: usize = 64;

/// The name that goes out for a tool's: it begins with a letter or `_`.
pub(super) fn sent<'t>(name: &'t Text<'_>, names: &mut Names) -> Cow<'t, str> {
    let begins_well = name
        .get()
        .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let takes: fn(char) -> bool = match begins_well {
        true => |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'),
        false => |c| c.is_ascii_alphabetic() || c == '_',
    };
    names.sent(name, LONGEST_NAME, takes)
}

/// Writes the tools, and says whether any of them is a function.
pub(super) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    body: &mut Object<'_>,
    names: &mut Names,
    losses: &mut Losses,
) -> bool {
    let own = request.dialect == Dialect::Gemini;
    let is_native = |tool: &Tool<'_>| {
        matches!(
            &tool.kind,
            ToolKind::Native {
                dialect: Dialect::Gemini,
                ..
            }
        )
    };
    let is_function = |tool: &Tool<'_>| tool.name().is_some();
    for (at, tool) in request.tools.iter().enumerate() {
        if !is_function(tool) && !is_native(tool) {
            losses.dropped(
                format!("tools[{at}]"),
                "is a tool that only its own provider runs",
            );
        }
    }
    let any_functions = request.tools.iter().any(is_function);
    if !any_functions && !request.tools.iter().any(is_native) {
        return false;
    }
    let mut writer = Declarations {
        family: Family::of(target.model),
        own,
        names,
        losses,
    };
    body.array("tools", |array| {
        if any_functions {
            array.object(|object| {
                object.array("functionDeclarations", |array| {
                    let functions = request
                        .tools
                        .iter()
                        .enumerate()
                        .filter(|(_, tool)| is_function(tool));
                    for (at, tool) in functions {
                        array.object(|object| writer.declaration(tool, at, object));
                    }
                });
            });
        }
        for tool in request.tools.iter().filter(|tool| is_native(tool)) {
            if let ToolKind::Native { json, .. } = &tool.kind {
                array.json(json);
            }
        }
    });
    any_functions
}

struct Declarations<'w> {
    family: Family,
    own: bool,
    names: &'w mut Names,
    losses: &'w mut Losses,
}

impl Declarations<'_> {
    fn declaration(&mut self, tool: &Tool<'_>, at: usize, object: &mut Object<'_>) {
        match &tool.kind {
            ToolKind::Function {
                name,
                description,
                parameters,
                strict,
            } => {
                self.name(name, at, object);
                object.text_if("description", description.as_ref());
                if let Some(schema) = parameters {
                    self.parameters(schema, at, object);
                }
                if *strict == Some(true) && !self.own {
                    self.losses.dropped(format!("tools[{at}].strict"), NO_SUCH);
                }
            }
            ToolKind::Custom {
                name,
                description,
                format,
            } => {
                let sent = self.name(name, at, object);
                self.names.custom(&sent);
                object.text_if("description", description.as_ref());
                object.object("parameters", input_schema);
                self.losses.changed(
                    format!("tools[{at}]"),
                    "a custom tool goes as a function of one text",
                );
                if format.is_some() {
                    self.losses.dropped(format!("tools[{at}].format"), NO_SUCH);
                }
            }
            ToolKind::Native { .. } => {}
        }
        self.hangings(tool, at, object);
    }

    fn name(&mut self, name: &Text<'_>, at: usize, object: &mut Object<'_>) -> String {
        let sent = match self.own {
            true => name.get(),
            false => sent(name, self.names),
        };
        if !name.is(&sent) {
            self.losses.changed(
                format!("tools[{at}].name"),
                "goes by a name that the provider takes",
            );
        }
        object.str("name", &sent);
        sent.into_owned()
    }

    fn parameters(&mut self, schema: &Json<'_>, at: usize, object: &mut Object<'_>) {
        if schema.members().is_empty() {
            return;
        }
        if self.family.takes_json_schema() {
            return object.json("parametersJsonSchema", schema);
        }
        let place = format!("tools[{at}].parameters");
        if let Some(schema) = schema_down::convert(schema, self.own, &place, self.losses) {
            object.json("parameters", &schema);
        }
    }

    fn hangings(&mut self, tool: &Tool<'_>, at: usize, object: &mut Object<'_>) {
        if self.own {
            return object.extras(&tool.extras);
        }
        if tool.cache.is_some() {
            self.losses.dropped(
                format!("tools[{at}].cache_control"),
                "the provider caches by itself, or what was cached before",
            );
        }
        for extra in &tool.extras {
            self.losses
                .dropped(format!("tools[{at}].{}", extra.name.get()), NO_SUCH);
        }
    }
}

/// Of a custom tool: its text.
fn input_schema(object: &mut Object<'_>) {
    object.str("type", "OBJECT");
    object.object("properties", |object| {
        object.object("input", |object| object.str("type", "STRING"));
    });
    object.array("required", |array| array.str("input"));
}

/// Writes `toolConfig`, where there is anything to say.
pub(super) fn write_config(
    request: &Request<'_>,
    any_functions: bool,
    body: &mut Object<'_>,
    names: &mut Names,
    losses: &mut Losses,
) {
    let own = request.dialect == Dialect::Gemini;
    if request.parallel_calls == Some(false) {
        losses.dropped("parallel_tool_calls", NO_SUCH);
    }
    let mut calling = Vec::new();
    object(&mut calling, |calling| {
        if let Some(choice) = &request.tool_choice {
            match any_functions || own {
                true => write_choice(choice, own, calling, names, losses),
                false => losses.dropped("tool_choice", "there are no tools to choose from"),
            }
        }
        if own {
            for (name, value) in inside(&request.extras, CALLING) {
                calling.member(&name, value);
            }
        }
    });
    let others: Vec<_> = match own {
        true => inside(&request.extras, TOOL_CONFIG)
            .filter(|(name, _)| !name.get().starts_with("functionCallingConfig."))
            .collect(),
        false => Vec::new(),
    };
    if calling == b"{}" && others.is_empty() {
        return;
    }
    body.object("toolConfig", |config| {
        if calling != b"{}" {
            config.value("functionCallingConfig").extend_from_slice(&calling);
        }
        for (name, value) in &others {
            config.member(name, value);
        }
    });
}

fn write_choice(
    choice: &ToolChoice<'_>,
    own: bool,
    calling: &mut Object<'_>,
    names: &mut Names,
    losses: &mut Losses,
) {
    let mut allowed = |mode: &str, of: &[Text<'_>], calling: &mut Object<'_>| {
        calling.str("mode", mode);
        calling.array("allowedFunctionNames", |array| {
            for name in of {
                match own {
                    true => array.text(name),
                    false => array.str(&sent(name, names)),
                }
            }
        });
    };
    match choice {
        ToolChoice::None => calling.str("mode", "NONE"),
        ToolChoice::Auto => calling.str("mode", "AUTO"),
        ToolChoice::Required => calling.str("mode", "ANY"),
        ToolChoice::Named(name) => allowed("ANY", std::slice::from_ref(name), calling),
        ToolChoice::Allowed { names, required } => {
            allowed(if *required { "ANY" } else { "VALIDATED" }, names, calling);
        }
        ToolChoice::Native {
            dialect: Dialect::Gemini,
            json,
        } => {
            for (name, value) in json.members() {
                calling.member(&name, &value);
            }
        }
        ToolChoice::Native { .. } => losses.dropped("tool_choice", NO_SUCH),
    }
}
