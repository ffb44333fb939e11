//! How a key may be shown to a provider. Which key, and which of several ways, is `check`'s.

use http::HeaderName;

use crate::startup::files;
use crate::startup::problem::Findings;
use crate::startup::shape::Field;
use crate::state::snapshot::Auth;

/// One way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A key, as it is.
    Key(Auth),
    /// A signature or a token of a cloud that knows who the gateway is.
    Identity(Cloud),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    Aws,
    Google,
    Azure,
}

impl Cloud {
    /// What `auth` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws-sigv4",
            Self::Google => "google",
            Self::Azure => "azure-entra",
        }
    }

    /// What stands under `credentials` for it.
    pub fn credential(self) -> &'static str {
        match self {
            Self::Aws => "{aws: {}}",
            Self::Google => "{google: {}}",
            Self::Azure => "{azure: {}}",
        }
    }
}

/// None where nothing is said, or something bad, which is then noted.
pub fn way(field: &Field<files::Auth>, findings: &mut Findings) -> Option<Way> {
    let (message, remedy) = match field.value.as_ref()? {
        files::Auth::Bearer => return Some(Way::Key(Auth::Bearer)),
        files::Auth::None => return Some(Way::Key(Auth::None)),
        files::Auth::AwsSigv4 => return Some(Way::Identity(Cloud::Aws)),
        files::Auth::Google => return Some(Way::Identity(Cloud::Google)),
        files::Auth::AzureEntra => return Some(Way::Identity(Cloud::Azure)),
        files::Auth::Scheme(word) if is_word(word) => {
            return Some(Way::Key(Auth::Scheme(word.as_str().into())));
        }
        files::Auth::Query(name) if is_word(name) => {
            return Some(Way::Key(Auth::Query(name.as_str().into())));
        }
        files::Auth::Header(name) => match HeaderName::try_from(name) {
            Ok(name) => return Some(Way::Key(Auth::Header(name))),
            Err(_) => ("not the name of a header", "such as {header: api-key}"),
        },
        files::Auth::Scheme(_) => ("not one word", "such as {scheme: Api-Key}"),
        files::Auth::Query(_) => ("not the name of a parameter", "such as {query: key}"),
    };
    findings.problem(field.mark, message, remedy);
    None
}

/// Whether a text can stand in a header's value and in a query as it is.
fn is_word(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"&=#?%+\"".contains(&b);
    !text.is_empty() && text.bytes().all(is_plain)
}
