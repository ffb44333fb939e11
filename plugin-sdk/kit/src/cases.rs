//! The shape of `tests/cases.yaml`: what goes into a plugin, and what has to come out of it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use penstock_plugin_host::{Candidate, CatalogueModel, CatalogueTarget, Kind, Member, Operation, Summary};
use serde::Deserialize;
use serde_json::Value;

use crate::error::KitError;
use crate::services::Service;
use crate::yaml;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    /// Settings of every case that has none of its own, and of `penstock plugin bench`.
    #[serde(default)]
    pub settings: Option<Value>,
    /// What the services that the plugin calls answer, in every case that has none of its own, and to `bench`.
    #[serde(default)]
    pub http: Vec<Service>,
    pub cases: Vec<Case>,
}

/// One call of one hook, which is the one that its input belongs to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub name: String,
    #[serde(default)]
    pub settings: Option<Value>,
    /// What the plugin sees first, in turn, for one that counts or remembers. Nothing is expected of it.
    #[serde(default)]
    pub before: Vec<Step>,
    /// What the services that the plugin calls answer.
    #[serde(default)]
    pub http: Option<Vec<Service>>,
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

/// An input as a case has it, given `times` times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default = "once")]
    pub times: u32,
    #[serde(default)]
    pub call: CallShape,
    #[serde(default)]
    pub request: Option<Value>,
    #[serde(default)]
    pub candidates: Option<Vec<CandidateShape>>,
    #[serde(default)]
    pub answer: Option<Value>,
    #[serde(default)]
    pub summary: Option<SummaryShape>,
}

fn once() -> u32 {
    1
}

/// A step that is given more often is a loop by mistake.
const MOST_TIMES: u32 = 10_000;

/// What one hook is called with: all of a case or of a step before it but a stream.
#[derive(Clone, Copy)]
pub(crate) struct Input<'c> {
    pub call: &'c CallShape,
    pub request: Option<&'c Value>,
    pub candidates: Option<&'c [CandidateShape]>,
    pub answer: Option<&'c Value>,
    pub summary: Option<&'c SummaryShape>,
}

impl Case {
    pub fn input(&self) -> Input<'_> {
        Input {
            call: &self.call,
            request: self.request.as_ref(),
            candidates: self.candidates.as_deref(),
            answer: self.answer.as_ref(),
            summary: self.summary.as_ref(),
        }
    }
}

impl Step {
    pub fn input(&self) -> Input<'_> {
        Input {
            call: &self.call,
            request: self.request.as_ref(),
            candidates: self.candidates.as_deref(),
            answer: self.answer.as_ref(),
            summary: self.summary.as_ref(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.times == 0 || self.times > MOST_TIMES {
            return Err(format!("before: times: expected 1 to {MOST_TIMES}"));
        }
        one_input(self.input(), false)
    }
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
#[serde(deny_unknown_fields, default)]
pub(crate) struct SummaryShape {
    status: u16,
    ending: Ending,
    provider: Option<String>,
    model: Option<String>,
    attempts: u32,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    duration_us: u64,
}

impl Default for SummaryShape {
    fn default() -> SummaryShape {
        SummaryShape {
            status: 200,
            ending: Ending::default(),
            provider: None,
            model: None,
            attempts: 1,
            prompt_tokens: None,
            completion_tokens: None,
            duration_us: 0,
        }
    }
}

impl SummaryShape {
    /// As the host passes it on.
    pub fn summary(&self) -> Summary {
        Summary {
            status: self.status,
            ending: self.ending.name(),
            provider: self.provider.clone(),
            model: self.model.clone(),
            attempts: self.attempts,
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            duration_us: self.duration_us,
        }
    }
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

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Ending::Complete => "complete",
            Ending::Refused => "refused",
            Ending::Failed => "failed",
            Ending::Cancelled => "cancelled",
            Ending::Truncated => "truncated",
        }
    }
}

/// What has to come out; what is not named may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// `proceed`, `edit`, `answer`, `refuse`, `order`, `end`; `none` where the settings say that the hook is not needed;
    /// `invalid` where they are refused; `fault` where the hook ends without a verdict, and the fail mode would decide.
    pub verdict: Option<String>,
    /// The body afterwards, compared as JSON; text is compared byte for byte.
    pub body: Option<Value>,
    /// The text that comes out: a stream's only channel, an answer's only text, a request's only text, or a plugin's own
    /// answer.
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
    /// Contained in a refusal's message, in the error about settings, or in what is said of a fault.
    pub message: Option<String>,
    /// Contained in nothing that comes out: bodies, texts, refusals.
    pub never: Vec<String>,
}

/// The verdicts that a case may expect.
const VERDICTS: [&str; 9] = [
    "proceed", "edit", "answer", "refuse", "order", "end", "none", "invalid", "fault",
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

    /// For a plugin without cases.
    pub fn none() -> Cases {
        Cases {
            settings: None,
            http: Vec::new(),
            cases: Vec::new(),
        }
    }

    /// The settings of one case, as JSON.
    pub fn settings(&self, case: &Case) -> String {
        case.settings
            .as_ref()
            .or(self.settings.as_ref())
            .map_or_else(|| "{}".to_string(), Value::to_string)
    }

    /// The services of one case.
    pub fn services<'c>(&'c self, case: &'c Case) -> &'c [Service] {
        case.http.as_deref().unwrap_or(&self.http)
    }

    /// The services of all cases.
    pub fn all_services(&self) -> impl Iterator<Item = &Service> {
        let own = self.cases.iter().filter_map(|case| case.http.as_ref());
        self.http.iter().chain(own.flatten())
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
        let invalid = self.expect.verdict.as_deref() == Some("invalid");
        if !invalid || self.request.is_some() {
            one_input(self.input(), self.stream.is_some())?;
        }
        self.before.iter().try_for_each(Step::check)?;
        match &self.expect.verdict {
            Some(verdict) if !VERDICTS.contains(&verdict.as_str()) => Err(format!(
                "expect: there is no verdict `{verdict}`; there are {}",
                VERDICTS.join(", ")
            )),
            _ => Ok(()),
        }
    }
}

/// One hook is called; all but `on-request` may look at the request besides.
fn one_input(input: Input<'_>, stream: bool) -> Result<(), String> {
    let others = [
        input.candidates.is_some(),
        input.answer.is_some(),
        stream,
        input.summary.is_some(),
    ];
    let others = others.iter().filter(|it| **it).count();
    if others == 1 || (others == 0 && input.request.is_some()) {
        return Ok(());
    }
    Err(
        "expected one of request, candidates, answer, stream and summary; all but request may have a request \
         besides, and a step of `before` has no stream"
            .to_string(),
    )
}

/// A body that a case writes as YAML, or as text.
pub(crate) fn body(value: &Value) -> Bytes {
    match value {
        Value::String(text) => Bytes::from(text.clone()),
        other => Bytes::from(other.to_string()),
    }
}
