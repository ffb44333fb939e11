//! One part of a request out of the model: texts, calls, results and media. Which parts are written, and in which
//! content, is left to `content_write`.

use crate::fault::Fault;
use crate::model::{
    Content, Json, Maker, Media, Part, Placed, Source, Text, ToolCall, ToolResult, broken_arguments,
};
use crate::write::{Array, Object};

use super::content_write::{Conversation, is_media};
use super::request_read::is_made_id;
use super::tools_write::sent;
use super::{NO_SUCH, data, part_write};

impl<'w, 'a> Conversation<'w, 'a> {
    pub(super) fn part(
        &mut self,
        placed: &Placed<'w, 'a>,
        signature: Option<Text<'w>>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        let part = placed.part;
        let signature = signature.as_ref();
        match &part.content {
            Content::Text { text, citations } => {
                if !citations.is_empty() && !self.own {
                    self.losses
                        .dropped(format!("{}.citations", placed.path()), NO_SUCH);
                }
                self.words(placed, text, signature, array);
            }
            Content::Refusal(text) => {
                self.losses.changed(placed.path(), "a refusal goes as a text");
                self.words(placed, text, signature, array);
            }
            Content::SearchResult(found) => {
                self.losses
                    .changed(placed.path(), "a search result goes as a text");
                self.words(placed, &Text::plain(found.as_words()), signature, array);
            }
            Content::Reasoning(thought) => array.object(|object| {
                part_write::words(&thought.text, true, signature, object);
                self.hangings(placed, object);
            }),
            Content::ToolCall(call) => self.call(placed, call, signature, array)?,
            Content::ToolResult(result) => self.result(placed, result, array)?,
            Content::Media(media) => self.media(placed, media, signature, array)?,
            Content::Native(native) => array.json(&native.json),
        }
        Ok(())
    }

    fn words(
        &mut self,
        placed: &Placed<'w, 'a>,
        text: &Text<'_>,
        signature: Option<&Text<'_>>,
        array: &mut Array<'_>,
    ) {
        array.object(|object| {
            part_write::words(text, false, signature, object);
            self.hangings(placed, object);
        });
    }

    fn call(
        &mut self,
        placed: &Placed<'w, 'a>,
        call: &'w ToolCall<'a>,
        signature: Option<&Text<'_>>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        let arguments = call.arguments_object();
        let arguments = arguments.ok_or_else(|| within(broken_arguments(Some(&call.id)), placed))?;
        let order = self.calls.len();
        self.calls.insert(call.id.get().into_owned(), (&call.name, order));
        let name = match self.own {
            true => call.name.get(),
            false => sent(&call.name, self.names),
        };
        let unsaid = self.own && is_made_id(&call.id.get());
        let nameless = ToolCall {
            id: Text::default(),
            ..call.clone()
        };
        let call = if unsaid { &nameless } else { call };
        let said = (!self.own || !call.arguments.is_empty()).then_some(&arguments);
        array.object(|object| {
            part_write::call(call, &name, said, signature, object);
            self.hangings(placed, object);
        });
        Ok(())
    }

    fn result(
        &mut self,
        placed: &Placed<'w, 'a>,
        result: &'w ToolResult<'a>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        let called = self.calls.get(&*result.call_id.get()).map(|(name, _)| *name);
        let name = match (called, &result.name) {
            (Some(name), _) => name,
            (None, Some(name)) if self.own => name,
            _ => {
                let orphan = Fault::invalid("", "is the result of a call that is in no earlier message");
                return Err(within(orphan, placed));
            }
        };
        let name = match self.own {
            true => result.name.as_ref().unwrap_or(name).get(),
            false => sent(name, self.names),
        };
        let outcome = self.outcome(placed, result);
        let media: Vec<&Part<'_>> = result.parts.iter().filter(|part| is_media(part)).collect();
        let mut written = Ok(());
        array.object(|object| {
            object.object("functionResponse", |object| {
                let unsaid = result.call_id.is_empty() || self.own && is_made_id(&result.call_id.get());
                if !unsaid {
                    object.text("id", &result.call_id);
                }
                object.str("name", &name);
                object.value("response").extend_from_slice(&outcome);
                if !media.is_empty() && (self.own || self.family.is_third()) {
                    object.array("parts", |array| {
                        for part in &media {
                            let inner = Placed { part, ..*placed };
                            if written.is_ok() {
                                written = self.media_in(&inner, array);
                            }
                        }
                    });
                }
            });
            self.hangings(placed, object);
        });
        written
    }

    fn media_in(&mut self, placed: &Placed<'_, '_>, array: &mut Array<'_>) -> Result<(), Fault> {
        let Content::Media(media) = &placed.part.content else {
            return Ok(());
        };
        self.check_media(media).map_err(|fault| within(fault, placed))?;
        array.object(|object| {
            part_write::media(media, self.own, object);
            if self.own {
                part_write::extras(placed.part, object);
            }
        });
        Ok(())
    }

    /// What came of a call, as an object: its own where it is one.
    fn outcome(&mut self, placed: &Placed<'_, '_>, result: &ToolResult<'_>) -> Vec<u8> {
        let mut texts: Vec<Text<'_>> = Vec::new();
        for part in &result.parts {
            match &part.content {
                Content::Text { text, .. } | Content::Refusal(text) => texts.push(text.borrowed()),
                Content::SearchResult(found) => texts.push(Text::plain(found.as_words())),
                Content::Media(_) => {}
                _ => self
                    .losses
                    .dropped(placed.path(), "a tool's result holds texts and media alone"),
            }
        }
        let text = match texts.as_slice() {
            [] => Text::default(),
            [text] => text.borrowed(),
            texts => {
                self.losses
                    .changed(placed.path(), "the texts of a result are joined to one");
                let lines: Vec<_> = texts.iter().map(Text::get).collect();
                Text::plain(lines.join("\n"))
            }
        };
        let mut out = Vec::new();
        let failed = result.is_error == Some(true);
        // callers of this dialect said whether it is the whole object
        let wrapped = failed || result.is_error.is_some() && self.own;
        let json = Json::new(text.get().into_owned());
        match json {
            Some(json) if !wrapped && is_outcome(&json) => json.write(&mut out),
            json => crate::write::object(&mut out, |object| {
                let name = if failed { "error" } else { "output" };
                match json.filter(|_| self.own && !text.is_literal()) {
                    Some(json) => object.json(name, &json),
                    None => object.text(name, &text),
                }
            }),
        }
        out
    }

    fn media(
        &mut self,
        placed: &Placed<'w, 'a>,
        media: &Media<'_>,
        signature: Option<&Text<'_>>,
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        match &media.source {
            Source::Text(text) => {
                self.losses
                    .changed(placed.path(), "a plain text's document goes as a text");
                let titled = |title: &Text<'_>| format!("{}\n\n{}", title.get(), text.get());
                let text = media
                    .title
                    .as_ref()
                    .map_or_else(|| text.borrowed(), |title| Text::plain(titled(title)));
                self.words(placed, &text, signature, array);
                return Ok(());
            }
            Source::Parts(parts) => {
                self.losses
                    .changed(placed.path(), "a document of parts goes as its parts");
                for part in parts
                    .iter()
                    .filter(|part| part.as_text().is_none_or(|text| !text.is_empty()))
                {
                    let inner = Placed { part, ..*placed };
                    match &part.content {
                        Content::Text { text, .. } => {
                            array.object(|object| part_write::words(text, false, None, object));
                        }
                        _ => self.media_in(&inner, array)?,
                    }
                }
                return Ok(());
            }
            _ => self.check_media(media).map_err(|fault| within(fault, placed))?,
        }
        self.unsaid_of_media(placed, media);
        array.object(|object| {
            part_write::media(media, self.own, object);
            object.text_if("thoughtSignature", signature);
            self.hangings(placed, object);
        });
        Ok(())
    }

    /// Media that the provider cannot get at, or that have no part here.
    fn check_media(&self, media: &Media<'_>) -> Result<(), Fault> {
        let why = match &media.source {
            _ if self.own => return Ok(()),
            Source::Base64(_) => return Ok(()),
            Source::Url(_) if self.target.fetches_urls || data::is_youtube(media) => return Ok(()),
            Source::Url(_) => "is media by URL, which the provider does not fetch: send it as base64",
            Source::File { id, maker } => {
                let google = *maker == Some(Maker::Google);
                if google || maker.is_none() && (data::is_upload(&id.get()) || id.get().contains("://")) {
                    return Ok(());
                }
                "names a file that was uploaded to another provider"
            }
            Source::Text(_) | Source::Parts(_) | Source::Native(_) => "is media that Gemini has no part for",
        };
        Err(Fault::unsupported("", why))
    }

    fn unsaid_of_media(&mut self, placed: &Placed<'_, '_>, media: &Media<'_>) {
        if self.own {
            return;
        }
        let unsaid = [
            ("title", media.title.is_some()),
            ("context", media.context.is_some()),
            ("citations", media.citations.is_some()),
            ("transcript", media.transcript.is_some()),
        ];
        for (name, _) in unsaid.iter().filter(|(_, said)| *said) {
            self.losses.dropped(format!("{}.{name}", placed.path()), NO_SUCH);
        }
        if media.media_type.is_none() && matches!(media.source, Source::Base64(_)) {
            self.losses
                .added(format!("{}.mimeType", placed.path()), "bytes have to have a type");
        }
    }

    /// What may hang on a part: members of this dialect; marks for a cache have no counterpart.
    fn hangings(&mut self, placed: &Placed<'_, '_>, object: &mut Object<'_>) {
        if self.own {
            return part_write::extras(placed.part, object);
        }
        if placed.part.cache.is_some() {
            self.losses.dropped(
                format!("{}.cache_control", placed.path()),
                "the provider caches by itself, or what was cached before",
            );
        }
        for extra in &placed.part.extras {
            self.losses
                .dropped(format!("{}.{}", placed.path(), extra.name.get()), NO_SUCH);
        }
    }
}

/// Whether an object is what came of a call as it stands, and does not read as something else.
fn is_outcome(json: &Json<'_>) -> bool {
    let members = json.members();
    let wrapped = |name: &Text<'_>| name.is("output") || name.is("error");
    json.is_object() && !matches!(members.as_slice(), [(name, _)] if wrapped(name))
}

fn within(fault: Fault, placed: &Placed<'_, '_>) -> Fault {
    fault
        .within_element(placed.index)
        .within("content")
        .within_element(placed.message)
        .within("messages")
}
