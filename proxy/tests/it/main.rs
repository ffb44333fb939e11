//! The gateway at the wire: requests in, bytes out, records and metrics left behind. Each module is named after what it
//! tests; the stand they use is in `harness`.

mod harness;

mod adapters;
mod answers;
mod bad_input;
mod bridging;
mod cache;
mod dialects;
mod downstream;
mod drain;
mod embeddings;
mod failover;
mod grants;
mod guards;
mod idempotency;
mod identities;
mod kept;
mod kinds;
mod limits;
mod matrix;
mod media;
mod named;
mod parameters;
mod plugins;
mod policies;
mod raw;
mod realtime;
mod reasoning;
mod requests;
mod responses;
mod services;
mod signatures;
mod stored;
mod streams;
mod swap;
mod ties;
mod upstream;
