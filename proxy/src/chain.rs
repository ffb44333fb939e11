//! What every stage that calls plugins does alike: long texts are scanned off the worker, a plugin that waits is waited
//! for, and a failure is weighed by how the plugin was configured. Which hook is called when is the stages' business.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use penstock_plugin_host::{FailMode, Hook, Plugin, PluginFault};

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

/// The same for a hook that may wait: what it computes is off the worker, and while it waits it holds no thread.
pub async fn off_worker_waiting<T>(bytes: usize, scan: impl Future<Output = T>) -> T {
    if bytes <= LONG_TEXT {
        return scan.await;
    }
    let mut scan = pin!(scan);
    poll_fn(|context| tokio::task::block_in_place(|| scan.as_mut().poll(context))).await
}

/// Whether some plugin may wait at one of these hooks: the caller may then leave, or run out of time, meanwhile.
pub fn waits(chain: &[Arc<Plugin>], hooks: &[Hook]) -> bool {
    let wants_one = |plugin: &Plugin| hooks.iter().any(|hook| plugin.interests().wants(*hook));
    chain.iter().any(|plugin| plugin.waits() && wants_one(plugin))
}

/// Whether some plugin is shown answers.
pub fn wants_answers(chain: &[Arc<Plugin>]) -> bool {
    chain
        .iter()
        .any(|plugin| plugin.interests().wants(Hook::OnResponse))
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
