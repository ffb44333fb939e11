//! Arguments of a call that come in pieces, each with its path (`streamFunctionCallArguments`), as the JSON text that
//! other dialects stream. Which call they belong to is left to the stream's reader.

use crate::fault::{Fault, Within};
use crate::json::escape_into;
use crate::model::Text;
use crate::read::Reader;
use crate::wire::{record, variants};

use super::spelling::{BOOL, NUMBER, TEXT, each, next, object, unknown};

/// A path deeper than this, or with longer names together, is of no tool's arguments.
const MAX_STEPS: usize = 32;
const MAX_NAMES_BYTES: usize = 1024;

/// What one event says of a call's arguments.
#[derive(Debug, Default)]
pub(super) struct Partial<'a> {
    pub continues: bool,
    args: Vec<PartialArg<'a>>,
}

#[derive(Debug)]
struct PartialArg<'a> {
    path: Text<'a>,
    value: Value<'a>,
    continues: bool,
}

#[derive(Debug)]
enum Value<'a> {
    Text(Text<'a>),
    /// A number, a boolean or null, as JSON.
    Plain(String),
    Nothing,
}

impl<'a> Partial<'a> {
    pub fn is_empty(&self) -> bool {
        !self.continues && self.args.is_empty()
    }

    pub fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        each(reader, |reader, _| {
            self.args.extend(partial_arg(reader)?);
            Ok(())
        })
    }
}

fn partial_arg<'a>(reader: &mut Reader<'a>) -> Result<Option<PartialArg<'a>>, Fault> {
    let Some(mut members) = object(reader)? else {
        return Ok(None);
    };
    let (mut path, mut value, mut continues) = (Text::default(), Value::Nothing, false);
    while let Some(key) = next(reader, &mut members)? {
        match &*key {
            b"jsonPath" => path = reader.text(TEXT).within("jsonPath")?.unwrap_or_default(),
            b"stringValue" => {
                if let Some(text) = reader.text(TEXT).within("stringValue")? {
                    value = Value::Text(text);
                }
            }
            b"numberValue" => {
                if let Some(number) = reader.number(NUMBER).within("numberValue")? {
                    value = Value::Plain(number.get().to_owned());
                }
            }
            b"boolValue" => {
                if let Some(yes) = reader.bool(BOOL).within("boolValue")? {
                    value = Value::Plain(yes.to_string());
                }
            }
            b"nullValue" => {
                reader.pass()?;
                value = Value::Plain("null".to_owned());
            }
            b"willContinue" => continues = reader.bool(BOOL).within("willContinue")?.unwrap_or(false),
            _ => unknown(reader, "partialArgs")?,
        }
    }
    Ok(Some(PartialArg {
        path,
        value,
        continues,
    }))
}

/// The JSON text so far, as far as it takes to go on: what is open, by its path.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    started: bool,
    /// The objects and arrays that are open, the root first.
    open: Vec<Level>,
    /// Where they are: one step less than levels.
    path: Vec<Step>,
    /// The value that a text is open for.
    text_at: Option<Step>,
}

#[derive(Debug)]
struct Level {
    array: bool,
    any: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Index(u64),
}

record!(Arguments {
    started,
    open,
    path,
    text_at
});
record!(Level { array, any });
variants!(Step { 0 = Name(name), 1 = Index(index) });

impl Arguments {
    /// What comes to the JSON text by these pieces: texts where they stand, and what is between them. False where one
    /// has a path that cannot be followed.
    pub fn push<'a>(&mut self, partial: Partial<'a>, out: &mut Vec<Text<'a>>) -> bool {
        let (mut between, mut followed) = (Vec::new(), true);
        for arg in partial.args {
            match self.arg(&arg, &mut between) {
                Some(true) => {
                    flush(&mut between, out);
                    if let Value::Text(text) = arg.value {
                        // what escapes it in the event escapes it in the arguments
                        out.push(text.into_spelling());
                    }
                }
                Some(false) => {}
                None => followed = false,
            }
            if !arg.continues {
                self.end_text(&mut between);
            }
        }
        flush(&mut between, out);
        followed
    }

    /// Closes what is open.
    pub fn end(&mut self) -> Text<'static> {
        let mut out = Vec::new();
        self.begin(&mut out);
        self.end_text(&mut out);
        self.close_to(0, &mut out);
        if self.open.pop().is_some() {
            out.push(b'}');
        }
        Text::plain(String::from_utf8_lossy(&out).into_owned())
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(b'{');
            self.open.push(Level {
                array: false,
                any: false,
            });
        }
    }

    /// Gets to where the value is, and whether it is a text, which comes next.
    fn arg(&mut self, arg: &PartialArg<'_>, out: &mut Vec<u8>) -> Option<bool> {
        let mut steps = steps(&arg.path.get())?;
        let last = steps.pop()?;
        self.begin(out);
        let same = self.text_at.as_ref() == Some(&last) && self.path == steps;
        if !same {
            self.end_text(out);
            self.step_to(&steps, &last, out);
        }
        match &arg.value {
            Value::Text(_) => {
                if !same {
                    out.push(b'"');
                }
                self.text_at = Some(last);
                return Some(true);
            }
            Value::Plain(plain) if !same => out.extend_from_slice(plain.as_bytes()),
            Value::Nothing if !same => out.extend_from_slice(b"null"),
            Value::Plain(_) | Value::Nothing => {}
        }
        Some(false)
    }

    fn end_text(&mut self, out: &mut Vec<u8>) {
        if self.text_at.take().is_some() {
            out.push(b'"');
        }
    }

    /// Closes and opens until `steps` is where things are, and begins the member or element `last`.
    fn step_to(&mut self, steps: &[Step], last: &Step, out: &mut Vec<u8>) {
        let common = self.path.iter().zip(steps).take_while(|(a, b)| a == b).count();
        self.close_to(common, out);
        let mut rest = steps.iter().skip(common).chain([last]).peekable();
        while let Some(step) = rest.next() {
            self.begin_value(step, out);
            let Some(inner) = rest.peek() else { break };
            let array = matches!(inner, Step::Index(_));
            out.push(if array { b'[' } else { b'{' });
            self.open.push(Level { array, any: false });
            self.path.push(step.clone());
        }
    }

    fn begin_value(&mut self, step: &Step, out: &mut Vec<u8>) {
        let Some(level) = self.open.last_mut() else { return };
        if std::mem::replace(&mut level.any, true) {
            out.push(b',');
        }
        match (level.array, step) {
            (true, _) => {}
            (false, Step::Name(name)) => {
                escape_into(name, out);
                out.push(b':');
            }
            // an index into an object: kept as a name
            (false, Step::Index(_)) => out.extend_from_slice(b"\"\":"),
        }
    }

    /// Closes levels until that many steps are left.
    fn close_to(&mut self, steps: usize, out: &mut Vec<u8>) {
        while self.path.len() > steps {
            self.path.pop();
            if let Some(level) = self.open.pop() {
                out.push(if level.array { b']' } else { b'}' });
            }
        }
    }
}

fn flush(between: &mut Vec<u8>, out: &mut Vec<Text<'_>>) {
    if !between.is_empty() {
        let text = String::from_utf8_lossy(&std::mem::take(between)).into_owned();
        out.push(Text::plain(text));
    }
}

/// The steps of a path as models write them: `$.a.b[0]['c d']` (RFC 9535).
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    let mut names = 0usize;
    while !rest.is_empty() {
        if steps.len() >= MAX_STEPS {
            return None;
        }
        let step;
        (step, rest) = match rest.strip_prefix('[') {
            Some(inner) => bracketed(inner)?,
            None => {
                let inner = rest.strip_prefix('.')?;
                let end = inner.find(['.', '[']).unwrap_or(inner.len());
                let (name, rest) = inner.split_at_checked(end)?;
                (Step::Name(name.to_owned()), rest)
            }
        };
        if let Step::Name(name) = &step {
            names = names.saturating_add(name.len());
        }
        if names > MAX_NAMES_BYTES {
            return None;
        }
        steps.push(step);
    }
    Some(steps)
}

fn bracketed(inner: &str) -> Option<(Step, &str)> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (name, rest) = quoted.split_once(quote)?;
            return Some((Step::Name(name.to_owned()), rest.strip_prefix(']')?));
        }
    }
    let (index, rest) = inner.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), rest))
}
