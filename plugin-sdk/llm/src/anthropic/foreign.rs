//! Other makers' signatures and encrypted thoughts in Anthropic's blocks, so that a caller of this dialect brings them
//! back to whom they belong (PAIN E02). Claude itself never gets to see one.

use crate::model::{Maker, Reasoning, Signature, Text};

/// How the marked data begins. The encoding's name follows, the thought's id where it has one, and the data:
/// `penstock/openai-responses-v1/rs_1/gAAAA...`.
const MARK: &str = "penstock/";

/// What the mark says the data belongs to, where it is not a thought.
const OF_NEXT: &str = "next";

/// Data of a marked block.
pub(crate) struct Foreign {
    pub maker: Option<Maker>,
    pub format: String,
    pub id: Option<String>,
    pub data: String,
    /// It is the signature of the part behind it.
    pub of_next: bool,
}

/// None for Anthropic's own.
pub(crate) fn read(marked: &Text<'_>) -> Option<Foreign> {
    let marked = marked.get();
    let (format, rest) = marked.strip_prefix(MARK)?.split_once('/')?;
    let (id, data) = rest.split_once('/')?;
    Some(Foreign {
        maker: Maker::of_format(format),
        format: format.to_owned(),
        id: (!id.is_empty() && id != OF_NEXT).then(|| id.to_owned()),
        data: data.to_owned(),
        of_next: id == OF_NEXT,
    })
}

/// A signature as this dialect's callers get it: Anthropic's own as it is, others' marked.
pub(crate) fn signature(signature: &Signature<'_>) -> Text<'static> {
    match signature.maker {
        Some(Maker::Anthropic) => signature.data.clone().into_owned(),
        maker => marked(maker, None, "", &signature.data),
    }
}

/// The signature of a part that has no place for one, for a block before it.
pub(crate) fn of_next(signature: &Signature<'_>) -> Text<'static> {
    marked(signature.maker, None, OF_NEXT, &signature.data)
}

/// Encrypted thoughts.
pub(crate) fn encrypted(thought: &Reasoning<'_>) -> Text<'static> {
    let data = thought.data.as_ref().unwrap_or(&thought.text);
    if thought.maker == Some(Maker::Anthropic) {
        return data.clone().into_owned();
    }
    let id = thought.id.as_ref().map(Text::get).unwrap_or_default();
    marked(thought.maker, thought.format.as_ref(), &id, data)
}

/// Data of another maker; `id` is the thought's, or says what else the data is.
pub(crate) fn marked(
    maker: Option<Maker>,
    format: Option<&Text<'_>>,
    id: &str,
    data: &Text<'_>,
) -> Text<'static> {
    let by_maker = maker.map_or("unknown", Maker::format);
    let format = format.map_or(by_maker.into(), Text::get);
    // neither has a slash in it but by malice, which would only cut its own data
    let plain = |text: &str| text.replace('/', "");
    Text::plain(format!("{MARK}{}/{}/{}", plain(&format), plain(id), data.get()))
}
