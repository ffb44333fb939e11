//! Reasoning items: summaries, thoughts in words, and what only the maker of the model can read. Other makers' signatures
//! and secrets go to a caller of this dialect as `encrypted_content`, which his client brings back as it was, and are
//! marked there, so that each goes to whom it belongs (PAIN E02, G01, G03).

use crate::anthropic::foreign;
use crate::model::{Content, Maker, Part, Reasoning, ReasoningForm, Signature, Text};

/// What a mark says of data that is the signature of the item's words.
const SIGNATURE: &str = "signature";

/// What a reasoning item says.
#[derive(Default)]
pub(super) struct Thoughts<'a> {
    pub id: Option<Text<'a>>,
    pub summaries: Vec<Text<'a>>,
    pub words: Vec<Text<'a>>,
    pub encrypted: Option<Text<'a>>,
}

/// What `encrypted_content` is.
pub(super) enum Sealed<'a> {
    /// Thoughts that only their maker can read.
    Secret(Reasoning<'a>),
    /// The signature of the item's words.
    Signature(Signature<'a>),
    /// The signature of the part behind the item.
    OfNext(Signature<'a>),
}

/// Reads `encrypted_content`. What has no mark is of whoever the dialect's own provider is, which is taken for OpenAI.
pub(super) fn unseal<'a>(encrypted: Text<'a>, id: Option<&Text<'a>>) -> Sealed<'a> {
    let Some(found) = foreign::read(&encrypted) else {
        let mut secret = Reasoning::encrypted(encrypted, Some(Maker::OpenAi));
        secret.id = id.cloned();
        return Sealed::Secret(secret);
    };
    let data = Text::plain(found.data);
    let maker = found.maker;
    if found.of_next {
        return Sealed::OfNext(Signature { maker, data });
    }
    if found.id.as_deref() == Some(SIGNATURE) {
        return Sealed::Signature(Signature { maker, data });
    }
    let mut secret = Reasoning::encrypted(data, maker);
    secret.format = Some(Text::plain(found.format));
    secret.id = found.id.map(Text::plain);
    Sealed::Secret(secret)
}

/// `encrypted_content` of thoughts that only their maker can read.
pub(super) fn seal_secret(secret: &Reasoning<'_>) -> Text<'static> {
    let data = secret.data.as_ref().unwrap_or(&secret.text);
    match secret.maker {
        Some(Maker::OpenAi) => data.clone().into_owned(),
        maker => {
            let id = secret.id.as_ref().map(Text::get).unwrap_or_default();
            foreign::marked(maker, secret.format.as_ref(), &id, data)
        }
    }
}

/// `encrypted_content` that is the signature of the item's words.
pub(super) fn seal_signature(signature: &Signature<'_>) -> Text<'static> {
    foreign::marked(signature.maker, None, SIGNATURE, &signature.data)
}

impl<'a> Thoughts<'a> {
    /// The item as parts, all with its id, or the signature that it holds for the part behind it.
    pub fn into_parts(self) -> (Vec<Part<'a>>, Option<Signature<'a>>) {
        let sealed = self.encrypted.filter(|data| !data.is_empty());
        let sealed = sealed.map(|data| unseal(data, self.id.as_ref()));
        let maker = match &sealed {
            Some(Sealed::Secret(secret)) => secret.maker,
            Some(Sealed::Signature(signature)) => signature.maker,
            _ => None,
        };
        let id = self.id;
        let thought = |form, text| {
            Part::new(Content::Reasoning(Reasoning {
                form,
                text,
                data: None,
                id: id.clone(),
                maker,
                format: None,
            }))
        };
        let summaries = self.summaries.into_iter();
        let mut parts: Vec<Part<'a>> = summaries
            .map(|text| thought(ReasoningForm::Summary, text))
            .chain(
                self.words
                    .into_iter()
                    .map(|text| thought(ReasoningForm::Text, text)),
            )
            .collect();
        match sealed {
            Some(Sealed::Secret(secret)) => parts.push(Part::new(Content::Reasoning(secret))),
            Some(Sealed::Signature(signature)) => {
                if parts.is_empty() {
                    parts.push(thought(ReasoningForm::Text, Text::default()));
                }
                if let Some(last) = parts.last_mut() {
                    last.signature = Some(signature);
                }
            }
            Some(Sealed::OfNext(signature)) => return (parts, Some(signature)),
            None => {}
        }
        (parts, None)
    }
}
