//! What Penstock knows about LLM traffic: JSON by offset, edits as splices, SSE frames, AWS event-stream messages, OpenAI
//! bodies and token usage, and the model through which every dialect is translated to every other, also as bytes.
//!
//! Pure on purpose: this crate opens no socket and no file, reads no clock, starts no thread and does not panic on any
//! input. Choosing providers, running plugins and money are left to the crates above it.

pub mod anthropic;
pub mod bedrock;
pub mod cohere;
pub mod embed;
pub mod eventstream;
mod fault;
pub mod foreign;
pub mod gemini;
pub mod json;
mod keys;
pub mod model;
pub mod openai;
mod read;
pub mod rerank;
pub mod rules;
pub mod splice;
pub mod sse;
pub mod usage;
pub mod wire;
mod write;
