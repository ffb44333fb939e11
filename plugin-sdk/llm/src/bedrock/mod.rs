//! Bedrock: its Converse dialect, and the envelopes in which its InvokeModel carries other dialects.

mod blob;
pub mod converse;
pub mod invoke;
