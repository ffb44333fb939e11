//! Bedrock's Converse (APIS.md 6.3 to 6.7): `POST {base}/model/{model}/converse` and `/converse-stream`. Signatures are the
//! gateway's.

use penstock_adapter::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    cache_points: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { cache_points: true }
    }
}

struct Converse(Settings);

impl Adapter for Converse {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Converse, String> {
        Ok(Converse(settings))
    }

    fn codec(&self) -> &'static dyn Codec {
        &BedrockConverse
    }

    fn target<'t>(&self, target: Target<'t>) -> Target<'t> {
        Target {
            cache_points: target.cache_points && self.0.cache_points,
            ..target
        }
    }
}

penstock_adapter::export!(Converse);
