//! Every dialect against every other, over whatever is listed in `CODECS` and `RECORDED`: a new dialect is tested by its
//! line there. Cases written by hand are in `cases/`, as data.

pub mod cases;
mod coverage;
pub mod heard;
mod hostile;
mod judge;
mod losses;
mod recorded;
mod rename;
mod segments;
pub mod streams;
pub mod table;
