//! Gemini's `generateContent` (APIS.md 4, 5), at AI Studio or at Vertex, whose paths name who made the model.

use penstock_adapter::llm::model::{in_path, part_of_path};
use penstock_adapter::prelude::*;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    surface: Surface,
    publisher: Option<String>,
}

#[derive(Deserialize, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Surface {
    #[default]
    AiStudio,
    Vertex,
}

struct Gemini {
    /// Who made the model, at Vertex.
    publisher: Option<String>,
}

impl Adapter for Gemini {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Gemini, String> {
        let publisher = match (settings.surface, settings.publisher) {
            (Surface::AiStudio, Some(_)) => {
                return Err("publisher: only `surface: vertex` has one".to_string());
            }
            (Surface::AiStudio, None) => None,
            (Surface::Vertex, named) => Some(named.unwrap_or_else(|| "google".to_string())),
        };
        if publisher.as_deref() == Some("") {
            return Err("publisher: expected the name of who made the model, such as `google`".to_string());
        }
        Ok(Gemini { publisher })
    }

    fn codec(&self) -> &'static dyn Codec {
        &penstock_adapter::llm::gemini::Gemini
    }

    fn path(&self, target: &Target<'_>, streams: bool) -> String {
        let under = match &self.publisher {
            Some(publisher) => format!("/publishers/{}", part_of_path(publisher)),
            None => String::new(),
        };
        let model = in_path(target.model);
        match streams {
            false => format!("{under}/models/{model}:generateContent"),
            true => format!("{under}/models/{model}:streamGenerateContent?alt=sse"),
        }
    }
}

penstock_adapter::export!(Gemini);
