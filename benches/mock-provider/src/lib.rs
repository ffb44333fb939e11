//! An OpenAI-speaking provider without a network: for demos, load tests and client tests. It has no model and no state
//! but the list of what it received; what it answers, and how it misbehaves, is up to each request (see `controls`).

mod call;
mod chat;
mod completions;
mod controls;
mod embeddings;
mod encode;
mod errors;
mod models;
mod moderations;
mod received;
mod reply;
mod schema;
mod send;
mod server;
mod wire;

pub use received::{Ending, Received};
pub use server::{MockProvider, Options, Running};
