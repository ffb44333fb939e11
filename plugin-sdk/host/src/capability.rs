//! The names of the capabilities that exist; what each of them does is left to `capabilities`.

use crate::set::{Member, SetOf};

/// Something outside of the call that a plugin may use once the operator has granted it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    Log,
    Metrics,
    Clock,
    Random,
    Kv,
    Counters,
    Catalogue,
    Tokenizer,
    Expr,
    Match,
    Cache,
    Http,
}

/// What an operator grants, or what a component imports.
pub type Capabilities = SetOf<Capability>;

impl Capability {
    /// The capability that an operator calls `name`, which is also its interface's name in the contract.
    pub fn named(name: &str) -> Option<Capability> {
        Capability::ALL
            .iter()
            .copied()
            .find(|capability| capability.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Log => "log",
            Capability::Metrics => "metrics",
            Capability::Clock => "clock",
            Capability::Random => "random",
            Capability::Kv => "kv",
            Capability::Counters => "counters",
            Capability::Catalogue => "catalogue",
            Capability::Tokenizer => "tokenizer",
            Capability::Expr => "expr",
            Capability::Match => "match",
            Capability::Cache => "cache",
            Capability::Http => "http",
        }
    }
}

impl Member for Capability {
    const ALL: &'static [Capability] = &[
        Capability::Log,
        Capability::Metrics,
        Capability::Clock,
        Capability::Random,
        Capability::Kv,
        Capability::Counters,
        Capability::Catalogue,
        Capability::Tokenizer,
        Capability::Expr,
        Capability::Match,
        Capability::Cache,
        Capability::Http,
    ];

    fn place(self) -> u32 {
        self as u32
    }

    fn name(self) -> &'static str {
        self.as_str()
    }
}
