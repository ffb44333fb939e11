//! What every stage that calls plugins does alike: long texts are scanned off the worker, and a failure is weighed by
//! how the plugin was configured. Which hook is called when is the stages' business.

use std::time::Duration;

use penstock_plugin_host::{FailMode, Plugin, PluginFault};

use crate::exchange::Verdict;
use crate::fault::{Fault, Result};

/// Texts over this hold a worker too long (ARCHITECTURE.md, Plugins).
const LONG_TEXT: usize = 256 * 1024;

/// Runs a scan of much text where it holds up no other request of this worker.
pub fn off_worker<T>(bytes: usize, scan: impl FnOnce() -> T) -> T {
    if bytes > LONG_TEXT {
        tokio::task::block_in_place(scan)
    } else {
        scan()
    }
}

/// What a plugin's failure means for the call.
pub fn after_failure(plugin: &Plugin, fault: &PluginFault) -> (Verdict, Result<()>) {
    log::warn!("plugin {} failed: {fault}", plugin.name());
    match plugin.fail_mode() {
        FailMode::Open => (Verdict::Skipped, Ok(())),
        FailMode::Closed => (Verdict::Fault, Err(Fault::plugin_failed(plugin.name(), fault))),
    }
}

pub fn micros(us: u32) -> Duration {
    Duration::from_micros(u64::from(us))
}
