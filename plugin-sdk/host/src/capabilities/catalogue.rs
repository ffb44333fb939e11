//! Capability `catalogue`: the models that a call's caller may use, with targets and prices. Which models there are, and
//! who may use them, is the gateway's.

use wasmtime::component::Resource;

use crate::bindings::penstock::plugin::catalogue as wit;
use crate::guest::Guest;
use crate::resources::CallHandle;

/// The models of one generation as one caller may use them; asked for a name or a page at a time, never copied whole.
pub trait CatalogueView: Send + Sync {
    /// The targets of a call for `model` in the configuration's order, at most `most` of them; none where this caller
    /// would be refused.
    fn find(&self, model: &str, most: usize) -> Option<Vec<CatalogueTarget>>;

    /// The names that the caller may see, out of the `most` models from place `start` on.
    fn page(&self, start: usize, most: usize) -> CataloguePage;
}

/// One place a call can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueTarget {
    pub provider: String,
    /// The provider's name for the model.
    pub model: String,
    pub weight: u32,
    /// Nano US dollars per million tokens, where known.
    pub input_price: Option<u64>,
    pub output_price: Option<u64>,
}

/// Some of the models' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CataloguePage {
    pub models: Vec<String>,
    /// The place to go on from; none at the end.
    pub next: Option<usize>,
}

/// A catalogue out of a list, for callers that have no configuration: each may use every model.
#[derive(Clone, Debug, Default)]
pub struct ModelList(pub Vec<CatalogueModel>);

/// One model of a [`ModelList`].
#[derive(Clone, Debug)]
pub struct CatalogueModel {
    pub name: String,
    pub targets: Vec<CatalogueTarget>,
}

impl CatalogueView for ModelList {
    fn find(&self, model: &str, most: usize) -> Option<Vec<CatalogueTarget>> {
        let found = self.0.iter().find(|known| known.name == model)?;
        Some(found.targets.iter().take(most).cloned().collect())
    }

    fn page(&self, start: usize, most: usize) -> CataloguePage {
        let end = start.saturating_add(most);
        let models = self.0.iter().skip(start).take(most);
        CataloguePage {
            models: models.map(|model| model.name.clone()).collect(),
            next: (end < self.0.len()).then_some(end),
        }
    }
}

/// What one call of the host looks at, and hands over, at most: some ten microseconds' worth.
const LARGEST_PAGE: usize = 256;
const MOST_TARGETS: usize = 256;

impl wit::Host for Guest {
    fn find(
        &mut self,
        handle: Resource<CallHandle>,
        model: String,
    ) -> wasmtime::Result<Option<Vec<wit::Target>>> {
        let catalogue = &self.call(&handle, 0)?.catalogue;
        let found = catalogue
            .as_ref()
            .and_then(|catalogue| catalogue.find(&model, MOST_TARGETS));
        Ok(found.map(|targets| targets.into_iter().map(to_guest).collect()))
    }

    fn models(&mut self, handle: Resource<CallHandle>, start: u32) -> wasmtime::Result<wit::Page> {
        let catalogue = &self.call(&handle, 0)?.catalogue;
        let page = catalogue
            .as_ref()
            .map(|catalogue| catalogue.page(start as usize, LARGEST_PAGE))
            .unwrap_or_default();
        Ok(wit::Page {
            models: page.models,
            next: page.next.and_then(|next| u32::try_from(next).ok()),
        })
    }
}

fn to_guest(target: CatalogueTarget) -> wit::Target {
    wit::Target {
        provider: target.provider,
        model: target.model,
        weight: target.weight,
        input_price: target.input_price,
        output_price: target.output_price,
    }
}
