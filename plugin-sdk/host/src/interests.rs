//! Which hooks exist and what a plugin has said that it wants to be called for; calling them is left to `hooks`.

use penstock_llm::openai::Kind;

use crate::bindings::exports::penstock::plugin::lifecycle as wit;
use crate::set::{Member, SetOf};

/// A moment at which plugins are called.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    OnRequest,
    OnRoute,
    OnResponse,
    OnEvent,
    OnComplete,
    /// Of an adapter: a call on its way to a provider.
    Encode,
    /// Of an adapter: what the provider answers.
    Decode,
}

pub type Hooks = SetOf<Hook>;
pub type Kinds = SetOf<Kind>;

impl Hook {
    /// The hook whose interface in the contract has this name.
    pub fn named(name: &str) -> Option<Hook> {
        Hook::ALL.iter().copied().find(|hook| hook.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Hook::OnRequest => "on-request",
            Hook::OnRoute => "on-route",
            Hook::OnResponse => "on-response",
            Hook::OnEvent => "on-event",
            Hook::OnComplete => "on-complete",
            Hook::Encode => "encode",
            Hook::Decode => "decode",
        }
    }
}

impl Member for Hook {
    const ALL: &'static [Hook] = &[
        Hook::OnRequest,
        Hook::OnRoute,
        Hook::OnResponse,
        Hook::OnEvent,
        Hook::OnComplete,
        Hook::Encode,
        Hook::Decode,
    ];

    fn place(self) -> u32 {
        self as u32
    }

    fn name(self) -> &'static str {
        self.as_str()
    }
}

impl Member for Kind {
    const ALL: &'static [Kind] = &[
        Kind::Text,
        Kind::Reasoning,
        Kind::Refusal,
        Kind::ToolArguments,
        Kind::ToolResult,
        Kind::Image,
        Kind::Audio,
        Kind::File,
    ];

    fn place(self) -> u32 {
        self as u32
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Reasoning => "reasoning",
            Kind::Refusal => "refusal",
            Kind::ToolArguments => "tool-arguments",
            Kind::ToolResult => "tool-result",
            Kind::Image => "image",
            Kind::Audio => "audio",
            Kind::File => "file",
        }
    }
}

/// What a plugin, with its settings, wants to be called for. Nothing else is called or copied.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Interests {
    pub hooks: Hooks,
    /// The kinds of deltas that `on-event` is called with.
    pub kinds: Kinds,
    /// A guard that needs whole answers: streams are held back and `on-response` gets the assembled answer.
    pub buffer: bool,
}

impl Interests {
    pub fn wants(&self, hook: Hook) -> bool {
        self.hooks.contains(hook)
    }

    pub fn wants_kind(&self, kind: Kind) -> bool {
        self.hooks.contains(Hook::OnEvent) && self.kinds.contains(kind)
    }

    pub(crate) fn from_guest(said: wit::Interests) -> Interests {
        let hooks = [
            (wit::Hooks::ON_REQUEST, Hook::OnRequest),
            (wit::Hooks::ON_ROUTE, Hook::OnRoute),
            (wit::Hooks::ON_RESPONSE, Hook::OnResponse),
            (wit::Hooks::ON_EVENT, Hook::OnEvent),
            (wit::Hooks::ON_COMPLETE, Hook::OnComplete),
        ];
        let kinds = [
            (wit::Kinds::TEXT, Kind::Text),
            (wit::Kinds::REASONING, Kind::Reasoning),
            (wit::Kinds::REFUSAL, Kind::Refusal),
            (wit::Kinds::TOOL_ARGUMENTS, Kind::ToolArguments),
            (wit::Kinds::TOOL_RESULT, Kind::ToolResult),
            (wit::Kinds::IMAGE, Kind::Image),
            (wit::Kinds::AUDIO, Kind::Audio),
            (wit::Kinds::FILE, Kind::File),
        ];
        Interests {
            hooks: hooks
                .iter()
                .filter(|(flag, _)| said.hooks.contains(*flag))
                .map(|(_, hook)| *hook)
                .collect(),
            kinds: kinds
                .iter()
                .filter(|(flag, _)| said.kinds.contains(*flag))
                .map(|(_, kind)| *kind)
                .collect(),
            buffer: said.buffer,
        }
    }
}
