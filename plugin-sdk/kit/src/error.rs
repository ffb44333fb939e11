//! What went wrong with a plugin folder, in words for its author.

use std::fmt;
use std::path::Path;

/// One sentence that says what is wrong and what to do, with a compiler's output where there is one.
#[derive(Debug)]
pub struct KitError(String);

impl KitError {
    /// A sentence as it is.
    pub fn new(sentence: impl Into<String>) -> KitError {
        KitError(sentence.into())
    }

    /// A file that could not be read or written.
    pub(crate) fn file(what: &str, path: &Path, error: &std::io::Error) -> KitError {
        KitError(format!("{what} {}: {error}", path.display()))
    }
}

impl fmt::Display for KitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KitError {}
