//! The gateway at the wire: requests in, bytes out, records and metrics left behind. Each module is named after what it
//! tests; the stand they use is in `harness`.

mod harness;

mod answers;
mod realtime;
mod requests;
