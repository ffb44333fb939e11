//! Bedrock and its Converse dialect.

mod blob;
pub mod converse;
