//! What can go wrong while a plugin runs, in words that are safe to show; what to do then is the fail mode's.

use std::fmt;

use wasmtime::{Error, Trap};

/// Why a hook has no verdict. Nothing of what the hook did is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginFault {
    /// Ran longer than its limit and was stopped.
    Timeout,
    /// Crashed; the text says how.
    Trap(&'static str),
    /// Wanted more memory than its limit.
    Memory,
    /// Gave back, or wrote into the body, more bytes than its limit.
    OutputTooLarge,
    /// Called the host more often in one hook than its limit.
    HostCalls,
    /// Held back more of a stream than its limit.
    HoldBack,
    /// Gave an answer that the contract does not allow; the text says which rule it breaks.
    BadOutcome(&'static str),
    /// Not called: it has failed too often lately.
    Tripped,
    /// No instance could be made of it.
    Instantiate,
    /// Waited longer than its limit for services that it asks.
    Waited,
    /// Ended without a verdict, because a service that it needs did not answer.
    GaveUp,
}

impl PluginFault {
    /// One word of a short closed list, for labels.
    pub fn label(&self) -> &'static str {
        match self {
            PluginFault::Timeout => "timeout",
            PluginFault::Trap(_) => "trap",
            PluginFault::Memory => "memory",
            PluginFault::OutputTooLarge => "output_too_large",
            PluginFault::HostCalls => "host_calls",
            PluginFault::HoldBack => "hold_back",
            PluginFault::BadOutcome(_) => "bad_outcome",
            PluginFault::Tripped => "tripped",
            PluginFault::Instantiate => "instantiate",
            PluginFault::Waited => "waited",
            PluginFault::GaveUp => "gave_up",
        }
    }

    /// Whether the instance that did this may be called again: it ended in order and only its answer is wrong.
    pub(crate) fn leaves_instance_sound(&self) -> bool {
        matches!(self, PluginFault::BadOutcome(_) | PluginFault::HoldBack)
    }

    /// Whether it counts towards not calling the plugin for a while: it cost time that others could have used. Waiting
    /// costs nobody, and a service that is back has to be asked again.
    pub(crate) fn is_costly(&self) -> bool {
        !self.leaves_instance_sound() && !matches!(self, PluginFault::Waited | PluginFault::GaveUp)
    }

    /// What an error out of Wasmtime means. `memory_refused` says that the guest was denied memory in this call.
    pub(crate) fn of(error: &Error, memory_refused: bool) -> PluginFault {
        if let Some(overrun) = error.downcast_ref::<Overrun>() {
            return match overrun {
                Overrun::HostCalls => PluginFault::HostCalls,
                Overrun::Output => PluginFault::OutputTooLarge,
                Overrun::Waited => PluginFault::Waited,
                Overrun::GaveUp => PluginFault::GaveUp,
                Overrun::Handle => PluginFault::Trap("used a handle that this hook was not given"),
            };
        }
        let trap = error.downcast_ref::<Trap>().copied();
        if trap == Some(Trap::Interrupt) {
            return PluginFault::Timeout;
        }
        // guests answer a denied `memory.grow` with `unreachable`
        if memory_refused {
            return PluginFault::Memory;
        }
        // the type of this error is not public in Wasmtime 48
        if error
            .root_cause()
            .to_string()
            .contains("fuel allocated for hostcalls")
        {
            return PluginFault::OutputTooLarge;
        }
        PluginFault::Trap(trap.map_or("broke the component model's rules", trap_words))
    }
}

fn trap_words(trap: Trap) -> &'static str {
    match trap {
        Trap::StackOverflow => "stack overflow",
        Trap::MemoryOutOfBounds => "memory access out of bounds",
        Trap::TableOutOfBounds => "table access out of bounds",
        Trap::IntegerOverflow => "integer overflow",
        Trap::IntegerDivisionByZero => "division by zero",
        Trap::UnreachableCodeReached => "panicked or reached `unreachable`",
        Trap::CannotEnterComponent => "the instance is already spent",
        _ => "trap",
    }
}

impl fmt::Display for PluginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PluginFault::Timeout => f.write_str("ran longer than its limit"),
            PluginFault::Trap(how) => write!(f, "crashed: {how}"),
            PluginFault::Memory => f.write_str("needed more memory than its limit"),
            PluginFault::OutputTooLarge => f.write_str("wrote more bytes than its limit"),
            PluginFault::HostCalls => f.write_str("called the host more often than its limit"),
            PluginFault::HoldBack => f.write_str("held back more of the stream than its limit"),
            PluginFault::BadOutcome(rule) => {
                write!(f, "gave an answer that the contract does not allow: {rule}")
            }
            PluginFault::Tripped => f.write_str("was not called: it has failed too often lately"),
            PluginFault::Instantiate => f.write_str("could not be started"),
            PluginFault::Waited => f.write_str("waited longer than its limit for a service that it asks"),
            PluginFault::GaveUp => f.write_str("gave up: a service that it needs did not answer"),
        }
    }
}

impl std::error::Error for PluginFault {}

/// Ends a guest from within a function that it called.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Overrun {
    HostCalls,
    Output,
    Handle,
    Waited,
    GaveUp,
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Overrun {}
