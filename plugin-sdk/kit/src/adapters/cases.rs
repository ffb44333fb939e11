//! The shape of an adapter's `tests/cases.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use penstock_llm::model::{Codec, Dialect, Maker};
use serde::Deserialize;
use serde_json::Value;

use crate::error::KitError;
use crate::yaml;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// Settings of every case that has none of its own, and of `penstock plugin bench`.
    #[serde(default)]
    pub settings: Option<Value>,
    pub cases: Vec<Case>,
}

/// One call of the adapter, or one stream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub name: String,
    #[serde(default)]
    pub settings: Option<Value>,
    /// The caller's dialect: what `request` is in, and what answers are compared in.
    #[serde(default = "default_dialect")]
    pub caller: String,
    /// A call: the caller's body, as YAML or as text.
    #[serde(default)]
    pub request: Option<Value>,
    #[serde(default)]
    pub target: TargetShape,
    /// A provider's whole answer.
    #[serde(default)]
    pub answer: Option<Value>,
    /// A provider's error.
    #[serde(default)]
    pub error: Option<Value>,
    /// Of an answer or an error. Default: 200, and 500 of an error.
    #[serde(default)]
    pub status: Option<u16>,
    /// What a header says of an error's type.
    #[serde(default)]
    pub native: Option<String>,
    /// A provider's stream, frame by frame. It is given as a whole, frame by frame, and cut in two at every frame.
    #[serde(default)]
    pub stream: Option<Vec<FrameShape>>,
    pub expect: Expect,
}

fn default_dialect() -> String {
    Dialect::OpenAiChat.as_str().to_string()
}

/// What the gateway knows of where a call goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TargetShape {
    pub model: String,
    /// Whether to ask for a stream, whatever the caller did.
    pub stream: Option<bool>,
    maker: Option<MakerName>,
    pub max_output: Option<u64>,
}

impl Default for TargetShape {
    fn default() -> TargetShape {
        TargetShape {
            model: "m".to_string(),
            stream: None,
            maker: None,
            max_output: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MakerName {
    Anthropic,
    Google,
    Openai,
}

impl TargetShape {
    /// Whose thoughts the model takes back.
    pub fn maker(&self) -> Option<Maker> {
        self.maker.map(|maker| match maker {
            MakerName::Anthropic => Maker::Anthropic,
            MakerName::Google => Maker::Google,
            MakerName::Openai => Maker::OpenAi,
        })
    }
}

/// One frame: its data as YAML, which is sent as JSON, or as text; or with what comes with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrameShape {
    #[serde(default)]
    pub name: Option<String>,
    pub data: Value,
    #[serde(default)]
    pub exception: bool,
}

/// What has to come out; what is not named may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    /// `encoded`, `refuse`, `answer` or `error`; `invalid` where the settings are refused.
    pub verdict: Option<String>,
    /// The body that goes out; of an answer or a stream the whole answer in the caller's dialect. Compared as JSON, text
    /// byte for byte.
    pub body: Option<Value>,
    /// The values at RFC 6901 pointers of that body; null where there must be none.
    pub values: BTreeMap<String, Value>,
    pub path: Option<String>,
    /// Those that have to be there, by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The fields that are not in the body.
    pub dropped: Option<Vec<String>>,
    /// Of an error.
    pub status: Option<u16>,
    /// Of an error: `rate-limit`, `context-length`, ...
    pub kind: Option<String>,
    /// Of an error.
    pub code: Option<String>,
    /// The field that is at fault, of an error or a refusal.
    pub param: Option<String>,
    /// Contained in what is said of an error, a refusal or the settings.
    pub message: Option<String>,
    /// Contained in nothing that comes out.
    pub never: Vec<String>,
}

const VERDICTS: [&str; 5] = ["encoded", "refuse", "answer", "error", "invalid"];

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

    /// The settings of one case, as JSON; of the file, where none is named.
    pub fn settings(&self, case: Option<&Case>) -> String {
        case.and_then(|case| case.settings.as_ref())
            .or(self.settings.as_ref())
            .map_or_else(|| "{}".to_string(), Value::to_string)
    }
}

impl Case {
    /// The codec of the caller's dialect.
    pub fn codec(&self) -> Result<&'static dyn Codec, String> {
        Dialect::named(&self.caller)
            .and_then(Dialect::codec)
            .ok_or_else(|| format!("caller: there is no dialect `{}`", self.caller))
    }

    fn check(&self) -> Result<(), String> {
        self.codec()?;
        let inputs = [
            self.request.is_some(),
            self.answer.is_some(),
            self.error.is_some(),
            self.stream.is_some(),
        ];
        let inputs = inputs.iter().filter(|it| **it).count();
        let invalid = self.expect.verdict.as_deref() == Some("invalid");
        if inputs != 1 && !(invalid && inputs == 0) {
            return Err("expected one of request, answer, error and stream".to_string());
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
