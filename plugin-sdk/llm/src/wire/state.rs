//! What the reader of a stream knows between two frames, for those that keep nothing in between.

use crate::model::{Dialect, StreamReader};

use super::{Input, VERSION, Wire};

/// No state is longer. Every reader's own limits keep it below this, whatever a provider sends.
pub const MAX_STATE_BYTES: usize = 64 << 10;

/// Writes a reader's state.
pub(crate) fn save<'a>(dialect: Dialect, reader: &impl Wire<'a>, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(VERSION);
    dialect.put(out);
    reader.put(out);
    debug_assert!(
        out.len() - start <= MAX_STATE_BYTES,
        "a reader's limits bound its state"
    );
}

/// The reader whose state this is, a new one for no state; none where it is no state of this dialect's.
pub(crate) fn restore<T>(dialect: Dialect, state: &[u8]) -> Option<Box<dyn StreamReader>>
where
    T: for<'a> Wire<'a> + Default + StreamReader + 'static,
{
    if state.is_empty() {
        return Some(Box::new(T::default()));
    }
    if state.len() > MAX_STATE_BYTES {
        return None;
    }
    let mut input = Input::new(state);
    if input.byte() != Ok(VERSION) || Dialect::take(&mut input) != Ok(dialect) {
        return None;
    }
    let reader = T::take(&mut input).ok()?;
    input.end().ok()?;
    Some(Box::new(reader))
}
