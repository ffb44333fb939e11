//! The shape of `tests/cases.yaml`: what goes into a plugin, and what has to come out of it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use penstock_plugin_host::{Candidate, CatalogueModel, CatalogueTarget, Kind, Member, Operation};
use serde::Deserialize;
use serde_json::Value;

use crate::error::KitError;
use crate::yaml;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    /// Settings of every case that has none of its own, and of `penstock plugin bench`.
    #[serde(default)]
    pub settings: Option<Value>,
    pub cases: Vec<Case>,
}

/// One call of one hook, which is the one that its input belongs to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub name: String,
    #[serde(default)]
    pub settings: Option<Value>,
    #[serde(default)]
    pub call: CallShape,
    /// `on-request`: a body, as YAML or as text to take byte for byte.
    #[serde(default)]
    pub request: Option<Value>,
    /// `on-route`.
    #[serde(default)]
    pub candidates: Option<Vec<CandidateShape>>,
    /// `on-response`: a body, as YAML or as text.
    #[serde(default)]
    pub answer: Option<Value>,
    /// `on-event`: whole texts by channel. They are cut at every place in turn, and into single characters.
    #[serde(default)]
    pub stream: Option<Vec<ChannelShape>>,
    /// `on-complete`.
    #[serde(default)]
    pub summary: Option<SummaryShape>,
    pub expect: Expect,
}

/// What a plugin may ask of a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CallShape {
    pub operation: OperationName,
    pub id: String,
    pub model: String,
    pub caller: String,
    pub generation: u64,
    pub headers: BTreeMap<String, String>,
    /// Of a plugin with the capability `catalogue`: the models that its caller may use, in the configuration's order.
    pub catalogue: Vec<ModelShape>,
}

impl Default for CallShape {
    fn default() -> CallShape {
        CallShape {
            operation: OperationName::Chat,
            id: "req-1".to_string(),
            model: "gpt-4o-mini".to_string(),
            caller: "team-a".to_string(),
            generation: 1,
            headers: BTreeMap::new(),
            catalogue: Vec::new(),
        }
    }
}

/// One model of a catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelShape {
    name: String,
    targets: Vec<TargetShape>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetShape {
    provider: String,
    #[serde(default = "default_model")]
    model: String,
    #[serde(default = "default_weight")]
    weight: u32,
    input_price: Option<u64>,
    output_price: Option<u64>,
}

impl ModelShape {
    /// As the host shows it.
    pub fn model(&self) -> CatalogueModel {
        let target = |shape: &TargetShape| CatalogueTarget {
            provider: shape.provider.clone(),
            model: shape.model.clone(),
            weight: shape.weight,
            input_price: shape.input_price,
            output_price: shape.output_price,
        };
        CatalogueModel {
            name: self.name.clone(),
            targets: self.targets.iter().map(target).collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OperationName {
    Chat,
    Completions,
    Embeddings,
    Moderations,
    Raw,
}

impl OperationName {
    /// As the host calls it.
    pub fn operation(self) -> Operation {
        match self {
            OperationName::Chat => Operation::Chat,
            OperationName::Completions => Operation::Completions,
            OperationName::Embeddings => Operation::Embeddings,
            OperationName::Moderations => Operation::Moderations,
            OperationName::Raw => Operation::Raw,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CandidateShape {
    provider: String,
    #[serde(default = "default_model")]
    model: String,
    #[serde(default = "default_weight")]
    weight: u32,
    input_price: Option<u64>,
    output_price: Option<u64>,
    #[serde(default)]
    in_flight: u32,
    first_byte_us: Option<u32>,
    #[serde(default)]
    failures: u32,
}

fn default_model() -> String {
    "m".to_string()
}

fn default_weight() -> u32 {
    1
}

impl CandidateShape {
    /// As the host passes it on.
    pub fn candidate(&self) -> Candidate {
        Candidate {
            provider: self.provider.as_str().into(),
            model: self.model.as_str().into(),
            weight: self.weight,
            input_price: self.input_price,
            output_price: self.output_price,
            in_flight: self.in_flight,
            first_byte_us: self.first_byte_us,
            failures: self.failures,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelShape {
    #[serde(default)]
    pub choice: u32,
    #[serde(default = "default_kind")]
    kind: String,
    pub text: String,
}

fn default_kind() -> String {
    Kind::Text.name().to_string()
}

impl ChannelShape {
    /// The kind that `kind` names.
    pub fn kind(&self) -> Result<Kind, String> {
        let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == self.kind);
        kind.ok_or_else(|| format!("stream: there is no kind `{}`", self.kind))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SummaryShape {
    #[serde(default = "default_status")]
    pub status: u16,
    #[serde(default)]
    pub ending: Ending,
}

fn default_status() -> u16 {
    200
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    #[default]
    Complete,
    Refused,
    Failed,
    Cancelled,
    Truncated,
}

/// What has to come out; what is not named may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// `proceed`, `edit`, `answer`, `refuse`, `order`, `end`; `none` where the settings say that the hook is not needed;
    /// `invalid` where they are refused.
    pub verdict: Option<String>,
    /// The body afterwards, compared as JSON; text is compared byte for byte.
    pub body: Option<Value>,
    /// The text that the caller gets: a stream's only channel, an answer's only text, or a plugin's own answer.
    pub text: Option<String>,
    /// The same for several.
    pub texts: Option<Vec<String>>,
    /// The candidates' places, best first.
    pub order: Option<Vec<u32>>,
    /// The reasons, in that order.
    pub reasons: Option<Vec<String>>,
    /// Of a refusal.
    pub status: Option<u16>,
    /// Of a refusal.
    pub code: Option<String>,
    /// Contained in a refusal's message, or in the error about settings.
    pub message: Option<String>,
    /// Contained in nothing that comes out: bodies, texts, refusals.
    pub never: Vec<String>,
}

/// The verdicts that a case may expect.
const VERDICTS: [&str; 8] = [
    "proceed", "edit", "answer", "refuse", "order", "end", "none", "invalid",
];

impl Cases {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Cases, KitError> {
        let cases: Cases = yaml::read(path)?;
        for case in &cases.cases {
            case.check()
                .map_err(|why| KitError::new(format!("{}: case `{}`: {why}", path.display(), case.name)))?;
        }
        Ok(cases)
    }

    /// The settings of one case, as JSON.
    pub fn settings(&self, case: &Case) -> String {
        case.settings
            .as_ref()
            .or(self.settings.as_ref())
            .map_or_else(|| "{}".to_string(), Value::to_string)
    }

    /// The settings of the file, as JSON.
    pub fn common_settings(&self) -> String {
        self.settings
            .as_ref()
            .map_or_else(|| "{}".to_string(), Value::to_string)
    }
}

impl Case {
    fn check(&self) -> Result<(), String> {
        let inputs = [
            self.request.is_some(),
            self.candidates.is_some(),
            self.answer.is_some(),
            self.stream.is_some(),
            self.summary.is_some(),
        ];
        let inputs = inputs.iter().filter(|it| **it).count();
        let invalid = self.expect.verdict.as_deref() == Some("invalid");
        // a route hook may look at the request too
        let with_request = self.request.is_some() && inputs == 2;
        if inputs != 1 && !with_request && !(invalid && inputs == 0) {
            return Err(
                "expected one of request, candidates, answer, stream and summary; all but request may have \
                        a request besides"
                    .to_string(),
            );
        }
        match &self.expect.verdict {
            Some(verdict) if !VERDICTS.contains(&verdict.as_str()) => Err(format!(
                "expect: there is no verdict `{verdict}`; there are {}",
                VERDICTS.join(", ")
            )),
            _ => Ok(()),
        }
    }
}

/// A body that a case writes as YAML, or as text.
pub(crate) fn body(value: &Value) -> Bytes {
    match value {
        Value::String(text) => Bytes::from(text.clone()),
        other => Bytes::from(other.to_string()),
    }
}
