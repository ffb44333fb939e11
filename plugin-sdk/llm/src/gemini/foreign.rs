//! Other makers' signatures and encrypted thoughts in this dialect's `thoughtSignature`, so that its callers bring them
//! back to whom they belong (PAIN E02). Gemini itself never gets to see one.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::model::{Maker, Reasoning, ReasoningForm, Signature, Text};

/// How the marked bytes begin: a multiple of three, so that the base64 of it is always the same.
const MARK: &str = "penstock/";
const ENCODED_MARK: &str = "cGVuc3RvY2sv";

/// What the mark says the bytes are.
const SIGNATURE: &str = "signature";
const THOUGHT: &str = "thought";

/// Clients decode the bytes and encode them again, each in its own way.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a `thoughtSignature` holds.
pub(super) enum Kept<'a> {
    Signature(Signature<'a>),
    /// Another maker's, encrypted.
    Thought(Reasoning<'a>),
}

pub(super) fn read(signature: Text<'_>) -> Kept<'_> {
    marked(&signature).unwrap_or(Kept::Signature(Signature {
        maker: Some(Maker::Google),
        data: signature,
    }))
}

/// None for Google's own.
fn marked(signature: &Text<'_>) -> Option<Kept<'static>> {
    let text = signature.get();
    if !text.starts_with(ENCODED_MARK) {
        return None;
    }
    let standard = text.replace('-', "+").replace('_', "/");
    let bytes = LENIENT.decode(standard).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (kind, rest) = text.strip_prefix(MARK)?.split_once('/')?;
    let (format, rest) = rest.split_once('/')?;
    let (id, data) = rest.split_once('/')?;
    let maker = Maker::of_format(format);
    let data = Text::plain(data.to_owned());
    Some(match kind {
        THOUGHT => Kept::Thought(Reasoning {
            id: (!id.is_empty()).then(|| Text::plain(id.to_owned())),
            format: Some(Text::plain(format.to_owned())),
            ..Reasoning::encrypted(data, maker)
        }),
        SIGNATURE => Kept::Signature(Signature { maker, data }),
        _ => return None,
    })
}

/// A signature as this dialect's callers get it: Google's as it is, others' marked.
pub(super) fn signature<'s>(signature: &'s Signature<'_>) -> Text<'s> {
    match signature.maker {
        Some(Maker::Google) => signature.data.borrowed(),
        maker => mark(
            SIGNATURE,
            maker.map_or("unknown", Maker::format),
            "",
            &signature.data,
        ),
    }
}

/// An encrypted thought as this dialect's callers get it; none for any other.
pub(super) fn thought<'t>(thought: &'t Reasoning<'_>) -> Option<Text<'t>> {
    if thought.form != ReasoningForm::Encrypted {
        return None;
    }
    let data = thought.data.as_ref().unwrap_or(&thought.text);
    if thought.maker == Some(Maker::Google) {
        return Some(data.borrowed());
    }
    let by_maker = thought.maker.map_or("unknown", Maker::format);
    let format = thought.format.as_ref().map_or(by_maker.into(), Text::get);
    let id = thought.id.as_ref().map(Text::get).unwrap_or_default();
    Some(mark(THOUGHT, &format, &id, data))
}

fn mark(kind: &str, format: &str, id: &str, data: &Text<'_>) -> Text<'static> {
    // neither has a slash in it but by malice, which would only cut its own data
    let plain = |text: &str| text.replace('/', "");
    let marked = format!("{MARK}{kind}/{}/{}/{}", plain(format), plain(id), data.get());
    Text::plain(LENIENT.encode(marked))
}

#[cfg(test)]
mod tests {
    use super::{ENCODED_MARK, Kept, LENIENT, MARK, read, signature, thought};
    use crate::model::{Maker, Reasoning, Signature, Text};
    use base64::Engine as _;

    #[test]
    fn the_mark_is_always_encoded_the_same() {
        assert_eq!(LENIENT.encode(MARK), ENCODED_MARK);
        assert_eq!(MARK.len() % 3, 0);
    }

    #[test]
    fn pain_e02_what_another_maker_signed_comes_home_however_it_is_encoded() {
        let claudes = Signature {
            maker: Some(Maker::Anthropic),
            data: Text::plain("a/b+c\u{fc}=="),
        };
        let sent = signature(&claudes).into_string();
        let url_safe = sent
            .replace('+', "-")
            .replace('/', "_")
            .trim_end_matches('=')
            .to_owned();
        for back in [sent, url_safe] {
            let Kept::Signature(found) = read(Text::plain(back)) else {
                panic!("a signature")
            };
            assert_eq!(found, claudes);
        }
        let mut encrypted = Reasoning::encrypted(Text::plain("gAAA/"), Some(Maker::OpenAi));
        encrypted.id = Some(Text::plain("rs_1"));
        let sent = thought(&encrypted).expect("encrypted").into_string();
        let Kept::Thought(found) = read(Text::plain(sent)) else {
            panic!("a thought")
        };
        assert_eq!(
            (found.maker, found.data, found.id),
            (encrypted.maker, encrypted.data, encrypted.id)
        );
    }

    #[test]
    fn googles_own_and_what_is_broken_are_googles() {
        for own in ["", "AAAA", ENCODED_MARK, "cGVuc3RvY2sv!!", "cGVuc3RvY2sveA=="] {
            let Kept::Signature(found) = read(Text::plain(own)) else {
                panic!("a signature")
            };
            assert_eq!((found.maker, &*found.data.get()), (Some(Maker::Google), own));
        }
    }
}
