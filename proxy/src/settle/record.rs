//! The one line that is written about a request: who, what, where to, how it ended, what it cost in time. Never content.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use penstock_llm::usage::{TokenCount, Usage};

use crate::exchange::{Accepted, Attempt, Ending, Exchange, Kind, PluginRun, TurnedAway};
use crate::fault::ErrorMark;
use crate::settle::json::Object;
use crate::settle::usage;
use crate::state::clock;
use crate::state::media::Note;

/// A record has about a kilobyte, and a chain of plugins another.
const USUAL_LENGTH: usize = 2048;

/// The record as one line of JSON.
pub fn line(exchange: &Exchange) -> Vec<u8> {
    let mut line = Vec::with_capacity(USUAL_LENGTH);
    Object::write(&mut line, |record| {
        who(exchange, record);
        what(exchange, record);
        record.objects("attempts", &exchange.dispatched.attempts, attempt);
        if !exchange.dispatched.dropped.is_empty() {
            record.texts("dropped", &exchange.dispatched.dropped);
        }
        if !exchange.dispatched.media.notes.is_empty() {
            record.objects("media", &exchange.dispatched.media.notes, media);
        }
        record.objects("plugins", &exchange.plugins, plugin);
        let (usage, source) = usage::of(exchange);
        record.object("usage", |line| tokens(&usage, source, line));
        if let Some(metered) = exchange.relayed.metered {
            record.flag("metered", metered);
        }
        record.object("bytes", |bytes| {
            bytes.number("in", exchange.accepted.body_bytes);
            bytes.number("out", exchange.relayed.bytes_out);
        });
        record.object("us", |us| times(exchange, us));
    });
    line.push(b'\n');
    line
}

/// The record of what never became a request, in the same form, with how many before it went without one.
pub fn turned_away(away: &TurnedAway, unrecorded: u64) -> Vec<u8> {
    let mut line = Vec::with_capacity(USUAL_LENGTH);
    Object::write(&mut line, |record| {
        record.word("time", clock::rfc3339(away.at_ms).as_str());
        record.word("id", &away.id);
        record.number("generation", away.generation);
        record.null("key");
        client(away.client, record);
        record.word("operation", Kind::Unknown.label());
        record.word("method", "");
        record.word("path", "");
        record.null("model");
        record.flag("stream", false);
        record.number("status", u64::from(away.status));
        record.word("ending", Ending::Refused.label());
        record.object("error", |line| error(&away.fault.mark(), line));
        record.objects("attempts", &[], attempt);
        record.objects("plugins", &[], plugin);
        record.object("usage", |line| {
            tokens(&Usage::default(), usage::Source::None, line);
        });
        record.number("unrecorded", unrecorded);
        record.object("bytes", |bytes| {
            bytes.number("in", 0);
            bytes.number("out", away.bytes_out);
        });
        record.object("us", |us| {
            let total = micros(away.at.elapsed());
            us.number("total", total);
            us.null("first_byte");
            us.null("first_token");
            us.number("overhead", total);
        });
    });
    line.push(b'\n');
    line
}

fn who(exchange: &Exchange, record: &mut Object<'_>) {
    let Accepted { at_ms, id, .. } = &exchange.accepted;
    record.word("time", clock::rfc3339(*at_ms).as_str());
    record.word("id", id);
    record.number("generation", exchange.snapshot.generation);
    let caller = exchange.admitted.caller.as_ref();
    record.text_or_null("key", caller.map(|caller| &*caller.name));
    client(exchange.accepted.client, record);
}

fn client(address: Option<IpAddr>, record: &mut Object<'_>) {
    match address {
        Some(address) => record.word("client", spelled(address).as_str()),
        None => record.null("client"),
    }
}

fn what(exchange: &Exchange, record: &mut Object<'_>) {
    let Exchange {
        accepted,
        admitted,
        relayed,
        ..
    } = exchange;
    record.word("operation", accepted.kind.label());
    record.text("method", accepted.method.as_str());
    record.text("path", &accepted.path);
    record.text_or_null("model", admitted.model.as_deref());
    record.flag("stream", admitted.streamed);
    record.number("status", u64::from(relayed.status));
    record.word("ending", relayed.ending.label());
    match &relayed.error {
        Some(mark) => record.object("error", |line| error(mark, line)),
        None => record.null("error"),
    }
}

fn error(mark: &ErrorMark, line: &mut Object<'_>) {
    line.word("type", mark.kind);
    line.text("code", &mark.code);
    line.word("cause", mark.cause);
}

fn attempt(attempt: &Attempt, line: &mut Object<'_>) {
    line.text("provider", &attempt.provider);
    line.text("model", &attempt.model);
    line.number("credential", u64::from(attempt.credential));
    line.number_or_null("status", attempt.status.map(u64::from));
    line.word("outcome", attempt.outcome.label());
    line.number("us", micros(attempt.took));
    if let Some(reason) = &attempt.reason {
        line.text("reason", reason);
    }
}

fn media(note: &Note, line: &mut Object<'_>) {
    line.text("field", &note.field);
    line.word("what", note.what);
    line.text_or_null("host", note.host.as_deref());
    line.word("outcome", note.outcome);
    line.number("bytes", note.bytes as u64);
    line.number("us", micros(note.took));
}

fn plugin(run: &PluginRun, line: &mut Object<'_>) {
    line.text("name", run.plugin.name());
    line.word("digest", run.plugin.digest_short());
    line.word("hook", run.hook.as_str());
    line.word("verdict", run.verdict.label());
    line.number("calls", u64::from(run.calls));
    line.number("us", micros(run.took));
}

fn tokens(usage: &Usage, source: usage::Source, line: &mut Object<'_>) {
    let mut count = |name, tokens: Option<TokenCount>| line.number_or_null(name, tokens.map(|count| count.0));
    count("prompt", usage.prompt);
    count("completion", usage.completion);
    count("total", usage.total);
    count("cached", usage.cached);
    count("cache_write", usage.cache_write);
    count("reasoning", usage.reasoning);
    line.word("source", source.label());
}

fn times(exchange: &Exchange, line: &mut Object<'_>) {
    let relayed = &exchange.relayed;
    let total = exchange.total();
    line.number("total", micros(total));
    line.number_or_null("first_byte", relayed.first_byte.map(micros));
    line.number_or_null("first_token", relayed.first_token.map(micros));
    line.number("overhead", micros(total.saturating_sub(relayed.upstream_wait)));
}

fn spelled(address: IpAddr) -> String {
    let mut text = String::with_capacity(40);
    // writing into memory cannot fail
    let _ = write!(text, "{address}");
    text
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
