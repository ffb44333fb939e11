//! The one line that is written about a request: who, what, where to, how it ended, what it cost in time. Never content.

use std::time::Duration;

use penstock_llm::usage::TokenCount;
use serde::{Serialize, Serializer};

use crate::exchange::{Attempt, Exchange, PluginRun};
use crate::fault::ErrorMark;
use crate::settle::usage;
use crate::state::clock::{self, Timestamp};

/// The record as one line of JSON.
pub fn line(exchange: &Exchange) -> Vec<u8> {
    let mut line = Vec::with_capacity(1024);
    match serde_json::to_writer(&mut line, &Record::of(exchange)) {
        Ok(()) => line.push(b'\n'),
        Err(error) => log::error!("a record could not be written: {error}"),
    }
    line
}

#[derive(Serialize)]
struct Record<'x> {
    #[serde(serialize_with = "as_text")]
    time: Timestamp,
    id: &'x str,
    generation: u64,
    key: Option<&'x str>,
    client: Option<std::net::IpAddr>,
    operation: &'static str,
    method: &'x str,
    path: &'x str,
    model: Option<&'x str>,
    stream: bool,
    status: u16,
    ending: &'static str,
    error: Option<ErrorLine<'x>>,
    attempts: List<'x, Attempt>,
    plugins: List<'x, PluginRun>,
    usage: UsageLine,
    /// Of realtime sessions only.
    #[serde(skip_serializing_if = "Option::is_none")]
    metered: Option<bool>,
    bytes: Bytes,
    us: Micros,
}

#[derive(Serialize)]
struct ErrorLine<'x> {
    r#type: &'static str,
    code: &'x str,
    cause: &'static str,
}

#[derive(Serialize)]
struct AttemptLine<'x> {
    provider: &'x str,
    model: &'x str,
    credential: u32,
    status: Option<u16>,
    outcome: &'static str,
    us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'x str>,
}

#[derive(Serialize)]
struct PluginLine<'x> {
    name: &'x str,
    digest: &'x str,
    hook: &'static str,
    verdict: &'static str,
    calls: u32,
    us: u64,
}

#[derive(Serialize)]
struct UsageLine {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
    source: &'static str,
}

#[derive(Serialize)]
struct Bytes {
    r#in: u64,
    out: u64,
}

#[derive(Serialize)]
struct Micros {
    total: u64,
    first_byte: Option<u64>,
    first_token: Option<u64>,
    overhead: u64,
}

/// A list whose lines are made while it is written, without one in between.
struct List<'x, T>(&'x [T]);

trait Line {
    type Line<'x>: Serialize
    where
        Self: 'x;

    fn line(&self) -> Self::Line<'_>;
}

impl<T: Line> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Line::line))
    }
}

impl Line for Attempt {
    type Line<'x> = AttemptLine<'x>;

    fn line(&self) -> AttemptLine<'_> {
        AttemptLine {
            provider: &self.provider,
            model: &self.model,
            credential: self.credential,
            status: self.status,
            outcome: self.outcome.label(),
            us: micros(self.took),
            reason: self.reason.as_deref(),
        }
    }
}

impl Line for PluginRun {
    type Line<'x> = PluginLine<'x>;

    fn line(&self) -> PluginLine<'_> {
        PluginLine {
            name: self.plugin.name(),
            digest: self.plugin.digest_short(),
            hook: self.hook.as_str(),
            verdict: self.verdict.label(),
            calls: self.calls,
            us: micros(self.took),
        }
    }
}

impl<'x> Record<'x> {
    fn of(exchange: &'x Exchange) -> Self {
        let Exchange {
            accepted,
            admitted,
            dispatched,
            relayed,
            ..
        } = exchange;
        let total = accepted.at.elapsed();
        Self {
            time: clock::rfc3339(accepted.at_ms),
            id: &accepted.id,
            generation: exchange.snapshot.generation,
            key: admitted.caller.as_ref().map(|caller| &*caller.name),
            client: accepted.client,
            operation: accepted.kind.label(),
            method: accepted.method.as_str(),
            path: &accepted.path,
            model: admitted.model.as_deref(),
            stream: admitted.streamed,
            status: relayed.status,
            ending: relayed.ending.label(),
            error: relayed.error.as_ref().map(error_line),
            attempts: List(&dispatched.attempts),
            plugins: List(&exchange.plugins),
            usage: usage_line(exchange),
            metered: relayed.metered,
            bytes: Bytes {
                r#in: accepted.body_bytes,
                out: relayed.bytes_out,
            },
            us: Micros {
                total: micros(total),
                first_byte: relayed.first_byte.map(micros),
                first_token: relayed.first_token.map(micros),
                overhead: micros(total.saturating_sub(relayed.upstream_wait)),
            },
        }
    }
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(time.as_str())
}

fn error_line(mark: &ErrorMark) -> ErrorLine<'_> {
    ErrorLine {
        r#type: mark.kind,
        code: &mark.code,
        cause: mark.cause,
    }
}

fn usage_line(exchange: &Exchange) -> UsageLine {
    let (usage, source) = usage::of(exchange);
    let count = |tokens: Option<TokenCount>| tokens.map(|count| count.0);
    UsageLine {
        prompt: count(usage.prompt),
        completion: count(usage.completion),
        total: count(usage.total),
        cached: count(usage.cached),
        cache_write: count(usage.cache_write),
        reasoning: count(usage.reasoning),
        source: source.label(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
