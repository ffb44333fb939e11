//! A question or a document: a text, or an object that may have one.

use crate::fault::Fault;
use crate::json::ValueKind;
use crate::model::{Json, Text};
use crate::read::Reader;

#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    Text(Text<'a>),
    Object {
        /// The whole object.
        json: Json<'a>,
        /// Its member `text`.
        text: Option<Text<'a>>,
        /// It has members besides its text.
        more: bool,
    },
}

impl<'a> Item<'a> {
    /// The text that is ranked by; none for an object without one.
    pub fn text(&self) -> Option<&Text<'a>> {
        match self {
            Item::Text(text) => Some(text),
            Item::Object { text, .. } => text.as_ref(),
        }
    }

    pub fn into_owned(self) -> Item<'static> {
        match self {
            Item::Text(text) => Item::Text(text.into_owned()),
            Item::Object { json, text, more } => Item::Object {
                json: json.into_owned(),
                text: text.map(Text::into_owned),
                more,
            },
        }
    }

    /// Writes it as it came.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Item::Text(text) => text.write(out),
            Item::Object { json, .. } => json.write(out),
        }
    }
}

/// # Errors
/// Neither a string nor an object.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Item<'a>, Fault> {
    match reader.kind()? {
        ValueKind::String => return reader.literal().map(Item::Text),
        ValueKind::Object => {}
        _ => return Err(Fault::wrong_type("", "must be a string or an object")),
    }
    let (mut text, mut more) = (None, false);
    let Some(mut members) = reader.object("must be a string or an object")? else {
        return Err(Fault::wrong_type("", "must be a string or an object"));
    };
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"text" if reader.kind()? == ValueKind::String => text = Some(reader.literal()?),
            _ => {
                more = true;
                reader.pass()?;
            }
        }
    }
    Ok(Item::Object {
        json: reader.walked(&members),
        text,
        more,
    })
}
