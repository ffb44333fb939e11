//! A body as a call: the JSON checked once, the model it asks for, and what a repeat of it is known by.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use penstock_llm::foreign::Form;
use penstock_llm::openai::{Operation, ReadLimits, Request};

use crate::exchange::{Exchange, Terms};
use crate::fault::{Fault, Result};
use crate::state::snapshot::{Provider, Snapshot};

/// The longest `Idempotency-Key`; a UUID has 36.
const LONGEST_KEY: usize = 256;

/// A call as it was read.
#[derive(Debug)]
pub struct Read {
    pub request: Request,
    /// The provider that a raw path names, in place of the model's targets.
    pub via: Option<Arc<Provider>>,
    pub idempotency_key: Option<Box<str>>,
    /// Stands for method, path and body.
    pub fingerprint: u64,
}

/// What a body is.
#[derive(Clone, Debug)]
pub enum Asked {
    /// In OpenAI's first dialect.
    Operation(Operation),
    /// A generation in another.
    Generation(Form),
}

impl Asked {
    pub fn operation(&self) -> Operation {
        match self {
            Self::Operation(operation) => *operation,
            Self::Generation(_) => Operation::Chat,
        }
    }
}

/// Reads a body. What is wrong with it is said in the words of its dialect; nothing of it is forwarded.
pub fn read(exchange: &Exchange, asked: Asked, body: Bytes) -> Result<Read> {
    let limits = &exchange.snapshot.limits;
    let read_limits = ReadLimits {
        max_depth: limits.json_depth,
        max_bytes: limits.body_bytes,
        ..ReadLimits::default()
    };
    let idempotency_key = idempotency_key(exchange)?;
    let fingerprint = match idempotency_key {
        Some(_) => fingerprint(exchange, &body),
        None => 0,
    };
    let request = match asked {
        Asked::Operation(operation) => Request::read(operation, body, &read_limits)?,
        Asked::Generation(form) => Request::read_in(form, body, &read_limits)?,
    };
    Ok(Read {
        request,
        via: None,
        idempotency_key,
        fingerprint,
    })
}

impl Read {
    pub fn terms(&self, snapshot: &Snapshot) -> Terms {
        let (operation, most_bytes) = (Some(self.request.operation()), snapshot.limits.decompressed_bytes);
        Terms {
            operation,
            dialect: self.request.dialect(),
            hide_usage: false,
            most_bytes,
        }
    }
}

fn idempotency_key(exchange: &Exchange) -> Result<Option<Box<str>>> {
    let Some(value) = exchange.accepted.headers.0.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| !text.is_empty() && text.len() <= LONGEST_KEY);
    let text = text.ok_or_else(|| {
        let message = format!("Idempotency-Key must be 1 to {LONGEST_KEY} visible characters");
        Fault::caller(400, "invalid_idempotency_key", message)
    })?;
    Ok(Some(text.into()))
}

fn fingerprint(exchange: &Exchange, body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    exchange.accepted.method.hash(&mut hasher);
    exchange.accepted.path.hash(&mut hasher);
    body.hash(&mut hasher);
    hasher.finish()
}
