//! Members of a nested object that the model has no field for: kept under the object's name, written into it again.

use crate::model::{Extra, Extras, Json, Text, extra};
use crate::write::object;

/// Keeps what is left of the object `name`.
pub(super) fn keep<'a>(name: &'static str, rest: &[Extra<'a>], extras: &mut Extras<'a>) {
    if !rest.is_empty() {
        extras.push(Extra {
            name: Text::plain(name),
            value: whole(rest),
        });
    }
}

/// The members as an object.
pub(super) fn whole(members: &[Extra<'_>]) -> Json<'static> {
    let mut out = Vec::new();
    object(&mut out, |object| object.extras(members));
    Json::checked(String::from_utf8_lossy(&out).into_owned())
}

/// What was kept of the object `name`.
pub(super) fn kept<'e>(name: &str, extras: &'e [Extra<'_>]) -> Vec<(Text<'e>, Json<'e>)> {
    extra(extras, name).map(Json::members).unwrap_or_default()
}
