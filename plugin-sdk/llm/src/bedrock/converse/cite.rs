//! Citations: where a text of an answer has something from.

use crate::model::{Citation, Dialect, Json, Text};
use crate::write::Object;

/// A citation by its whole object.
pub(super) fn read(native: Json<'_>) -> Citation<'_> {
    let text = |pointer: &str| {
        let found = native.pointer(pointer)?;
        found.as_text().map(Text::into_owned)
    };
    let (title, url) = (text("/title"), text("/location/web/url"));
    let quotes = native.pointer("/sourceContent").map(|found| quote(&found));
    Citation {
        title,
        url,
        quote: quotes.filter(|quote| !quote.is_empty()),
        ..Citation::native(Dialect::BedrockConverse, native)
    }
}

fn quote(source: &Json<'_>) -> Text<'static> {
    let mut quote = Text::default();
    for piece in source.elements() {
        if let Some(text) = piece.pointer("/text").as_ref().and_then(Json::as_text) {
            quote.push(&text);
        }
    }
    quote.into_owned()
}

/// Writes a citation's members: its own words where it is of this dialect, otherwise what all dialects know of one.
pub(super) fn write(citation: &Citation<'_>, object: &mut Object<'_>) {
    if citation.dialect == Dialect::BedrockConverse {
        for (name, value) in citation.native.members() {
            object.member(&name, &value);
        }
        return;
    }
    object.text_if("title", citation.title.as_ref());
    if let Some(quote) = &citation.quote {
        object.array("sourceContent", |array| {
            array.object(|object| object.text("text", quote))
        });
    }
    if let Some(url) = &citation.url {
        object.object("location", |location| {
            location.object("web", |web| web.text("url", url));
        });
    }
}
