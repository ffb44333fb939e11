//! One generation's metric handles, looked up once: a request touches counters, never label strings.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use penstock_plugin_host::Plugin;
use prometheus::{Histogram, IntCounter};

use crate::state::snapshot::Snapshot;

/// The handles of the plugins and providers that one generation names.
#[derive(Debug, Default)]
pub struct Meters {
    made: OnceLock<Made>,
}

#[derive(Debug)]
struct Made {
    plugins: Vec<Labelled>,
    providers: HashMap<Arc<str>, Labelled>,
}

/// The handles of one plugin or provider, by two short closed lists of labels.
#[derive(Debug, Default)]
pub struct Labelled {
    histograms: [OnceLock<Histogram>; ROWS],
    counters: [[OnceLock<IntCounter>; COLUMNS]; ROWS],
}

/// As many hooks, or kinds of provider counters, as there are.
const ROWS: usize = 7;
/// As many verdicts or outcomes as there are, with room for more.
const COLUMNS: usize = 12;

impl Meters {
    /// The handles of a plugin of this generation's chain.
    pub fn plugin(&self, snapshot: &Snapshot, plugin: &Arc<Plugin>) -> Option<&Labelled> {
        let place = snapshot
            .chain
            .iter()
            .position(|other| Arc::ptr_eq(other, plugin))?;
        self.made(snapshot).plugins.get(place)
    }

    pub fn provider(&self, snapshot: &Snapshot, name: &str) -> Option<&Labelled> {
        self.made(snapshot).providers.get(name)
    }

    fn made(&self, snapshot: &Snapshot) -> &Made {
        self.made.get_or_init(|| Made {
            plugins: snapshot.chain.iter().map(|_| Labelled::default()).collect(),
            providers: snapshot
                .providers
                .keys()
                .map(|name| (name.clone(), Labelled::default()))
                .collect(),
        })
    }
}

impl Labelled {
    /// The histogram of a row, made on first use.
    pub fn histogram(&self, row: usize, make: impl FnOnce() -> Histogram) -> Option<&Histogram> {
        Some(self.histograms.get(row)?.get_or_init(make))
    }

    /// The counter of a row and column, made on first use.
    pub fn counter(
        &self,
        row: usize,
        column: usize,
        make: impl FnOnce() -> IntCounter,
    ) -> Option<&IntCounter> {
        Some(self.counters.get(row)?.get(column)?.get_or_init(make))
    }
}

/// How requests ended, for the common status: everything else is looked up.
#[derive(Debug, Default)]
pub struct Ended {
    counters: [[OnceLock<IntCounter>; ENDINGS]; KINDS],
    durations: [OnceLock<Histogram>; KINDS],
}

const KINDS: usize = 16;
const ENDINGS: usize = 6;

impl Ended {
    pub fn counter(
        &self,
        kind: usize,
        ending: usize,
        make: impl FnOnce() -> IntCounter,
    ) -> Option<&IntCounter> {
        Some(self.counters.get(kind)?.get(ending)?.get_or_init(make))
    }

    pub fn duration(&self, kind: usize, make: impl FnOnce() -> Histogram) -> Option<&Histogram> {
        Some(self.durations.get(kind)?.get_or_init(make))
    }
}
