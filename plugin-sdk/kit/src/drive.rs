//! Calls a plugin in the real host with a case's input, and writes down what came out. Judging it is left to `run`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use penstock_llm::openai::{self, Answer, ReadLimits, Request, Role};
use penstock_plugin_host::{
    AnswerBody, AnswerView, CacheTerms, Call, CallBody, Capabilities, Capability, CapabilityTerms, Clock,
    Delta, EngineSettings, FailMode, HeaderList, Hook, Kind, Limits, LoadSpec, ModelList, Outcome, Piece,
    Plugin, PluginEngine, PluginFault, PluginState, Refusal, RequestVerdict, ResponseVerdict, RouteVerdict,
    Summary, Trips,
};

use crate::cases::{CallShape, CandidateShape, Input, body};
use crate::error::KitError;
use crate::services::{self, Service, Services, ready};
use crate::ways::Way;

/// What time it is in every case: 2026-01-01 00:00 UTC.
const CASE_TIME_MS: u64 = 1_767_225_600_000;

/// Ends a hook that loops. A case is about what comes out, and a machine with other work may stop a hook for longer than
/// the gateway would wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many settings a plugin is kept started with.
const MOST_KEPT: usize = 32;

/// Where there is no request, hooks see this one, which every operation takes.
const SMALL_REQUEST: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}],"prompt":"Hello","input":"Hello"}"#;

/// What came out of one hook.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    pub verdict: &'static str,
    pub refusal: Option<Refusal>,
    /// The body afterwards.
    pub body: Option<Bytes>,
    /// An answer's texts, a stream's by channel, or the plugin's own answer.
    pub texts: Vec<String>,
    /// A request's texts afterwards, as the provider will understand them: its body may spell them otherwise.
    pub asked: Vec<String>,
    pub order: Vec<u32>,
    pub reasons: Vec<String>,
}

/// A component with its settings, started once for all cases that share them.
pub(crate) struct Bench {
    engine: PluginEngine,
    component: Bytes,
    grants: Capabilities,
    terms: CapabilityTerms,
    services: Arc<Services>,
    loaded: HashMap<(String, Way), Result<Arc<Plugin>, String>>,
    /// How many were loaded under names of their own.
    named: usize,
}

impl Bench {
    /// An engine of its own, with a clock that stands still, before such services.
    pub fn new<'s>(
        component: Bytes,
        grants: Capabilities,
        all_services: impl Iterator<Item = &'s Service>,
    ) -> Result<Bench, KitError> {
        let services = Arc::new(Services::default());
        let terms = CapabilityTerms {
            http: services::terms(all_services).map_err(KitError::new)?,
            cache: CacheTerms {
                everyone: true,
                ..CacheTerms::default()
            },
        };
        let settings = EngineSettings {
            outbound: Some(services.clone()),
            // every plugin that is kept keeps its first instance
            pool_instances: 2 * MOST_KEPT as u32,
            clock: Clock::by_hand(CASE_TIME_MS).0,
            ..EngineSettings::default()
        };
        let engine = PluginEngine::new(settings).map_err(|error| KitError::new(error.to_string()))?;
        Ok(Bench {
            engine,
            component,
            grants,
            terms,
            services,
            loaded: HashMap::new(),
            named: 0,
        })
    }

    /// What services answer from here on.
    pub fn play(&self, services: &[Service]) {
        self.services.play(services);
    }

    /// The plugin with these settings, or why they are refused.
    ///
    /// One that counts or remembers is new for each case: cases do not see each other.
    pub fn plugin(&mut self, settings: &str, way: Way) -> Result<Arc<Plugin>, String> {
        if self.remembers() {
            self.named += 1;
            return self.load(&format!("case-{}", self.named), settings, way, Limits::default());
        }
        let key = (settings.to_string(), way);
        if let Some(known) = self.loaded.get(&key) {
            return known.clone();
        }
        if self.loaded.len() >= MOST_KEPT {
            self.loaded.clear();
        }
        let plugin = self.load("case", settings, way, Limits::default());
        self.loaded.insert(key, plugin.clone());
        plugin
    }

    /// Whether something of one call may be there at the next.
    fn remembers(&self) -> bool {
        [Capability::Kv, Capability::Counters]
            .iter()
            .any(|capability| self.grants.contains(*capability))
    }

    /// The same with other limits, not kept. What a plugin remembers goes by its name.
    pub fn load(&self, name: &str, settings: &str, way: Way, limits: Limits) -> Result<Arc<Plugin>, String> {
        let spec = LoadSpec {
            name: name.into(),
            component: self.component.clone(),
            settings: settings.to_string(),
            grants: self.grants,
            terms: self.terms.clone(),
            fail: FailMode::Closed,
            // cases fail on purpose; the next one has to be called all the same
            limits: Limits {
                hook_time: PATIENCE,
                start_time: PATIENCE,
                trips: Trips {
                    count: 0,
                    ..limits.trips
                },
                ..limits
            },
            instances: way.instances(),
        };
        self.engine.load(spec).map_err(|error| error.problem.to_string())
    }
}

/// The call of an input, with its request or a small one.
pub(crate) fn call(input: Input<'_>) -> Result<Call, String> {
    let small = Bytes::from_static(SMALL_REQUEST.as_bytes());
    let bytes = input.request.map_or(small, body);
    call_with(input.call, bytes)
}

/// A call with this body.
pub(crate) fn call_with(shape: &CallShape, bytes: Bytes) -> Result<Call, String> {
    let operation = shape.operation.operation();
    let (body, streamed) = match dialect(shape) {
        Some(dialect) => {
            let read = Request::read(dialect, bytes, &ReadLimits::default());
            let request = read.map_err(|error| format!("request: {}", error.message))?;
            let streamed = request.stream();
            (CallBody::Json(request), streamed)
        }
        None => (CallBody::Raw(bytes), false),
    };
    let headers = shape
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let catalogue = shape.catalogue.iter().map(|shape| shape.model()).collect();
    Ok(Call {
        id: shape.id.as_str().into(),
        operation,
        model: shape.model.as_str().into(),
        streamed,
        caller: shape.caller.as_str().into(),
        generation: shape.generation,
        headers: Arc::new(HeaderList(headers)),
        catalogue: Some(Arc::new(ModelList(catalogue))),
        body,
    })
}

fn dialect(shape: &CallShape) -> Option<openai::Operation> {
    use crate::cases::OperationName as Name;
    match shape.operation {
        Name::Chat => Some(openai::Operation::Chat),
        Name::Completions => Some(openai::Operation::Completions),
        Name::Embeddings => Some(openai::Operation::Embeddings),
        Name::Moderations => Some(openai::Operation::Moderations),
        Name::Raw => None,
    }
}

/// `on-request`.
pub(crate) fn request(plugin: &Plugin, call: &mut Call) -> Result<Observed, String> {
    if !plugin.interests().wants(Hook::OnRequest) {
        return Ok(not_called(Some(call.body.bytes().clone()), Vec::new()));
    }
    let ran = ready(plugin.on_request_waiting(call));
    let seen = Observed {
        body: Some(call.body.bytes().clone()),
        asked: request_texts(&call.body),
        ..Observed::default()
    };
    Ok(match ran.result.map_err(fault)? {
        RequestVerdict::Proceed if ran.edited => Observed {
            verdict: "edit",
            ..seen
        },
        RequestVerdict::Proceed => Observed {
            verdict: "proceed",
            ..seen
        },
        RequestVerdict::Answer(reply) => Observed {
            verdict: "answer",
            texts: vec![reply.text],
            ..seen
        },
        RequestVerdict::Refuse(refusal) => Observed {
            verdict: "refuse",
            refusal: Some(refusal),
            ..Observed::default()
        },
    })
}

fn request_texts(body: &CallBody) -> Vec<String> {
    let CallBody::Json(request) = body else {
        return Vec::new();
    };
    let texts = (0..request.segments().len()).filter_map(|at| request.text(at).map(|text| text.into_owned()));
    texts.collect()
}

/// `on-route`.
pub(crate) fn route(
    plugin: &Plugin,
    call: &mut Call,
    candidates: &[CandidateShape],
) -> Result<Observed, String> {
    let candidates: Vec<_> = candidates.iter().map(|shape| shape.candidate()).collect();
    if !plugin.interests().wants(Hook::OnRoute) {
        return Ok(not_called(None, Vec::new()));
    }
    let ran = ready(plugin.on_route_waiting(call, &candidates));
    Ok(match ran.result.map_err(fault)? {
        RouteVerdict::Order(choices) => Observed {
            verdict: "order",
            order: choices.iter().map(|choice| choice.candidate).collect(),
            reasons: choices.into_iter().map(|choice| choice.reason).collect(),
            ..Observed::default()
        },
        RouteVerdict::Refuse(refusal) => Observed {
            verdict: "refuse",
            refusal: Some(refusal),
            ..Observed::default()
        },
    })
}

/// `on-response` with an answer's body.
pub(crate) fn answer(
    plugin: &Plugin,
    call: &mut Call,
    shape: &CallShape,
    bytes: Bytes,
) -> Result<Observed, String> {
    let dialect = dialect(shape).ok_or("answer: an operation that is passed on raw has none")?;
    let answer = Answer::read(dialect, bytes).map_err(|error| format!("answer: {}", error.message))?;
    response(plugin, call, AnswerView::json(answer))
}

/// `on-response` with the answer of a stream that was held back: what the channels say, whole.
pub(crate) fn assembled(plugin: &Plugin, call: &mut Call, channels: &[Channel]) -> Result<Observed, String> {
    let piece = |channel: &Channel| Piece {
        choice: channel.choice,
        role: Role::Assistant,
        kind: channel.kind,
        text: channel.text.clone(),
    };
    response(
        plugin,
        call,
        AnswerView::assembled(channels.iter().map(piece).collect()),
    )
}

fn response(plugin: &Plugin, call: &mut Call, mut view: AnswerView) -> Result<Observed, String> {
    if !plugin.interests().wants(Hook::OnResponse) {
        let (body, texts) = content(&view);
        return Ok(not_called(body, texts));
    }
    let ran = ready(plugin.on_response_waiting(call, &mut view));
    let (body, texts) = content(&view);
    Ok(match ran.result.map_err(fault)? {
        ResponseVerdict::Proceed if ran.edited => Observed {
            verdict: "edit",
            body,
            texts,
            ..Observed::default()
        },
        ResponseVerdict::Proceed => Observed {
            verdict: "proceed",
            body,
            texts,
            ..Observed::default()
        },
        ResponseVerdict::Refuse(refusal) => Observed {
            verdict: "refuse",
            refusal: Some(refusal),
            ..Observed::default()
        },
    })
}

fn content(view: &AnswerView) -> (Option<Bytes>, Vec<String>) {
    match &view.body {
        AnswerBody::Json(answer) => {
            let texts =
                (0..answer.segments().len()).filter_map(|at| answer.text(at).map(|text| text.into_owned()));
            (Some(answer.bytes().clone()), texts.collect())
        }
        AnswerBody::Assembled(pieces) => (None, pieces.iter().map(|piece| piece.text.clone()).collect()),
    }
}

/// One channel of a stream, whole.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub choice: u32,
    pub kind: Kind,
    pub text: String,
}

/// New text of one channel; without text the channel is over.
pub(crate) type Arrival<'a> = (usize, Option<&'a str>);

/// `on-event`, as the gateway drives it. `watch` sees each channel's text as it has gone out so far.
pub(crate) fn stream(
    plugin: &Plugin,
    call: &mut Call,
    channels: &[Channel],
    arrivals: &[Arrival<'_>],
    watch: &mut dyn FnMut(usize, &str) -> Result<(), String>,
) -> Result<Observed, String> {
    let mut state = PluginState::default();
    let mut held = vec![String::new(); channels.len()];
    let mut sent = held.clone();
    let mut called = false;
    for (at, text) in arrivals {
        let channel = &channels[*at];
        if !plugin.interests().wants_kind(channel.kind) {
            sent[*at].push_str(text.unwrap_or_default());
            continue;
        }
        called = true;
        let fresh = held[*at].len() as u32;
        let window = std::mem::take(&mut held[*at]) + text.unwrap_or_default();
        let delta = Delta {
            channel: *at as u32,
            choice: channel.choice,
            kind: channel.kind,
            window: &window,
            fresh,
            last: text.is_none(),
        };
        let ran = ready(plugin.on_event_waiting(call, delta, &mut state));
        let outcome = ran.result.map_err(fault)?;
        if let Some(refusal) = outcome.end {
            return Ok(Observed {
                verdict: "end",
                refusal: Some(refusal),
                texts: sent,
                ..Observed::default()
            });
        }
        let kept = window.len() - outcome.hold as usize;
        pass(&window[..kept], &outcome, &mut sent[*at]);
        held[*at] = window[kept..].to_string();
        watch(*at, &sent[*at])?;
    }
    let unchanged = channels
        .iter()
        .zip(&sent)
        .all(|(channel, sent)| channel.text == *sent);
    let verdict = match (called, unchanged) {
        (false, _) => "none",
        (true, true) => "proceed",
        (true, false) => "edit",
    };
    Ok(Observed {
        verdict,
        texts: sent,
        ..Observed::default()
    })
}

fn pass(window: &str, outcome: &Outcome, out: &mut String) {
    let mut from = 0;
    for edit in &outcome.edits {
        out.push_str(&window[from..edit.start as usize]);
        out.push_str(&edit.text);
        from = edit.end as usize;
    }
    out.push_str(&window[from..]);
}

/// `on-complete`.
pub(crate) fn complete(plugin: &Plugin, call: &mut Call, summary: &Summary) -> Result<Observed, String> {
    if !plugin.interests().wants(Hook::OnComplete) {
        return Ok(not_called(None, Vec::new()));
    }
    let ran = ready(plugin.on_complete_waiting(call, summary));
    ran.result.map_err(fault)?;
    Ok(Observed {
        verdict: "proceed",
        ..Observed::default()
    })
}

fn not_called(body: Option<Bytes>, texts: Vec<String>) -> Observed {
    Observed {
        verdict: "none",
        body,
        texts,
        ..Observed::default()
    }
}

fn fault(fault: PluginFault) -> String {
    format!("{FAULT}{fault}")
}

const FAULT: &str = "the plugin ";

/// Whether a hook ended so, and not the case by a mistake in it.
pub(crate) fn is_fault(error: &str) -> bool {
    error.starts_with(FAULT)
}
