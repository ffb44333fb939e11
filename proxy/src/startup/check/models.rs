//! Models and their targets: names, wildcards, prices.

use std::sync::Arc;

use crate::startup::check::facts::facts;
use crate::startup::check::parameters::of_any_provider;
use crate::startup::check::providers::Providers;
use crate::startup::check::{Checker, Names};
use crate::startup::files;
use crate::startup::manners::betas;
use crate::startup::problem::{Mark, suggestion};
use crate::startup::shape::Field;
use crate::state::health::HealthHandle;
use crate::state::snapshot::{MediaTaken, Model, ModelPattern, Price, Target};

/// A weight above this says nothing that a smaller one would not.
const MAX_WEIGHT: u64 = 1_000_000;

impl Checker<'_> {
    /// The models that have a target, and the names of all that the file offers.
    pub(super) fn models(
        &mut self,
        list: &files::List<files::Model>,
        providers: &Providers,
    ) -> (Vec<Model>, Vec<String>) {
        let (mut models, mut offered) = (Vec::new(), Vec::new());
        let mut names = Names::default();
        for field in list.value.iter().flatten() {
            let Some(file) = &field.value else { continue };
            let Some(name) =
                self.required(&file.name, field.mark, "a model's `name`", "what callers ask for")
            else {
                continue;
            };
            offered.push(name.clone());
            let is_new = names.add("model", name, file.name.mark, self.findings);
            let is_pattern = self.pattern(name, file.name.mark);
            let created = self.created(name, &file.created);
            let targets = self.targets(name, file, field.mark, providers);
            // Without a target of an available provider, a model would only be an error with a delay.
            if is_new && is_pattern && !targets.is_empty() {
                models.push(Model {
                    name: name.as_str().into(),
                    pattern: ModelPattern::parse(name),
                    targets,
                    created,
                });
            }
        }
        (models, offered)
    }

    /// Every model of each of these providers, under the provider's name, but for what the file offers itself.
    pub(super) fn models_of_environment(
        &mut self,
        names: &[String],
        owner: Mark,
        providers: &Providers,
        models: &mut Vec<Model>,
        offered: &mut Vec<String>,
    ) {
        let said = |value: &str| Field {
            value: Some(value.to_owned()),
            mark: owner,
        };
        for name in names {
            let pattern = format!("{name}/*");
            if offered.contains(&pattern) {
                continue;
            }
            let file = files::Target {
                provider: said(name),
                model: said("*"),
                ..files::Target::default()
            };
            let target = self.target(&pattern, &file, owner, providers);
            models.extend(target.map(|target| Model {
                name: pattern.as_str().into(),
                pattern: ModelPattern::parse(&pattern),
                targets: vec![Arc::new(target)],
                created: self.created(&pattern, &Field::default()),
            }));
            offered.push(pattern);
        }
    }

    /// Seconds since 1970: as the file says, else what was said of the model before, so that it stays what it is, else now.
    fn created(&mut self, name: &str, field: &Field<String>) -> u64 {
        let written_ms = field
            .value
            .as_deref()
            .and_then(|text| self.time(text, field.mark));
        match (written_ms, self.known.and_then(|known| known.named(name))) {
            (Some(ms), _) => ms / 1000,
            (None, Some(known)) => known.created,
            (None, None) => self.now_ms / 1000,
        }
    }

    /// Whether a name has a `*` at its end at most.
    pub(super) fn pattern(&mut self, name: &str, mark: Mark) -> bool {
        const MAX_MODEL: usize = 256;
        if name.strip_suffix('*').unwrap_or(name).contains('*') {
            self.findings.problem(
                mark,
                format!("`{name}`: a `*` is possible only at the end"),
                "such as openai/*",
            );
            return false;
        }
        if name.is_empty()
            || name.len() > MAX_MODEL
            || name.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            self.findings
                .problem(mark, "not a model's name", "up to 256 letters without blanks");
            return false;
        }
        true
    }

    fn targets(
        &mut self,
        name: &str,
        file: &files::Model,
        owner: Mark,
        providers: &Providers,
    ) -> Vec<Arc<Target>> {
        let what = format!("`targets` of model `{name}`");
        let remedy = "add targets: [{provider: NAME, model: NAME}]";
        let Some(list) = self.required(&file.targets, owner, &what, remedy) else {
            return Vec::new();
        };
        if list.is_empty() {
            self.findings.problem(
                file.targets.mark,
                format!("model `{name}` has no targets"),
                remedy,
            );
        }
        let of_model = of_any_provider(&file.parameters, self.findings);
        let mut targets: Vec<Arc<Target>> = Vec::new();
        for field in list {
            let Some(file) = &field.value else { continue };
            let own = of_any_provider(&file.parameters, self.findings);
            let Some(mut target) = self.target(name, file, field.mark, providers) else {
                continue;
            };
            let rules = of_model.iter().cloned().chain(own);
            let first = target.provider.first_dialect();
            target.parameters = target.parameters.and(rules, first);
            if targets.iter().any(|other| other.id == target.id) {
                self.findings.problem(
                    field.mark,
                    format!("target {} is there twice", target.id),
                    "remove one of them",
                );
                continue;
            }
            targets.push(Arc::new(target));
        }
        targets
    }

    fn target(
        &mut self,
        name: &str,
        file: &files::Target,
        owner: Mark,
        providers: &Providers,
    ) -> Option<Target> {
        let provider_name =
            self.required(&file.provider, owner, "a target's `provider`", "one of providers")?;
        let model = self.upstream_model(name, &file.model)?;
        let weight = self.number(&file.weight, 1, 0, MAX_WEIGHT);
        let price = self.price(&file.price);
        let betas = betas(&file.betas);
        let facts = facts(&file.facts, self.findings);
        if !providers.known.contains_key(provider_name) {
            let remedy = suggestion(provider_name, providers.known.keys().map(String::as_str));
            self.findings.problem(
                file.provider.mark,
                format!("unknown provider `{provider_name}`"),
                remedy,
            );
        }
        let provider = providers.available.get(provider_name.as_str())?.clone();
        let timeouts = self.timeouts(file.timeouts.value.as_ref(), provider.timeouts);
        Some(Target {
            facts: facts.over(provider.facts),
            betas: betas.map_or_else(|| provider.betas.clone(), Arc::new),
            id: format!("{provider_name}/{model}").into(),
            parameters: provider.parameters.clone(),
            provider,
            model: model.into(),
            weight: u32::try_from(weight).unwrap_or(1),
            price,
            timeouts,
            media: MediaTaken {
                fetches_urls: file.fetches_urls.value,
                reads_documents: file.reads_documents.value,
            },
            health: HealthHandle::default(),
        })
    }

    fn upstream_model(&mut self, name: &str, field: &Field<String>) -> Option<String> {
        let Some(model) = &field.value else {
            return field.is_absent().then(|| name.to_owned());
        };
        if !self.pattern(model, field.mark) {
            return None;
        }
        if model.ends_with('*') && !name.ends_with('*') {
            let message = format!("target model `{model}` has a `*`, model `{name}` has none");
            self.findings
                .problem(field.mark, message, "write the provider's name for the model");
            return None;
        }
        Some(model.clone())
    }

    fn price(&mut self, field: &Field<files::Price>) -> Option<Price> {
        let file = field.value.as_ref()?;
        let remedy = "a price has both input_usd_per_million and output_usd_per_million";
        let input = self.required(
            &file.input_usd_per_million,
            field.mark,
            "`input_usd_per_million`",
            remedy,
        );
        let output = self.required(
            &file.output_usd_per_million,
            field.mark,
            "`output_usd_per_million`",
            remedy,
        );
        Some(Price {
            input: input?.0,
            output: output?.0,
        })
    }
}
