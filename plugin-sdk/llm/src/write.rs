//! JSON written straight into bytes, always balanced and with its commas right. What is written is left to the dialects.

use crate::json::escape_into;
use crate::model::{Extra, Json, Number, Text};

/// Writes an object.
pub(crate) fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    write(&mut Object { out, any: false });
    out.push(b'}');
}

/// Writes an array.
pub(crate) fn array(out: &mut Vec<u8>, write: impl FnOnce(&mut Array<'_>)) {
    out.push(b'[');
    write(&mut Array { out, any: false });
    out.push(b']');
}

/// An array that goes nowhere, for what is written only to be told what it loses.
pub(crate) fn nowhere(out: &mut Vec<u8>) -> Array<'_> {
    Array { out, any: false }
}

/// An object that is being written. Names are the dialect's own: plain ASCII that needs no escape.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

/// An array that is being written.
pub(crate) struct Array<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl Object<'_> {
    /// Writes the name; the caller writes one value.
    pub fn value(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        object(self.value(name), write);
    }

    pub fn array(&mut self, name: &str, write: impl FnOnce(&mut Array<'_>)) {
        array(self.value(name), write);
    }

    pub fn text(&mut self, name: &str, text: &Text<'_>) {
        text.write(self.value(name));
    }

    pub fn str(&mut self, name: &str, text: &str) {
        escape_into(text, self.value(name));
    }

    pub fn json(&mut self, name: &str, json: &Json<'_>) {
        json.write(self.value(name));
    }

    pub fn number(&mut self, name: &str, number: &Number<'_>) {
        number.write(self.value(name));
    }

    pub fn count(&mut self, name: &str, count: u64) {
        digits(count, self.value(name));
    }

    pub fn bool(&mut self, name: &str, value: bool) {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.value(name).extend_from_slice(text);
    }

    pub fn null(&mut self, name: &str) {
        self.value(name).extend_from_slice(b"null");
    }

    pub fn text_if(&mut self, name: &str, text: Option<&Text<'_>>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    pub fn json_if(&mut self, name: &str, json: Option<&Json<'_>>) {
        if let Some(json) = json {
            self.json(name, json);
        }
    }

    pub fn number_if(&mut self, name: &str, number: Option<&Number<'_>>) {
        if let Some(number) = number {
            self.number(name, number);
        }
    }

    pub fn count_if(&mut self, name: &str, count: Option<u64>) {
        if let Some(count) = count {
            self.count(name, count);
        }
    }

    pub fn bool_if(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.bool(name, value);
        }
    }

    pub fn text_or_null(&mut self, name: &str, text: Option<&Text<'_>>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    /// A member under a name that somebody else chose.
    pub fn member(&mut self, name: &Text<'_>, value: &Json<'_>) {
        self.comma();
        name.write(self.out);
        self.out.push(b':');
        value.write(self.out);
    }

    /// Writes a name that is a literal already, with its quotes; the caller writes one value.
    pub fn literal(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b':');
        self.out
    }

    pub fn extras(&mut self, extras: &[Extra<'_>]) {
        for extra in extras {
            self.member(&extra.name, &extra.value);
        }
    }

    /// How many bytes are written so far, by whom ever: tells whether there are more than before.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    #[inline]
    fn comma(&mut self) {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(b',');
        }
    }
}

impl Array<'_> {
    /// The caller writes one value.
    pub fn value(&mut self) -> &mut Vec<u8> {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(b',');
        }
        self.out
    }

    pub fn object(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        object(self.value(), write);
    }

    pub fn text(&mut self, text: &Text<'_>) {
        text.write(self.value());
    }

    pub fn str(&mut self, text: &str) {
        escape_into(text, self.value());
    }

    pub fn json(&mut self, json: &Json<'_>) {
        json.write(self.value());
    }
}

/// Brings what is written from `start` on to one line, as an event of a stream has to be: JSON that was kept as it came
/// may be spread over several. Line ends stand between its tokens alone: in texts they are escaped.
pub(crate) fn on_one_line(out: &mut Vec<u8>, start: usize) {
    let written = out.get(start..).unwrap_or_default();
    if memchr::memchr2(b'\n', b'\r', written).is_none() {
        return;
    }
    let mut line = written.to_vec();
    line.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    out.truncate(start);
    out.append(&mut line);
}

/// Writes an event of server-sent events whose name is the type that its data says as well.
pub(crate) fn typed_event(name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let start = out.len();
    object(out, |object| {
        object.str("type", name);
        write(object);
    });
    on_one_line(out, start);
    out.extend_from_slice(b"\n\n");
}

fn digits(mut count: u64, out: &mut Vec<u8>) {
    let mut text = [0u8; 20];
    let mut at = text.len();
    loop {
        at = at.saturating_sub(1);
        if let Some(digit) = text.get_mut(at) {
            *digit = b'0' + (count % 10) as u8;
        }
        count /= 10;
        if count == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
}
