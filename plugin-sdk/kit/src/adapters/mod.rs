//! Adapters in the kit: their cases, which are calls and answers in bytes, and how they are measured.

mod cases;
mod frames;
mod judge;
mod measure;

pub(crate) use judge::test;
pub(crate) use measure::bench;
