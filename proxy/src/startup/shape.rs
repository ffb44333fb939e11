//! A tree of YAML values into the shapes of `files`, without stopping at the first mistake: a bad value is noted with its
//! place and left out, an unknown key is noted with the nearest known one. What the values mean together is `check`'s.

mod reader;

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::startup::problem::{Findings, Mark};
use crate::startup::yaml::Node;
use reader::Reader;

/// A setting as it stands in the file: absent, there, or there and bad (noted already; it then has no value).
#[derive(Clone, Debug)]
pub struct Field<T> {
    pub value: Option<T>,
    /// Where it was written; line 0 when it was not.
    pub mark: Mark,
}

impl<T> Field<T> {
    pub fn is_absent(&self) -> bool {
        self.mark.line == 0
    }
}

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self {
            value: None,
            mark: Mark::default(),
        }
    }
}

/// A map whose keys the operator chooses, in the order of the file.
#[derive(Clone, Debug)]
pub struct Entries<T>(pub Vec<(Field<String>, Field<T>)>);

/// Reads a whole document; what was bad is in `findings`.
pub fn read<T: Default + for<'de> Deserialize<'de>>(root: &Node, findings: &mut Findings) -> T {
    let cell = RefCell::new(findings);
    let reader = Reader::new(root, &cell);
    T::deserialize(reader).unwrap_or_else(|error| {
        reader.note(error);
        T::default()
    })
}

/// The name by which a `Field` asks the reader for place and value.
const FIELD: &str = "penstock::Field";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a setting")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Field<T>, A::Error> {
                let (line, column) = (
                    parts.next_element()?.unwrap_or(0),
                    parts.next_element()?.unwrap_or(0),
                );
                Ok(Field {
                    mark: Mark { line, column },
                    value: parts.next_element()?,
                })
            }
        }
        deserializer.deserialize_newtype_struct(FIELD, Parts(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::startup::yaml;

    #[derive(Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Pump {
        name: Field<String>,
        litres: Field<u32>,
        mode: Field<Mode>,
        parts: Field<Vec<Field<String>>>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Slow,
        Header(String),
    }

    fn pump(text: &str) -> (Pump, String) {
        let mut findings = Findings::new("f".into());
        let pump = read(&yaml::parse(text).unwrap(), &mut findings);
        (
            pump,
            findings
                .conclude(Some(()))
                .map_or_else(|problems| problems.to_string(), |_| String::new()),
        )
    }

    #[test]
    fn values_come_with_their_places() {
        let (pump, problems) = pump("name: p\nlitres: 3\nmode: {header: x}\nparts: [a, b]\n");
        assert_eq!(problems, "");
        assert_eq!((pump.name.value.as_deref(), pump.name.mark.line), (Some("p"), 1));
        assert_eq!(
            (pump.litres.value, pump.litres.mark),
            (Some(3), Mark { line: 2, column: 9 })
        );
        assert_eq!(pump.mode.value, Some(Mode::Header("x".into())));
        assert_eq!(pump.parts.value.unwrap()[1].mark, Mark { line: 4, column: 12 });
    }

    #[test]
    fn all_mistakes_are_found_in_one_reading() {
        let (pump, problems) = pump("nane: p\nlitres: -3\nmode: slwo\nparts: [1, b, [c]]\n");
        assert_eq!(
            problems.lines().collect::<Vec<_>>(),
            [
                "f:1:1: unknown key `nane` (did you mean `name`?)",
                "f:2:9: expected a whole number, 0 or more, found a number out of range",
                "f:3:7: `slwo` is not possible here (did you mean `slow`?)",
                "f:4:9: expected text, found a number (put it in quotes)",
                "f:4:15: expected text, found a list",
            ]
        );
        assert!(pump.name.is_absent() && !pump.litres.is_absent());
    }

    #[test]
    fn pain_q02_a_secret_in_the_wrong_place_is_not_quoted() {
        let (_, problems) =
            pump("mode: sk-canary\nlitres: sk-canary\nparts: sk-canary\nsk-canary: 1\nname: [sk-canary]\n");
        assert_eq!(problems.lines().count(), 5);
        assert!(!problems.contains("canary"), "{problems}");
    }

    #[test]
    fn an_empty_section_is_as_good_as_none() {
        let (pump, problems) = pump("name:\nparts: ~\n");
        assert_eq!(problems, "");
        assert!(pump.name.is_absent() && pump.parts.is_absent());
    }
}
