//! penstock-llm's tests in one binary: each reader against hand-written cases, against serde_json, against mutated
//! input, and against traffic recorded from providers where the recordings are at hand; and every dialect against every
//! other.

mod answer;
mod bedrock;
mod cohere;
mod embed;
mod event;
mod eventstream;
mod fuzz;
mod gemini;
mod json;
mod judge;
mod make;
mod media;
mod recorded;
mod request;
mod request_edits;
mod rerank;
mod responses;
mod rules;
mod sse;
mod translate;
mod usage;
mod wire;
mod write;
