//! The only file that names the YAML library.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::KitError;

/// A plugin's YAML file is written by hand; more than this is a mistake.
const LONGEST_FILE: u64 = 4 << 20;

/// The file as `T`; an error names file, line and what was expected.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, KitError> {
    let length = std::fs::metadata(path)
        .map_err(|error| KitError::file("cannot read", path, &error))?
        .len();
    if length > LONGEST_FILE {
        return Err(KitError::new(format!(
            "{}: {length} bytes, at most {LONGEST_FILE} are read",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| KitError::file("cannot read", path, &error))?;
    parse(&text).map_err(|error| KitError::new(format!("{}: {error}", path.display())))
}

/// The text as `T`.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}
