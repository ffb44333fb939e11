//! What Penstock knows about LLM traffic: JSON by offset, edits as splices, SSE frames, OpenAI bodies and token usage.
//!
//! Pure on purpose: this crate opens no socket and no file, reads no clock, starts no thread and does not panic on any
//! input. Choosing providers, running plugins and money are left to the crates above it.

pub mod json;
pub mod openai;
pub mod splice;
pub mod sse;
pub mod usage;
