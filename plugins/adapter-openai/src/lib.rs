//! OpenAI's chat completions (APIS.md 1) or Responses (APIS.md 2), at OpenAI, at those who speak like it, or at Azure under
//! the name of a deployment.

use std::borrow::Cow;

use penstock_adapter::llm::model::{CacheMarks, ReasoningField, part_of_path};
use penstock_adapter::prelude::*;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    api: Api,
    azure: Option<Azure>,
    path: Option<String>,
    legacy_max_tokens: bool,
    reasoning_field: Thoughts,
    cache_marks: Marks,
    rename: Vec<Rename>,
}

/// Which of the two the provider has.
#[derive(Deserialize, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Api {
    #[default]
    Chat,
    Responses,
}

/// Azure's paths before its `/v1`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Azure {
    api_version: String,
    /// The deployment, where it is not called as the model is.
    deployment: Option<String>,
}

/// The name under which the provider gives and takes a model's thoughts.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
enum Thoughts {
    #[default]
    None,
    ReasoningContent,
    Reasoning,
    ReasoningDetails,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
enum Marks {
    #[default]
    None,
    CacheControl,
    PromptCacheBreakpoint,
}

/// A member that the provider calls otherwise than OpenAI does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    at: Side,
    /// Where it is, under the name that it has there.
    path: String,
    to: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Side {
    /// In what is sent: from OpenAI's name to the provider's.
    Request,
    /// In what comes back, a whole answer or a piece of a stream: from the provider's name to OpenAI's.
    Answer,
}

struct OpenAi(Settings);

impl Adapter for OpenAi {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<OpenAi, String> {
        if let Some(azure) = &settings.azure {
            if azure.api_version.is_empty() {
                return Err("azure.api_version: expected a version, such as 2024-10-21".to_string());
            }
            if settings.api == Api::Responses && azure.deployment.is_some() {
                return Err(
                    "azure.deployment: Responses name the deployment as their model; leave it out"
                        .to_string(),
                );
            }
            if settings.path.is_some() {
                return Err("path: with `azure` the path is Azure's; leave one of them out".to_string());
            }
        }
        for (place, rename) in settings.rename.iter().enumerate() {
            if !rename.path.starts_with('/') || rename.path.len() < 2 {
                return Err(format!(
                    "rename[{place}].path: expected a path such as /choices/*/message/thought"
                ));
            }
        }
        Ok(OpenAi(Settings {
            path: checked_path(settings.path)?,
            ..settings
        }))
    }

    fn codec(&self) -> &'static dyn Codec {
        match self.0.api {
            Api::Chat => &OpenAiChat,
            Api::Responses => &OpenAiResponses,
        }
    }

    fn path(&self, target: &Target<'_>, streams: bool) -> String {
        let usual = self.codec().dialect().path(target.model, streams);
        match (&self.0.azure, &self.0.path) {
            (Some(azure), _) => {
                let version = part_of_path(&azure.api_version);
                let deployment = part_of_path(azure.deployment.as_deref().unwrap_or(target.model));
                match self.0.api {
                    Api::Chat => format!("/deployments/{deployment}{usual}?api-version={version}"),
                    Api::Responses => format!("{usual}?api-version={version}"),
                }
            }
            (None, Some(path)) => path.clone(),
            (None, None) => usual,
        }
    }

    fn target<'t>(&self, target: Target<'t>) -> Target<'t> {
        Target {
            legacy_max_tokens: target.legacy_max_tokens || self.0.legacy_max_tokens,
            reasoning_field: match self.0.reasoning_field {
                Thoughts::None => target.reasoning_field,
                Thoughts::ReasoningContent => ReasoningField::Content,
                Thoughts::Reasoning => ReasoningField::Plain,
                Thoughts::ReasoningDetails => ReasoningField::Details,
            },
            cache_marks: match self.0.cache_marks {
                Marks::None => target.cache_marks,
                Marks::CacheControl => CacheMarks::CacheControl,
                Marks::PromptCacheBreakpoint => CacheMarks::Breakpoint,
            },
            ..target
        }
    }

    fn outgoing(&self, body: Vec<u8>) -> Vec<u8> {
        self.renamed(Side::Request, body.into()).into_owned()
    }

    fn incoming<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        self.renamed(Side::Answer, body.into())
    }
}

impl OpenAi {
    fn renamed<'b>(&self, side: Side, body: Cow<'b, [u8]>) -> Cow<'b, [u8]> {
        let renames = self.0.rename.iter().filter(|rename| rename.at == side);
        renames.fold(body, |body, rename| renamed(body, &rename.path, &rename.to))
    }
}

penstock_adapter::export!(OpenAi);
