//! Anthropic's Messages (APIS.md 3), at Anthropic's own API or at Vertex, whose paths name the model and whose bodies name
//! the version.

use penstock_adapter::llm::model::part_of_path;
use penstock_adapter::prelude::*;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    host: Host,
    version: Option<String>,
    betas: Vec<String>,
    path: Option<String>,
}

#[derive(Deserialize, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Host {
    #[default]
    Anthropic,
    Vertex,
}

struct Messages(Settings);

impl Adapter for Messages {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Messages, String> {
        if settings.host == Host::Vertex && settings.version.is_some() {
            return Err(
                "version: Vertex takes it in the body, where the adapter writes it; leave it out".to_string(),
            );
        }
        Ok(Messages(Settings {
            path: checked_path(settings.path)?,
            ..settings
        }))
    }

    fn codec(&self) -> &'static dyn Codec {
        &AnthropicMessages
    }

    fn path(&self, target: &Target<'_>, streams: bool) -> String {
        if let Some(path) = &self.0.path {
            return path.clone();
        }
        match (self.0.host, streams) {
            (Host::Anthropic, _) => self.codec().dialect().path(target.model, streams),
            (Host::Vertex, false) => format!(
                "/publishers/anthropic/models/{}:rawPredict",
                part_of_path(target.model)
            ),
            (Host::Vertex, true) => {
                format!(
                    "/publishers/anthropic/models/{}:streamRawPredict",
                    part_of_path(target.model)
                )
            }
        }
    }

    fn headers(&self) -> Vec<(String, String)> {
        if self.0.host == Host::Vertex {
            return Vec::new();
        }
        let usual = self.codec().dialect().required_header();
        let header = |(name, usual): (&str, &str)| {
            let version = self.0.version.clone();
            (name.to_string(), version.unwrap_or_else(|| usual.to_string()))
        };
        usual.map(header).into_iter().collect()
    }

    fn target<'t>(&self, target: Target<'t>) -> Target<'t> {
        Target {
            claude_host: match self.0.host {
                Host::Anthropic => ClaudeHost::Anthropic,
                Host::Vertex => ClaudeHost::Vertex,
            },
            ..target
        }
    }

    fn write(&self, request: &Request<'_>, target: &Target<'_>) -> Result<Written, BodyError> {
        let mut written = self.codec().write_request(request, target)?;
        if !self.0.betas.is_empty() {
            add_betas(&self.0.betas, &mut written.headers);
        }
        Ok(written)
    }
}

/// Those of the settings behind those that the request needs.
fn add_betas(own: &[String], headers: &mut Vec<(&'static str, String)>) {
    const NAME: &str = "anthropic-beta";
    let own = own.join(",");
    match headers.iter_mut().find(|(name, _)| *name == NAME) {
        Some((_, betas)) => {
            betas.push(',');
            betas.push_str(&own);
        }
        None => headers.push((NAME, own)),
    }
}

penstock_adapter::export!(Messages);
