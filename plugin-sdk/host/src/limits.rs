//! What one plugin may use, with the reason for each number; enforcing it is left to `guest`, `instance` and `outcome`.

use std::time::Duration;

use crate::ticker::TICK;

/// Bounds on one plugin. An operator may change each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// How long one hook may run. A looping hook holds its worker that long, and with it every other stream there.
    pub hook_time: Duration,
    /// Added to `hook_time` for each MiB of input: reading a MiB takes an honest guard about 5 ms.
    pub hook_time_per_mib: Duration,
    /// How long a new instance may take to start and to read its settings: prebuilt automata take about 10 ms.
    pub start_time: Duration,
    /// Linear memory of one instance, in bytes; ordinary guards need under one MiB and what they read of the body.
    pub memory_bytes: usize,
    /// Bytes that one hook may hand back, edits included, beyond the length of its input.
    pub output_bytes: usize,
    /// How often one hook may call the host: a thousand messages need about two thousand calls.
    pub host_calls: u32,
    /// How much of a stream may be held back, in bytes: longer than any secret worth recognising.
    pub hold_back_bytes: u32,
    /// What a plugin may remember of one stream, in bytes.
    pub state_bytes: u32,
    /// When a plugin that keeps failing is not called any more.
    pub trips: Trips,
}

/// A plugin with `count` costly failures within `per` is not called for the rest of that time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Trips {
    /// 0 never trips.
    pub count: u32,
    pub per: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            hook_time: Duration::from_millis(10),
            hook_time_per_mib: Duration::from_millis(20),
            start_time: Duration::from_millis(250),
            memory_bytes: 16 << 20,
            output_bytes: 1 << 20,
            host_calls: 10_000,
            hold_back_bytes: 8 << 10,
            state_bytes: 64 << 10,
            trips: Trips::default(),
        }
    }
}

impl Default for Trips {
    fn default() -> Trips {
        Trips {
            count: 5,
            per: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// Epoch ticks that a hook with this much input may take.
    pub(crate) fn hook_ticks(&self, input_bytes: usize) -> u64 {
        ticks(self.hook_micros(input_bytes))
    }

    /// How long the host may work for a hook with this much input: half of the hook's time, so that the plugin gets to do
    /// something with the result.
    pub(crate) fn hook_work(&self, input_bytes: usize) -> Duration {
        half(self.hook_micros(input_bytes))
    }

    pub(crate) fn start_work(&self) -> Duration {
        half(self.start_time.as_micros())
    }

    /// The hook's whole time.
    pub(crate) fn hook_time(&self, input_bytes: usize) -> Duration {
        let micros = u64::try_from(self.hook_micros(input_bytes)).unwrap_or(u64::MAX);
        Duration::from_micros(micros).min(LONGEST)
    }

    fn hook_micros(&self, input_bytes: usize) -> u128 {
        let extra = self
            .hook_time_per_mib
            .as_micros()
            .saturating_mul(input_bytes as u128)
            >> 20;
        self.hook_time.as_micros().saturating_add(extra)
    }

    pub(crate) fn start_ticks(&self) -> u64 {
        ticks(self.start_time.as_micros())
    }

    /// Bytes that a hook with this much input may hand back.
    pub(crate) fn output_for(&self, input_bytes: usize) -> usize {
        self.output_bytes.saturating_add(input_bytes)
    }
}

/// No hook takes longer, whatever its limits say.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn half(micros: u128) -> Duration {
    let micros = u64::try_from(micros / 2).unwrap_or(u64::MAX);
    Duration::from_micros(micros).min(LONGEST)
}

/// Microseconds in ticks. One more, because the running tick is already partly over: a plugin gets at least the time that
/// it was promised. Never so many that a deadline would wrap around.
pub(crate) fn ticks(micros: u128) -> u64 {
    u64::try_from(micros.min(LONGEST.as_micros()).div_ceil(TICK.as_micros())).unwrap_or(0) + 1
}
