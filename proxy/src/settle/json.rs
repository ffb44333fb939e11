//! Writes one JSON object straight into a buffer: names are literals of the program, values are escaped. What stands in
//! it is left to `record`.

use penstock_llm::json;

/// An object under way. A record is written for every request, and has a hundred names: here each is one copy, where a
/// general serializer looks at every byte of it (8 % of a call's instructions).
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> Object<'o> {
    /// Writes one object behind what is in `out`.
    pub fn write(out: &'o mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        out.push(b'{');
        let mut object = Object { out, is_first: true };
        fill(&mut object);
        object.out.push(b'}');
    }

    pub fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        json::escape_into(value, self.out);
    }

    /// A word that needs no escape: a label of this program, or digits and letters that it made.
    pub fn word(&mut self, name: &'static str, word: &str) {
        debug_assert!(
            word.bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        );
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    pub fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    pub fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub fn null(&mut self, name: &'static str) {
        self.name(name);
        self.out.extend_from_slice(b"null");
    }

    pub fn text_or_null(&mut self, name: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    pub fn number_or_null(&mut self, name: &'static str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    pub fn object(&mut self, name: &'static str, fill: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        Object::write(self.out, fill);
    }

    /// Texts in an array.
    pub fn texts(&mut self, name: &'static str, items: &[Box<str>]) {
        self.name(name);
        self.out.push(b'[');
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            json::escape_into(item, self.out);
        }
        self.out.push(b']');
    }

    /// A list of objects.
    pub fn objects<T>(&mut self, name: &'static str, items: &[T], fill: impl Fn(&T, &mut Object<'_>)) {
        self.name(name);
        self.out.push(b'[');
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            Object::write(self.out, |object| fill(item, object));
        }
        self.out.push(b']');
    }

    /// Names are written as they are: none of this program's needs an escape.
    fn name(&mut self, name: &'static str) {
        debug_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        self.out
            .extend_from_slice(if self.is_first { b"\"" } else { b",\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_it_was_said() {
        let mut out = Vec::new();
        Object::write(&mut out, |object| {
            object.text("text", "a \"quoted\\\"\nline \u{1}é");
            object.number("most", u64::MAX);
            object.flag("yes", true);
            object.text_or_null("nobody", None);
            object.number_or_null("some", Some(0));
            object.objects("list", &[1, 2], |item, object| object.number("item", *item));
            object.object("empty", |_| {});
        });
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let said = serde_json::json!({
            "text": "a \"quoted\\\"\nline \u{1}é", "most": u64::MAX, "yes": true, "nobody": null, "some": 0,
            "list": [{"item": 1}, {"item": 2}], "empty": {},
        });
        assert_eq!(read, said);
    }
}
