//! Capability `clock`: the gateway's time of day.

use crate::bindings::penstock::plugin::clock as wit;
use crate::guest::Guest;

impl wit::Host for Guest {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.charge(0)?;
        Ok(self.granted.clock.unix_ms())
    }
}
