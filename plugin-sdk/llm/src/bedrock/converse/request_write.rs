//! A request of the model as a Converse request.

use crate::fault::{BodyError, Fault};
use crate::json::DEFAULT_MAX_DEPTH;
use crate::model::{
    Dialect, Losses, Maker, Names, Number, Request, ResponseFormat, Target, Text, Written, orphan_result,
};
use crate::write::{Object, object};

use super::block_write::{Blocks, NO_SUCH, Points};
use super::fields::{self, Fields};
use super::limits::DocumentNames;
use super::turn_write::Conversation;
use super::{family, rest, tools_write};

/// Nested objects of which only a rest is kept: they are written where their members are.
const NESTED: [&str; 5] = [
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "serviceTier",
    fields::NAME,
];

/// # Errors
/// What cannot be said here and must not be left out: broken arguments of a call (PAIN D07), a result without its call,
/// media that Converse does not take, several answers at once.
pub(super) fn write(request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
    let mut written = Written::default();
    written.bytes.reserve(1024);
    let mut writer = Writer {
        request,
        target,
        own: request.dialect == Dialect::BedrockConverse,
        family: family::of_target(target),
        names: Names::default(),
        points: Points::of(request, target.cache_points),
        losses: Losses::default(),
    };
    let result = writer.check().and_then(|()| writer.body(&mut written.bytes));
    result.map_err(|fault| fault.into_body_error(&[], DEFAULT_MAX_DEPTH))?;
    written.names = writer.names;
    written.losses = writer.losses;
    Ok(written)
}

struct Writer<'w, 'a> {
    request: &'w Request<'a>,
    target: &'w Target<'w>,
    own: bool,
    family: Option<Maker>,
    names: Names,
    points: Points,
    losses: Losses,
}

impl<'w> Writer<'w, '_> {
    fn check(&self) -> Result<(), Fault> {
        if let Some((placed, _)) = orphan_result(&self.request.messages) {
            let path = format!("messages[{}].tool_call_id", placed.message);
            return Err(Fault::invalid(
                &path,
                "names a call that is in no message before it",
            ));
        }
        let several = self.request.sampling.choices.as_ref().and_then(Number::as_u64);
        if several.is_some_and(|choices| choices > 1) {
            return Err(Fault::unsupported(
                "n",
                "asks for several answers, of which the model gives one",
            ));
        }
        Ok(())
    }

    fn body(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut result = Ok(());
        object(out, |body| {
            // what a provider caches comes first: tools, instructions, words
            let fields = Fields::settle(self.request, self.target, self.family, &mut self.losses);
            let choice = self.tools(fields.thinks(), body);
            result = self.conversation(body);
            self.inference(fields.thinks(), body);
            fields.write(self.request, choice, body, &mut self.losses);
            self.rest(body);
        });
        result
    }

    fn tools(&mut self, thinks: bool, body: &mut Object<'_>) -> Option<tools_write::ClaudeChoice> {
        let writer = tools_write::Writer {
            request: self.request,
            own: self.own,
            maker: self.family,
            thinks,
            names: &mut self.names,
            points: &mut self.points,
            losses: &mut self.losses,
        };
        writer.write(body)
    }

    fn conversation(&mut self, body: &mut Object<'_>) -> Result<(), Fault> {
        let asked = self.format_as_words();
        let mut documents = DocumentNames::default();
        let conversation = Conversation {
            request: self.request,
            maker: self.family,
            system_anywhere: self.target.system_anywhere,
            asked,
            blocks: Blocks {
                own: self.own,
                maker: self.family,
                documents: &mut documents,
                names: &mut self.names,
                points: &mut self.points,
                losses: &mut self.losses,
                written: 0,
            },
        };
        conversation.write(body)
    }

    fn inference(&mut self, thinks: bool, body: &mut Object<'_>) {
        let sampling = &self.request.sampling;
        let stop = self.stop();
        let kept = rest::kept(
            "inferenceConfig",
            if self.own { &self.request.extras } else { &[] },
        );
        let fixed = thinks && !self.own;
        let mut config = Vec::new();
        let mut any = false;
        object(&mut config, |object| {
            let before = object.written();
            object.number_if("maxTokens", self.request.max_output.as_ref());
            let numbers = [
                ("temperature", "temperature", &sampling.temperature),
                ("topP", "top_p", &sampling.top_p),
            ];
            for (name, field, number) in numbers {
                let Some(number) = number else { continue };
                if fixed {
                    self.losses.dropped(field, "is fixed while Claude thinks");
                } else if !self.own && number.as_f64().is_some_and(|value| value > 1.0) {
                    self.losses.changed(field, "is 1 at most");
                    object.count(name, 1);
                } else {
                    object.number(name, number);
                }
            }
            if !stop.is_empty() {
                object.array("stopSequences", |array| {
                    stop.iter().for_each(|stop| array.text(stop))
                });
            }
            for (name, value) in &kept {
                object.member(name, value);
            }
            any = object.written() > before;
        });
        if any {
            body.value("inferenceConfig").extend_from_slice(&config);
        }
        fields::unsaid(self.request, self.family, &mut self.losses);
    }

    fn stop(&mut self) -> Vec<&'w Text<'w>> {
        let blank = |stop: &&Text<'_>| match self.family {
            // Claude takes none of white space alone
            Some(Maker::Anthropic) => stop.is_blank(),
            _ => stop.is_empty(),
        };
        let taken = |stop: &&Text<'_>| self.own || !blank(stop);
        let said: Vec<&Text<'_>> = self.request.stop.iter().filter(taken).collect();
        if said.len() < self.request.stop.len() {
            self.losses
                .dropped("stop", "sequences of white space alone are not taken");
        }
        said
    }

    fn rest(&mut self, body: &mut Object<'_>) {
        self.output(body);
        self.metadata(body);
        self.tier(body);
        for extra in &self.request.extras {
            match self.own {
                true if NESTED.iter().any(|name| extra.name.is(name)) => {}
                true => body.member(&extra.name, &extra.value),
                false => self.losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    }

    fn output(&mut self, body: &mut Object<'_>) {
        let kept = rest::kept("outputConfig", if self.own { &self.request.extras } else { &[] });
        let format = self.request.format.as_ref();
        let schema = match format {
            Some(ResponseFormat::Schema { .. }) => {
                format.filter(|_| self.own || self.target.structured_output)
            }
            Some(ResponseFormat::Native(_)) => format.filter(|_| self.own),
            _ => None,
        };
        if schema.is_none() && kept.is_empty() {
            return;
        }
        body.object("outputConfig", |config| {
            match schema {
                Some(ResponseFormat::Native(json)) => config.json("textFormat", json),
                Some(ResponseFormat::Schema {
                    name,
                    description,
                    schema,
                    ..
                }) => config.object("textFormat", |format| {
                    format.str("type", "json_schema");
                    format.object("structure", |structure| {
                        structure.object("jsonSchema", |object| {
                            object.str("schema", schema.get());
                            match name {
                                Some(name) => object.text("name", name),
                                None if self.own => {}
                                None => object.str("name", "response"),
                            }
                            object.text_if("description", description.as_ref());
                        });
                    });
                }),
                _ => {}
            }
            for (name, value) in &kept {
                config.member(name, value);
            }
        });
    }

    /// What to ask for in words where the model has no other way.
    fn format_as_words(&mut self) -> Option<String> {
        match &self.request.format {
            Some(ResponseFormat::Json) => {
                self.losses.changed("response_format", "is asked for in words");
                Some("Answer with one JSON object and nothing else.".to_owned())
            }
            Some(ResponseFormat::Schema { schema, .. }) if !self.own && !self.target.structured_output => {
                self.losses.changed("response_format", "is asked for in words");
                Some(format!(
                    "Answer with one JSON value that is valid against this JSON Schema, and nothing else:\n{}",
                    schema.get()
                ))
            }
            Some(ResponseFormat::Native(_)) if !self.own => {
                self.losses.dropped("response_format", NO_SUCH);
                None
            }
            _ => None,
        }
    }

    /// Words that go into the provider's log. What they may be made of is narrow.
    fn metadata(&mut self, body: &mut Object<'_>) {
        let Some(metadata) = &self.request.metadata else {
            return;
        };
        if self.own {
            return body.json("requestMetadata", metadata);
        }
        const MOST: usize = 16;
        let members = metadata.members();
        let fits = |text: &Text<'_>| is_metadata(&text.get());
        let kept: Vec<_> = members
            .iter()
            .filter(|(name, value)| {
                fits(name) && !name.is_empty() && value.as_text().is_some_and(|text| fits(&text))
            })
            .take(MOST)
            .collect();
        if kept.len() < members.len() || members.is_empty() {
            self.losses
                .dropped("metadata", "holds 16 short texts of few characters at most");
        }
        if !kept.is_empty() {
            body.object("requestMetadata", |object| {
                kept.iter().for_each(|(name, value)| object.member(name, value));
            });
        }
    }

    fn tier(&mut self, body: &mut Object<'_>) {
        let kept = rest::kept("serviceTier", if self.own { &self.request.extras } else { &[] });
        match &self.request.service_tier {
            Some(tier) if self.own || tier.is("default") || tier.is("flex") || tier.is("priority") => {
                body.object("serviceTier", |object| {
                    object.text("type", tier);
                    kept.iter().for_each(|(name, value)| object.member(name, value));
                });
            }
            // the same as nothing
            Some(tier) if tier.is("auto") => {}
            Some(_) => self
                .losses
                .dropped("service_tier", "its names differ from provider to provider"),
            None => {}
        }
    }
}

/// What names and values of metadata may be.
fn is_metadata(text: &str) -> bool {
    let takes = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c);
    text.len() <= 256 && text.chars().all(takes)
}
