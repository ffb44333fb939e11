//! What plugins see of the models on offer: one generation's, as one caller may use them. It looks into the snapshot and
//! copies what it is asked for, nothing else.

use std::sync::Arc;

use penstock_plugin_host::{CataloguePage, CatalogueTarget, CatalogueView};

use crate::state::snapshot::{Caller, Model, Snapshot, Target};

/// The models of the generation that serves a call, for the call's caller.
#[derive(Debug)]
pub struct Offer {
    pub snapshot: Arc<Snapshot>,
    pub caller: Arc<Caller>,
}

impl CatalogueView for Offer {
    fn find(&self, model: &str, most: usize) -> Option<Vec<CatalogueTarget>> {
        if !self.caller.may_use(model) {
            return None;
        }
        let found = self.snapshot.models.find(model)?;
        let targets = found.targets.iter().take(most);
        Some(targets.map(|target| shown(target, found, model)).collect())
    }

    fn page(&self, start: usize, most: usize) -> CataloguePage {
        let mut models = self.snapshot.models.iter().skip(start);
        let looked_at = models.by_ref().take(most);
        let visible = looked_at.filter(|model| self.caller.may_see(&model.pattern));
        let names = visible.map(|model| model.name.to_string()).collect();
        CataloguePage {
            models: names,
            next: models.next().map(|_| start.saturating_add(most)),
        }
    }
}

/// As `on-route` shows it, without what changes from call to call.
fn shown(target: &Target, model: &Model, asked: &str) -> CatalogueTarget {
    CatalogueTarget {
        provider: target.provider.name.to_string(),
        model: target.upstream_model(&model.pattern, asked).to_string(),
        weight: target.weight,
        input_price: target.price.map(|price| price.input),
        output_price: target.price.map(|price| price.output),
    }
}
