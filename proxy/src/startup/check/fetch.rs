//! Where media may be fetched from.

use std::sync::Arc;
use std::time::Duration;

use crate::startup::check::{Checker, MAX_BYTES, MAX_MS};
use crate::startup::files;
use crate::state::snapshot::Fetch;

/// Hosts of the list: more are a domain.
const MOST_HOSTS: usize = 1_000;

impl Checker<'_> {
    pub(super) fn fetch(&mut self, file: &files::Fetch) -> Fetch {
        let usual = Fetch::default();
        let enabled = file.enabled.value.unwrap_or(usual.enabled);
        if !enabled && file.enabled.is_absent() && !file.hosts.is_absent() {
            let remedy = "write `enabled: true` to fetch from them";
            self.findings.problem(
                file.hosts.mark,
                "hosts to fetch from, and fetching is not enabled",
                remedy,
            );
        }
        let item_bytes = self.size(&file.item_bytes, usual.item_bytes, 1, MAX_BYTES);
        let usual_ms = usual.deadline.as_millis() as u64;
        Fetch {
            enabled,
            hosts: (!file.hosts.is_absent()).then(|| self.hosts(&file.hosts)),
            item_bytes,
            call_bytes: self.size(&file.call_bytes, usual.call_bytes.max(item_bytes), 1, MAX_BYTES),
            items: self.count(&file.items, usual.items, 1, 1_000),
            at_once: self.count(&file.at_once, usual.at_once, 1, 10_000),
            redirects: self.count(&file.redirects, usual.redirects, 0, 10),
            deadline: Duration::from_millis(self.number(&file.deadline_ms, usual_ms, 1, MAX_MS)),
        }
    }

    fn hosts(&mut self, field: &files::List<String>) -> Vec<Arc<penstock_plugin_host::HttpRule>> {
        let hosts = field.value.as_deref().unwrap_or_default();
        if hosts.len() > MOST_HOSTS {
            let message = format!("{} hosts, more than {MOST_HOSTS}", hosts.len());
            self.findings
                .problem(field.mark, message, "a wildcard stands for many: https://*.host");
        }
        let rules = hosts.iter().take(MOST_HOSTS);
        rules
            .filter_map(|host| self.rule_of(host.value.as_deref()?, host.mark, &[]))
            .map(Arc::new)
            .collect()
    }
}
