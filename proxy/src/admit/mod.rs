//! Stage 2: may this caller do this now.

pub mod caller;
pub mod guard;
