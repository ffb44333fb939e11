//! Cohere's chat, v2 (APIS.md 8): `POST {base}/chat`.

use penstock_adapter::prelude::*;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// The path under the base URL.
    path: Option<String>,
}

struct CohereChat {
    path: Option<String>,
}

impl Adapter for CohereChat {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<CohereChat, String> {
        Ok(CohereChat {
            path: checked_path(settings.path)?,
        })
    }

    fn codec(&self) -> &'static dyn Codec {
        &Cohere
    }

    fn path(&self, target: &Target<'_>, streams: bool) -> String {
        let usual = || self.codec().dialect().path(target.model, streams);
        self.path.clone().unwrap_or_else(usual)
    }
}

penstock_adapter::export!(CohereChat);
