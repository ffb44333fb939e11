//! The model as bytes: what every dialect reads crosses and is the same, and no bytes break a reader.

mod hostile;
pub mod judge;
mod messages;
mod recorded;

use crate::translate::streams;
