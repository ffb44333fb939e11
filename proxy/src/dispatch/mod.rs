//! Stage 3: choose a target and send the call there.

pub mod attempt;
pub mod betas;
pub mod credentials;
pub mod document;
pub mod egress;
pub mod fetch;
pub mod identity;
pub mod media;
pub mod names;
pub mod outbound;
pub mod outgoing;
pub mod page;
pub mod plan;
pub mod reword;
pub mod route;
pub mod ruled;
pub mod signatures;
pub mod sniff;
pub mod ties;
pub mod translate;
pub mod trust;
pub mod upstream;
pub mod watch;
