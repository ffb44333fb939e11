//! What a plugin wants to be called for. The host neither calls nor copies anything else.

use crate::bindings::lifecycle::exports::penstock::plugin::lifecycle;

pub use lifecycle::{Hooks, Kinds};

/// The hooks and kinds of text that a configured plugin needs.
///
/// [`Interests::everything`] is a good start; narrow it where the settings turn something off.
#[derive(Clone, Copy, Debug)]
pub struct Interests {
    hooks: Option<Hooks>,
    kinds: Kinds,
    buffer: bool,
}

impl Interests {
    /// Every hook that the plugin exports, and all four kinds of text: answers, reasoning, refusals, tool arguments.
    pub fn everything() -> Interests {
        Interests {
            hooks: None,
            kinds: all_text(),
            buffer: false,
        }
    }

    /// These hooks only; they must be among the exported ones.
    pub fn only(hooks: Hooks) -> Interests {
        Interests {
            hooks: Some(hooks),
            ..Interests::everything()
        }
    }

    /// Nothing at all: the settings leave nothing to do.
    pub fn nothing() -> Interests {
        Interests::only(Hooks::empty())
    }

    /// The kinds of text in an answer that the plugin wants to see.
    pub fn kinds(self, kinds: Kinds) -> Interests {
        Interests { kinds, ..self }
    }

    /// Hold streams back and call `on_response` with the assembled answer: for a guard that needs whole answers. The
    /// caller then waits for the whole answer.
    pub fn buffer(self) -> Interests {
        Interests { buffer: true, ..self }
    }

    /// What goes to the host.
    pub(crate) fn declared(self, exported: Hooks) -> Result<lifecycle::Interests, String> {
        let hooks = self.hooks.unwrap_or(exported);
        if !exported.contains(hooks) {
            let missing = hooks.difference(exported);
            return Err(format!(
                "the plugin asks for hooks that its export! line does not name: {missing:?}"
            ));
        }
        Ok(lifecycle::Interests {
            hooks,
            kinds: self.kinds,
            buffer: self.buffer,
        })
    }
}

/// The kinds that carry text in an answer.
fn all_text() -> Kinds {
    Kinds::TEXT | Kinds::REASONING | Kinds::REFUSAL | Kinds::TOOL_ARGUMENTS
}

impl From<crate::Kind> for Kinds {
    fn from(kind: crate::Kind) -> Kinds {
        match kind {
            crate::Kind::Text => Kinds::TEXT,
            crate::Kind::Reasoning => Kinds::REASONING,
            crate::Kind::Refusal => Kinds::REFUSAL,
            crate::Kind::ToolArguments => Kinds::TOOL_ARGUMENTS,
            crate::Kind::ToolResult => Kinds::TOOL_RESULT,
            crate::Kind::Image => Kinds::IMAGE,
            crate::Kind::Audio => Kinds::AUDIO,
            crate::Kind::File => Kinds::FILE,
        }
    }
}
