//! Images, files and audio out of the model.

use crate::fault::Fault;
use crate::model::{Media, MediaKind, Part, Source, Text};
use crate::openai::chat::content::audio_format;
use crate::write::{Array, Object};

use super::NO_SUCH;
use super::input_write::{Input, path};

impl Input<'_> {
    pub(super) fn media(
        &mut self,
        media: &Media<'_>,
        part: &Part<'_>,
        text_type: &str,
        place: (usize, usize),
        array: &mut Array<'_>,
    ) -> Result<(), Fault> {
        for (name, said) in [
            ("context", media.context.is_some()),
            ("citations", media.citations.is_some()),
        ] {
            if said {
                self.losses.dropped(format!("{}.{name}", path(place)), NO_SUCH);
            }
        }
        match (media.kind, &media.source) {
            (MediaKind::Document, Source::Text(text)) => {
                self.losses
                    .changed(path(place), "a plain text's document goes as a text");
                array.object(|object| {
                    object.str("type", text_type);
                    match &media.title {
                        Some(title) => object.str("text", &format!("{}\n\n{}", title.get(), text.get())),
                        None => object.text("text", text),
                    }
                    self.hangings(part, place, object);
                });
            }
            (MediaKind::Document, Source::Parts(parts)) => {
                self.losses
                    .changed(path(place), "a document of parts goes as its parts");
                for inner in parts {
                    self.part(inner, text_type, place, array)?;
                }
            }
            _ => {
                self.check(media)?;
                array.object(|object| {
                    match media.kind {
                        MediaKind::Image => image(media, object),
                        MediaKind::Audio => audio(media, object),
                        MediaKind::Video | MediaKind::Document => self.file(media, place, object),
                    }
                    self.hangings(part, place, object);
                });
            }
        }
        Ok(())
    }

    /// # Errors
    /// Media that Responses have no part for.
    pub(super) fn check(&self, media: &Media<'_>) -> Result<(), Fault> {
        // an upload has its id with one provider only
        let foreign = |maker| self.target.maker.is_some_and(|target| target != maker);
        if matches!(&media.source, Source::File { maker: Some(maker), .. } if foreign(*maker)) {
            let why = "names a file that was uploaded to another provider";
            return Err(Fault::unsupported("", why));
        }
        let known = match (media.kind, &media.source) {
            (
                MediaKind::Image | MediaKind::Document,
                Source::Base64(_) | Source::Url(_) | Source::File { .. },
            ) => true,
            (MediaKind::Audio, Source::Base64(_)) => {
                let media_type = media.media_type.as_ref().map_or("audio/wav".into(), Text::get);
                audio_format(&media_type).is_some()
            }
            _ => false,
        };
        match known {
            true => Ok(()),
            false => Err(Fault::unsupported("", "is media that Responses have no part for")),
        }
    }

    pub(super) fn file(&mut self, media: &Media<'_>, place: (usize, usize), object: &mut Object<'_>) {
        object.str("type", "input_file");
        match &media.source {
            Source::File { id, .. } => object.text("file_id", id),
            Source::Url(url) => object.text("file_url", url),
            _ => {
                media.write_url("application/pdf", object.value("file_data"));
            }
        }
        match (&media.title, &media.source) {
            (Some(title), Source::Base64(_)) => object.text("filename", title),
            (Some(title), _) if self.own => object.text("filename", title),
            (Some(_), _) => self.losses.dropped(format!("{}.title", path(place)), NO_SUCH),
            // beside data OpenAI demands one
            (None, Source::Base64(_)) => {
                object.str("filename", "document.pdf");
                self.losses
                    .added(format!("{}.filename", path(place)), "a file has to have a name");
            }
            (None, _) => {}
        }
    }
}

fn image(media: &Media<'_>, object: &mut Object<'_>) {
    object.str("type", "input_image");
    match &media.source {
        Source::File { id, .. } => object.text("file_id", id),
        _ => {
            media.write_url("image/png", object.value("image_url"));
        }
    }
    object.text_if("detail", media.detail.as_ref());
}

fn audio(media: &Media<'_>, object: &mut Object<'_>) {
    let media_type = media.media_type.as_ref().map_or("audio/wav".into(), Text::get);
    object.str("type", "input_audio");
    object.object("input_audio", |object| {
        if let Source::Base64(data) = &media.source {
            object.text("data", data);
        }
        object.str("format", audio_format(&media_type).unwrap_or("wav"));
    });
}
