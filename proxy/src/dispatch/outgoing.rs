//! The request as it goes to a provider: path, headers and body of one attempt, as plain bytes. It opens nothing.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use penstock_llm::embed;
use penstock_llm::model::{Dialect, Names};
use penstock_llm::openai::{Operation, Outbound, Request};
use penstock_llm::usage::TokenCount;
use penstock_plugin_host::CallBody;

use crate::accept::named;
use crate::adapter::Adapted;
use crate::dispatch::page;
use crate::dispatch::plan::{Planned, Step};
use crate::dispatch::translate::{self, Means, Remembered, Writer};
use crate::dispatch::{betas, reword, ruled};
use crate::exchange::{Exchange, Spoken, Terms};
use crate::fault::{Fault, Result};
use crate::state::answer::{Pair, Rewording, Translation};
use crate::state::media::Want;
use crate::state::parameters::Body;
use crate::state::secret::Secret;
use crate::state::signatures::{self, Vault};
use crate::state::snapshot::{Auth, Proof, Provider};

/// What a caller's SDK may tell a provider (APIS.md 9.10). Everything else stays here: credentials and framing above all.
const FORWARDED: &[&str] = &[
    "accept",
    "accept-language",
    "anthropic-beta",
    "anthropic-version",
    "baggage",
    "idempotency-key",
    "openai-beta",
    "traceparent",
    "tracestate",
];

/// One attempt's request.
#[derive(Debug)]
pub struct Outgoing {
    pub method: Method,
    /// Path and query, but for `key`.
    pub path: String,
    /// A credential that goes into the query, and the parameter's name.
    pub key: Option<(Box<str>, Secret)>,
    /// In the order they are written; framing comes from the body.
    pub headers: Vec<Header>,
    pub body: OutgoingBody,
    /// The caller speaks the provider's own dialect: errors are passed on as they are.
    pub is_raw: bool,
    /// How the answer gets into the caller's dialect, where the provider speaks another.
    pub translation: Option<Box<Translation>>,
    /// The same for embeddings and reranking, which also may have to be looked at where both speak the same.
    pub rewording: Option<Box<Rewording>>,
    /// Further requests of the same call, for providers that take few inputs at a time.
    pub more: Vec<Outgoing>,
    /// What could not be said in the provider's dialect.
    pub dropped: Vec<Box<str>>,
}

type Header = (HeaderName, HeaderValue);

/// The body, written once and straight into the connection's buffer.
#[derive(Debug)]
pub enum OutgoingBody {
    Spliced(Outbound),
    Plain(Bytes),
}

impl OutgoingBody {
    pub fn len(&self) -> usize {
        match self {
            Self::Spliced(outbound) => outbound.len(),
            Self::Plain(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn write_into(&self, wire: &mut Vec<u8>) {
        match self {
            Self::Spliced(outbound) => outbound.write_into(wire),
            Self::Plain(bytes) => wire.extend_from_slice(bytes),
        }
    }

    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Spliced(outbound) => {
                let mut bytes = Vec::with_capacity(outbound.len());
                outbound.write_into(&mut bytes);
                bytes.into()
            }
            Self::Plain(bytes) => bytes.clone(),
        }
    }
}

/// The request of one attempt at a call, and what its relay has to know; none while something is wanted for it.
pub fn for_step(
    exchange: &Exchange,
    step: &Step,
    terms: Terms,
    vault: &Arc<Vault>,
    adapted: Option<&Arc<Adapted>>,
    wants: &mut Vec<Want>,
) -> Result<Option<(Outgoing, Terms)>> {
    let Some((mut outgoing, terms)) = with_betas(exchange, step, terms, (vault, adapted), wants)? else {
        return Ok(None);
    };
    betas::limit(&mut outgoing, &step.planned.target.betas);
    Ok(Some((outgoing, terms)))
}

fn with_betas(
    exchange: &Exchange,
    step: &Step,
    terms: Terms,
    (vault, adapted): (&Arc<Vault>, Option<&Arc<Adapted>>),
    wants: &mut Vec<Want>,
) -> Result<Option<(Outgoing, Terms)>> {
    match exchange.admitted.call.as_ref().map(|call| &call.body) {
        Some(CallBody::Json(request)) => read_call(exchange, step, terms, request, (vault, adapted), wants),
        Some(CallBody::Raw(body)) => match (&exchange.accepted.spoken, exchange.accepted.page) {
            (Some(spoken), _) => {
                let outgoing = spoken_call(exchange, step, spoken, body)?;
                Ok(Some((
                    ruled::whole(outgoing, step, ruled::body_of(spoken))?,
                    terms,
                )))
            }
            (None, Some(page)) => Ok(Some((named_call(exchange, step, page, body)?, terms))),
            (None, None) => Ok(Some((raw_call(exchange, step, body)?, terms))),
        },
        None => Err(Fault::ours(500, "internal", "the call has no body")),
    }
}

fn read_call(
    exchange: &Exchange,
    step: &Step,
    terms: Terms,
    request: &Request,
    (vault, adapted): (&Arc<Vault>, Option<&Arc<Adapted>>),
    wants: &mut Vec<Want>,
) -> Result<Option<(Outgoing, Terms)>> {
    let provider = &step.planned.target.provider;
    let operation = request.operation();
    if operation == Operation::Chat && step.is_bridged(request.stream()) {
        return bridged_call(exchange, step, terms, request, (vault, adapted), wants);
    }
    let speaks = translate::spoken_to(provider, terms.dialect);
    if operation == Operation::Chat && (adapted.is_some() || speaks != terms.dialect) {
        let remembered = remembered(exchange, vault);
        let made = translated_call(exchange, step, request, (speaks, adapted), remembered, wants)?;
        return Ok(made.map(|outgoing| (outgoing, terms)));
    }
    let is_foreign = exchange.dispatched.ties.has_foreign_to(step);
    if operation == Operation::Chat && (is_foreign || translate::may_lack(request, &step.planned.target)) {
        let made = translated_call(exchange, step, request, (speaks, None), None, wants)?;
        if let Some(outgoing) = made {
            return Ok(Some((in_own_words(outgoing), terms_of_own(request, terms))));
        }
        if !wants.is_empty() {
            return Ok(None);
        }
    }
    if operation == Operation::Embeddings {
        let outgoing = embeddings_call(exchange, step, request)?;
        return Ok(Some((ruled::whole(outgoing, step, Body::Embeddings)?, terms)));
    }
    let ask_usage = provider.usage_option && request.stream() && operation.generates();
    let (outbound, dropped) = ruled::spliced(request, step, speaks, ask_usage)?;
    let terms = Terms {
        hide_usage: outbound.usage_added,
        ..terms
    };
    let json = HeaderValue::from_static("application/json");
    let outgoing = Outgoing {
        method: Method::POST,
        path: same_path(operation, speaks, step, request)?,
        key: query_key(step),
        headers: headers_in(speaks, step, &exchange.accepted.headers.0, Some(json))?,
        body: OutgoingBody::Spliced(outbound),
        is_raw: false,
        translation: None,
        rewording: None,
        more: Vec::new(),
        dropped,
    };
    Ok(Some((outgoing, terms)))
}

/// A call whose target streams always, or never: it is asked for what it has, and the answer is put together, or taken apart,
/// as its caller wants it. In the caller's own dialect, only the fields that ask for it change.
fn bridged_call(
    exchange: &Exchange,
    step: &Step,
    terms: Terms,
    request: &Request,
    with: (&Arc<Vault>, Option<&Arc<Adapted>>),
    wants: &mut Vec<Want>,
) -> Result<Option<(Outgoing, Terms)>> {
    let anew = request.asking(!request.stream()).map_err(|_| no_room_to_ask())?;
    let Some((mut outgoing, terms)) = read_call(exchange, step, terms, &anew, with, wants)? else {
        return Ok(None);
    };
    let translation = match outgoing.translation.take() {
        Some(translation) => *translation,
        None => {
            let own = translate::own(request)?;
            Translation {
                legacy_functions: own.legacy_functions,
                repeated: own.repeated,
                ..answer_from(exchange, terms.dialect)
            }
        }
    };
    outgoing.translation = Some(Box::new(Translation {
        streamed: request.stream(),
        usage_asked: request.usage_asked(),
        ..translation
    }));
    let terms = Terms {
        hide_usage: false,
        ..terms
    };
    Ok(Some((outgoing, terms)))
}

fn no_room_to_ask() -> Box<Fault> {
    let message = "the request is too large with the field that asks for a stream: send less";
    Fault::caller(413, "body_too_large", message)
}

/// A call that was written anew in its caller's own dialect: its answer goes on as it comes.
fn in_own_words(outgoing: Outgoing) -> Outgoing {
    Outgoing {
        translation: None,
        ..outgoing
    }
}

/// Streams that are written anew are asked for their usage.
fn terms_of_own(request: &Request, terms: Terms) -> Terms {
    Terms {
        hide_usage: request.stream() && !request.usage_asked() && terms.dialect == Dialect::OpenAiChat,
        ..terms
    }
}

/// A call of OpenAI's embeddings. Where the provider speaks the same, the bytes go as they came.
fn embeddings_call(exchange: &Exchange, step: &Step, request: &Request) -> Result<Outgoing> {
    let to = embed::Dialect::OpenAi;
    let speaks = reword::embeddings_of(&step.planned.target.provider, to, &step.planned.model);
    let body = request.bytes();
    if speaks != to {
        let said = reword::embeddings(step, to, speaks, None, body)?;
        return said_call(exchange, step, said, body);
    }
    let page = operation_path(Operation::Embeddings);
    let outbound = OutgoingBody::Spliced(request.outbound(&step.planned.model, false));
    let mut outgoing = whole_call(exchange, step, (page, page), outbound)?;
    outgoing.rewording = Some(rewording(exchange, Pair::Embed { from: to, to }, body));
    Ok(outgoing)
}

/// A call of embeddings or reranking in another dialect than OpenAI's.
fn spoken_call(exchange: &Exchange, step: &Step, spoken: &Spoken, body: &Bytes) -> Result<Outgoing> {
    let Planned { target, model, .. } = &step.planned;
    match spoken {
        Spoken::Rerank(caller) => match target.provider.rerank {
            Some(speaks) if speaks != *caller => said_call(
                exchange,
                step,
                reword::ranking(step, *caller, speaks, body)?,
                body,
            ),
            speaks => {
                let mut outgoing = named_call(exchange, step, reword::RANKING, body)?;
                let pair = speaks.map(|from| Pair::Rerank { from, to: *caller });
                outgoing.rewording = pair.map(|pair| rewording(exchange, pair, body));
                Ok(outgoing)
            }
        },
        Spoken::Embed {
            dialect,
            model: asked,
        } => {
            let speaks = reword::embeddings_of(&target.provider, *dialect, model);
            // in Gemini's batches each request repeats the model's name
            let is_renamed = asked.as_ref().is_some_and(|asked| asked != model);
            if speaks != *dialect || is_renamed {
                let said = reword::embeddings(step, *dialect, speaks, asked.as_deref(), body)?;
                return said_call(exchange, step, said, body);
            }
            let path = reword::embeddings_path(speaks, model);
            let renamed = match asked {
                Some(_) => body.clone(),
                None => named::renamed(&exchange.accepted.headers.0, body, model)?,
            };
            let page = (reword::embeddings_page(speaks), &*path);
            let mut outgoing = whole_call(exchange, step, page, OutgoingBody::Plain(renamed))?;
            let pair = Pair::Embed {
                from: speaks,
                to: *dialect,
            };
            outgoing.rewording = Some(rewording(exchange, pair, body));
            Ok(outgoing)
        }
    }
}

/// A call that was said anew, in as many requests as it takes.
fn said_call(exchange: &Exchange, step: &Step, said: reword::Said, body: &Bytes) -> Result<Outgoing> {
    let mut requests = Vec::with_capacity(said.bodies.len());
    let rewording = rewording(exchange, said.pair, body);
    for body in said.bodies {
        // each of them, so that an error of each is told in the caller's dialect
        requests.push(Outgoing {
            rewording: Some(rewording.clone()),
            ..whole_call(exchange, step, (said.page, &said.path), OutgoingBody::Plain(body))?
        });
    }
    let more = requests.split_off(1.min(requests.len()));
    let first = requests
        .pop()
        .ok_or_else(|| Fault::ours(500, "internal", "no request was written"))?;
    Ok(Outgoing {
        more,
        dropped: said.dropped,
        ..first
    })
}

fn rewording(exchange: &Exchange, pair: Pair, request: &Bytes) -> Box<Rewording> {
    let model = match &exchange.accepted.spoken {
        Some(Spoken::Embed { model, .. }) => model.clone(),
        _ => None,
    };
    Box::new(Rewording {
        pair,
        request: request.clone(),
        model,
        id: exchange.accepted.id.clone(),
        most_bytes: exchange.snapshot.limits.decompressed_bytes,
    })
}

/// A request with a JSON body, to a page under the provider's base path, which usually has this path.
fn whole_call(
    exchange: &Exchange,
    step: &Step,
    (page, usual): (&str, &str),
    body: OutgoingBody,
) -> Result<Outgoing> {
    let json = HeaderValue::from_static("application/json");
    let Planned { target, model, .. } = &step.planned;
    Ok(Outgoing {
        method: Method::POST,
        path: page::path(&target.provider, page, false, usual, model)?,
        key: query_key(step),
        headers: headers(step, &exchange.accepted.headers.0, Some(json))?,
        body,
        is_raw: false,
        translation: None,
        rewording: None,
        more: Vec::new(),
        dropped: Vec::new(),
    })
}

/// The path of a call that goes on in the caller's own dialect.
fn same_path(operation: Operation, speaks: Dialect, step: &Step, request: &Request) -> Result<String> {
    match operation {
        Operation::Chat => {
            let usual = speaks.path(&step.planned.model, request.stream());
            dialect_path(speaks, step, request.stream(), &usual)
        }
        other => plain_path(step, operation_path(other), request.stream()),
    }
}

/// What is kept for a caller that may not bring it back.
fn remembered<'e>(exchange: &'e Exchange, vault: &'e Arc<Vault>) -> Option<Remembered<'e>> {
    if signatures::come_back(exchange.accepted.dialect) || !exchange.dispatched.ties.lets_thoughts_go() {
        return None;
    }
    Some(Remembered {
        vault: vault.while_kept(&exchange.snapshot.signatures)?,
        caller: &exchange.admitted.caller.as_ref()?.name,
    })
}

/// The path of a generation at the step's provider.
fn dialect_path(speaks: Dialect, step: &Step, streams: bool, usual: &str) -> Result<String> {
    let model = &step.planned.model;
    let page = page::of_dialect(speaks, streams);
    page::path(&step.planned.target.provider, page, streams, usual, model)
}

/// The path of a page that usually has no model in it.
fn plain_path(step: &Step, page: &str, streams: bool) -> Result<String> {
    let Step { planned, .. } = step;
    page::path(&planned.target.provider, page, streams, page, &planned.model)
}

/// A call in another dialect than the caller's.
fn translated_call(
    exchange: &Exchange,
    step: &Step,
    request: &Request,
    (speaks, adapted): (Dialect, Option<&Arc<Adapted>>),
    remembered: Option<Remembered<'_>>,
    wants: &mut Vec<Want>,
) -> Result<Option<Outgoing>> {
    let target = &step.planned.target;
    let from_caller = &exchange.accepted.headers.0;
    let model = &step.planned.model;
    let means = Means {
        remembered,
        got: &exchange.dispatched.media,
        may_fetch: exchange.snapshot.fetch.enabled,
        as_words: exchange.snapshot.documents_as_words,
        foreign: &exchange.dispatched.ties.foreign_to(step),
    };
    let writer = Writer::of(speaks, adapted.map(|adapted| &**adapted))?;
    let made = translate::translated(request, target, model, writer, from_caller, means, wants)?;
    let Some(mut made) = made else { return Ok(None) };
    // what an adapter writes, it writes for its provider
    if adapted.is_none() {
        let caller = request.dialect();
        ruled::written(&mut made.bytes, &mut made.dropped, step, speaks, caller)?;
    }
    let path = match adapted {
        Some(_) => format!("{}{}", target.provider.base_path, made.path),
        None => dialect_path(speaks, step, request.stream(), &made.path)?,
    };
    let json = HeaderValue::from_static("application/json");
    let mut headers = match adapted {
        // it says itself what its API demands
        Some(_) => headers(step, from_caller, Some(json))?,
        None => headers_in(speaks, step, from_caller, Some(json))?,
    };
    headers.retain(|(name, _)| !made.headers.iter().any(|(own, _)| own == name));
    headers.extend(made.headers);
    let translation = Translation {
        adapted: adapted.cloned(),
        streamed: request.stream(),
        usage_asked: request.usage_asked(),
        legacy_functions: made.legacy_functions,
        names: made.names,
        repeated: made.repeated,
        keeping: made.keeping,
        ..answer_from(
            exchange,
            adapted.and_then(|adapted| adapted.dialect()).unwrap_or(speaks),
        )
    };
    Ok(Some(Outgoing {
        method: Method::POST,
        path,
        key: query_key(step),
        headers,
        body: OutgoingBody::Plain(made.bytes.into()),
        is_raw: false,
        translation: Some(Box::new(translation)),
        rewording: None,
        more: Vec::new(),
        dropped: made.dropped,
    }))
}

/// What is known of an answer's translation before its request is written.
fn answer_from(exchange: &Exchange, from: Dialect) -> Translation {
    Translation {
        from,
        adapted: None,
        to: exchange.accepted.dialect,
        id: exchange.accepted.id.clone(),
        created: exchange.accepted.at_ms / 1000,
        model: exchange.admitted.model.clone().unwrap_or_default(),
        streamed: exchange.admitted.streamed,
        usage_asked: false,
        legacy_functions: false,
        names: Names::default(),
        repeated: None,
        input_estimate: Some(TokenCount::estimated(exchange.prompt_bytes()).0),
        most_bytes: exchange.snapshot.limits.decompressed_bytes,
        keeping: None,
    }
}

/// The headers for a dialect: those that its API demands are there, whoever says them.
fn headers_in(
    dialect: Dialect,
    step: &Step,
    from_caller: &HeaderMap,
    content_type: Option<HeaderValue>,
) -> Result<Vec<Header>> {
    let mut headers = headers(step, from_caller, content_type)?;
    if let Some((name, value)) = translate::required_header(dialect)
        && !headers.iter().any(|(own, _)| *own == name)
    {
        headers.push((name, value));
    }
    Ok(headers)
}

/// A call of which only the model is read: it goes where the model does, under the model's name there.
fn named_call(exchange: &Exchange, step: &Step, page: &str, body: &Bytes) -> Result<Outgoing> {
    let from_caller = &exchange.accepted.headers.0;
    let body = named::renamed(from_caller, body, &step.planned.model)?;
    let content_type = from_caller.get(header::CONTENT_TYPE).cloned();
    Ok(Outgoing {
        method: Method::POST,
        path: plain_path(step, page, false)?,
        key: query_key(step),
        headers: headers_in(exchange.accepted.dialect, step, from_caller, content_type)?,
        body: OutgoingBody::Plain(body),
        is_raw: false,
        translation: None,
        rewording: None,
        more: Vec::new(),
        dropped: Vec::new(),
    })
}

fn raw_call(exchange: &Exchange, step: &Step, body: &Bytes) -> Result<Outgoing> {
    let accepted = &exchange.accepted;
    let content_type = accepted.headers.0.get(header::CONTENT_TYPE).cloned();
    Ok(Outgoing {
        method: accepted.method.clone(),
        path: accepted.raw_path.clone().unwrap_or_default(),
        key: query_key(step),
        headers: headers(step, &accepted.headers.0, content_type)?,
        body: OutgoingBody::Plain(body.clone()),
        is_raw: true,
        translation: None,
        rewording: None,
        more: Vec::new(),
        dropped: Vec::new(),
    })
}

/// The request that opens a realtime session. No extension is asked for, so that frames come uncompressed and can be
/// metered.
pub fn handshake(exchange: &Exchange, step: &Step, protocols: Option<HeaderValue>) -> Result<Outgoing> {
    let from_caller = &exchange.accepted.headers.0;
    let mut headers = headers(step, from_caller, None)?;
    headers.push((header::CONNECTION, HeaderValue::from_static("Upgrade")));
    headers.push((header::UPGRADE, HeaderValue::from_static("websocket")));
    for name in [header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION] {
        headers.extend(from_caller.get(&name).map(|value| (name, value.clone())));
    }
    headers.extend(protocols.map(|offered| (header::SEC_WEBSOCKET_PROTOCOL, offered)));
    let (provider, model) = (&step.planned.target.provider, &step.planned.model);
    let usual = format!("{}?model={}", page::REALTIME, percent_encoded(model));
    Ok(Outgoing {
        method: Method::GET,
        path: page::path(provider, page::REALTIME, false, &usual, model)?,
        key: query_key(step),
        headers,
        body: OutgoingBody::Plain(Bytes::new()),
        is_raw: false,
        translation: None,
        rewording: None,
        more: Vec::new(),
        dropped: Vec::new(),
    })
}

/// The key of this try; none where a token or a signature stands in its place.
fn key(step: &Step) -> Option<&Secret> {
    match &step.credential.credential.as_ref()?.proof {
        Proof::Key(secret) => Some(secret),
        Proof::Identity(_) => None,
    }
}

/// For a query's value; `/` and `:`, which are common in names of models, may stand there as they are.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

pub(super) fn unusable_credential(provider: &Provider) -> Box<Fault> {
    let message = format!(
        "the credential of provider {} cannot be sent in a header",
        provider.name
    );
    Fault::provider(502, "upstream_credentials_rejected", message)
}

/// The path of an operation under a provider's base path.
pub fn operation_path(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "/chat/completions",
        Operation::Completions => "/completions",
        Operation::Embeddings => "/embeddings",
        Operation::Moderations => "/moderations",
    }
}

/// Host, credential, the provider's own headers, then what the caller may say.
fn headers(step: &Step, from_caller: &HeaderMap, content_type: Option<HeaderValue>) -> Result<Vec<Header>> {
    let provider = &step.planned.target.provider;
    let unusable = || unusable_credential(provider);
    let mut headers = Vec::with_capacity(8);
    headers.push((
        header::HOST,
        HeaderValue::from_str(&authority(provider)).map_err(|_| unusable())?,
    ));
    headers.push((
        header::USER_AGENT,
        HeaderValue::from_static(concat!("penstock/", env!("CARGO_PKG_VERSION"))),
    ));
    headers.extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
    if let Some(secret) = key(step)
        && let Some((name, value)) = authorization(&provider.auth, secret)
    {
        headers.push((name, value.ok_or_else(unusable)?));
    }
    headers.extend(provider.headers.iter().cloned());
    let is_own = |name: &HeaderName| provider.headers.iter().any(|(own, _)| own == name);
    for (name, value) in from_caller {
        if FORWARDED.contains(&name.as_str()) && !is_own(name) {
            headers.push((name.clone(), value.clone()));
        }
    }
    Ok(headers)
}

fn authorization(auth: &Auth, secret: &Secret) -> Option<(HeaderName, Option<HeaderValue>)> {
    let secret = secret.expose();
    let (name, text) = match auth {
        Auth::Bearer => (header::AUTHORIZATION, format!("Bearer {secret}")),
        Auth::Scheme(word) => (header::AUTHORIZATION, format!("{word} {secret}")),
        Auth::Header(name) => (name.clone(), secret.to_owned()),
        Auth::Query(_) | Auth::None => return None,
    };
    let value = HeaderValue::from_str(&text).ok().map(|mut value| {
        value.set_sensitive(true);
        value
    });
    Some((name, value))
}

/// The credential of a provider that wants it in the query.
fn query_key(step: &Step) -> Option<(Box<str>, Secret)> {
    let Auth::Query(name) = &step.planned.target.provider.auth else {
        return None;
    };
    match &step.credential.credential.as_ref()?.proof {
        Proof::Key(secret) => Some((name.clone(), secret.clone())),
        Proof::Identity(_) => None,
    }
}

/// `host`, or `host:port` where the port is not the scheme's own.
pub fn authority(provider: &Provider) -> String {
    match (provider.tls, provider.port) {
        (true, 443) | (false, 80) => provider.host.to_string(),
        (_, port) => format!("{}:{port}", provider.host),
    }
}

impl Outgoing {
    /// What the provider speaks, where the caller speaks another dialect.
    pub fn speaks(&self) -> Option<Dialect> {
        let reworded = self.rewording.as_ref().filter(|it| !it.pair.is_same());
        let translated = self.translation.as_ref().map(|it| it.from);
        translated.or_else(|| reworded.map(|it| it.pair.errors()))
    }

    /// Path and query as they go out.
    pub fn target(&self) -> Cow<'_, str> {
        let Some((name, key)) = &self.key else {
            return Cow::Borrowed(&self.path);
        };
        let mark = if self.path.contains('?') { '&' } else { '?' };
        Cow::Owned(format!(
            "{}{mark}{name}={}",
            self.path,
            percent_encoded(key.expose())
        ))
    }

    /// Head and body as HTTP/1.1 puts them on the wire: one buffer, so one write (PINGORA.md, one-write path).
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(512 + self.body.len());
        wire.put_slice(self.method.as_str().as_bytes());
        wire.put_slice(b" ");
        wire.put_slice(self.target().as_bytes());
        wire.put_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.headers {
            wire.put_slice(name.as_str().as_bytes());
            wire.put_slice(b": ");
            wire.put_slice(value.as_bytes());
            wire.put_slice(b"\r\n");
        }
        if !self.body.is_empty() || self.method == Method::POST {
            wire.put_slice(b"content-length: ");
            wire.put_slice(self.body.len().to_string().as_bytes());
            wire.put_slice(b"\r\n");
        }
        wire.put_slice(b"\r\n");
        self.body.write_into(&mut wire);
        wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_cannot_end_the_query_or_add_to_it() {
        assert_eq!(
            percent_encoded("openai/gpt-realtime:free"),
            "openai/gpt-realtime:free"
        );
        assert_eq!(
            percent_encoded("a&model=b c#d\r\u{e9}"),
            "a%26model%3Db%20c%23d%0D%C3%A9"
        );
    }
}
