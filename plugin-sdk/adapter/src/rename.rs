//! The smallest difference between two dialects: the name of a member.

use std::borrow::Cow;

use penstock_llm::json;

/// The body with the members that `path` leads to called `to`, every other byte as it was. A path is an RFC 6901 pointer in
/// which `*` stands for every element: `/choices/*/delta/thought`. Where it leads nowhere, nothing changes.
pub fn renamed<'b>(body: Cow<'b, [u8]>, path: &str, to: &str) -> Cow<'b, [u8]> {
    match json::renamed(&body, path, to) {
        Some(other) => Cow::Owned(other),
        None => body,
    }
}
