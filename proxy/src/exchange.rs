//! All that is known about one request, one part per stage. The stages meet here and nowhere else; it decides nothing.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use penstock_llm::model::{Dialect, Seal};
use penstock_llm::openai::{Operation, Request};
use penstock_llm::usage::Usage;
use penstock_llm::{embed, rerank};
use penstock_plugin_host::{
    Call, CallBody, CatalogueView, HeaderView, Hook, Operation as PluginOperation, Plugin,
};

use crate::dispatch::ties::{self, Ties};
use crate::fault::{ErrorMark, Fault, Result};
use crate::state::State;
use crate::state::catalogue::Offer;
use crate::state::counters::Held;
use crate::state::media::Got;
use crate::state::owners::Owner;
use crate::state::snapshot::{Caller, Snapshot, Target};

/// Of the name of a model that there may not be. Those of the providers are shorter.
const MOST_MODEL_BYTES: usize = 256;

/// One request, from its first byte to its record.
pub struct Exchange {
    /// The configuration this request started with; it finishes on it, whatever is swapped meanwhile.
    pub snapshot: Arc<Snapshot>,
    pub accepted: Accepted,
    pub admitted: Admitted,
    pub dispatched: Dispatched,
    pub relayed: Relayed,
    /// What each plugin did, in the order of the first run.
    pub plugins: Vec<PluginRun>,
}

/// What came and never became a request: a connection over the limit, a head that made no sense or did not come.
#[derive(Debug)]
pub struct TurnedAway {
    pub id: Arc<str>,
    /// When it began to be waited for.
    pub at: Instant,
    pub at_ms: u64,
    /// The generation that would have served it.
    pub generation: u64,
    pub client: Option<IpAddr>,
    pub fault: Box<Fault>,
    /// What the client was told; 0 where it was told nothing.
    pub status: u16,
    pub bytes_out: u64,
}

/// What accept found.
#[derive(Debug)]
pub struct Accepted {
    pub id: Arc<str>,
    /// When the head was complete.
    pub at: Instant,
    pub at_ms: u64,
    pub method: Method,
    /// The path, without the query: a query may hold a secret.
    pub path: Arc<str>,
    pub client: Option<IpAddr>,
    pub headers: Arc<Headers>,
    pub kind: Kind,
    /// What the caller speaks: errors and answers are in it.
    pub dialect: Dialect,
    pub body_bytes: u64,
    /// Path and query at the provider, of a raw call.
    pub raw_path: Option<String>,
    /// The page under a provider's base path, of a call of which only the model is read.
    pub page: Option<&'static str>,
    /// What such a call is, where it can be said in other words.
    pub spoken: Option<Spoken>,
    /// What is wanted of what a provider keeps.
    pub stored: Option<Stored>,
    /// The request's shares of the process's limits.
    pub held: Vec<Held>,
}

/// A call that is passed on as it comes to a provider that speaks its dialect, and said anew to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    Embed {
        dialect: embed::Dialect,
        /// Where the path names it.
        model: Option<Arc<str>>,
    },
    Rerank(rerank::Dialect),
}

/// What is wanted of what a provider keeps: files, batches and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    Upload,
    Files,
    File(String),
    DeleteFile(String),
    Content(String),
    CreateBatch,
    Batches,
    Batch(String),
    CancelBatch(String),
    Response(String),
    /// What an answer was asked for.
    ResponseItems(String),
    CancelResponse(String),
    DeleteResponse(String),
}

impl Stored {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Upload | Self::Files | Self::File(_) | Self::DeleteFile(_) | Self::Content(_) => {
                Kind::Files
            }
            Self::CreateBatch | Self::Batches | Self::Batch(_) | Self::CancelBatch(_) => Kind::Batches,
            Self::Response(_)
            | Self::ResponseItems(_)
            | Self::CancelResponse(_)
            | Self::DeleteResponse(_) => Kind::Responses,
        }
    }

    /// The id of what says how much it has used, whenever it is looked at.
    pub fn metered_id(&self) -> Option<&str> {
        match self {
            Self::Batch(id) | Self::CancelBatch(id) | Self::Response(id) | Self::CancelResponse(id) => {
                Some(id)
            }
            _ => None,
        }
    }

    /// Whether the answer is an answer of a model.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Response(_) | Self::CancelResponse(_))
    }

    /// Whether the answer is a list of such things.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Files | Self::Batches)
    }

    /// Whether the answer is what is in a file, which may be anything.
    pub fn is_content(&self) -> bool {
        matches!(self, Self::Content(_))
    }

    pub fn id(&self) -> Option<&str> {
        match self {
            Self::File(id)
            | Self::DeleteFile(id)
            | Self::Content(id)
            | Self::Batch(id)
            | Self::CancelBatch(id)
            | Self::Response(id)
            | Self::ResponseItems(id)
            | Self::CancelResponse(id)
            | Self::DeleteResponse(id) => Some(id),
            Self::Upload | Self::Files | Self::CreateBatch | Self::Batches => None,
        }
    }
}

/// The request's headers, as every stage and plugin reads them.
#[derive(Debug)]
pub struct Headers(pub HeaderMap);

impl HeaderView for Headers {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self
            .0
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let first = values.next()?;
        Some(values.fold(Cow::Borrowed(first), |joined, next| {
            Cow::Owned(format!("{joined}, {next}"))
        }))
    }
}

/// What kind of request it is: the label in metrics and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Operation(Operation),
    Models,
    Raw,
    Realtime,
    Images,
    Audio,
    Rerank,
    /// How many tokens a request has.
    Count,
    Files,
    Batches,
    /// Answers that are come back to.
    Responses,
    /// A browser that asks whether its page may call.
    Preflight,
    /// A page that does not exist, or a method it does not have.
    Unknown,
}

impl Kind {
    /// Of a page of which only the model is read.
    pub fn of_page(page: &str) -> Self {
        if page.starts_with("/images") {
            Self::Images
        } else if page.starts_with("/audio") {
            Self::Audio
        } else {
            Self::Rerank
        }
    }

    /// Its place in tables of handles.
    pub fn place(self) -> usize {
        match self {
            Self::Operation(operation) => operation as usize,
            Self::Models => 4,
            Self::Raw => 5,
            Self::Realtime => 6,
            Self::Preflight => 7,
            Self::Unknown => 8,
            Self::Images => 9,
            Self::Audio => 10,
            Self::Rerank => 11,
            Self::Count => 12,
            Self::Files => 13,
            Self::Batches => 14,
            Self::Responses => 15,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Operation(Operation::Chat) => "chat",
            Self::Operation(Operation::Completions) => "completions",
            Self::Operation(Operation::Embeddings) => "embeddings",
            Self::Operation(Operation::Moderations) => "moderations",
            Self::Models => "models",
            Self::Raw => "raw",
            Self::Realtime => "realtime",
            Self::Images => "images",
            Self::Audio => "audio",
            Self::Rerank => "rerank",
            Self::Count => "count_tokens",
            Self::Files => "files",
            Self::Batches => "batches",
            Self::Responses => "responses",
            Self::Preflight => "preflight",
            Self::Unknown => "unknown",
        }
    }
}

/// What admit found.
#[derive(Default)]
pub struct Admitted {
    pub caller: Option<Arc<Caller>>,
    /// The call as the plugins see and edit it.
    pub call: Option<Call>,
    pub model: Option<Arc<str>>,
    pub streamed: bool,
    /// Where what the call is about is kept: nobody else has it.
    pub owner: Option<Owner>,
}

/// What relaying needs to know of the call.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// `None` for a dialect that is not read.
    pub operation: Option<Operation>,
    /// What the caller speaks. Whatever the provider speaks, what is relayed is in it.
    pub dialect: Dialect,
    /// The gateway asked for the usage chunk, and the caller did not.
    pub hide_usage: bool,
    pub most_bytes: usize,
}

/// What dispatch did.
#[derive(Debug, Default)]
pub struct Dispatched {
    pub attempts: Vec<Attempt>,
    /// What ties the call to one account of a provider.
    pub ties: Ties,
    /// Whose the answer under way is, where its caller may come back to it.
    pub origin: Option<Origin>,
    /// What the attempt under way could not say in the provider's dialect: names of fields.
    pub dropped: Vec<Box<str>>,
    /// What its media had to become for its targets.
    pub media: Got,
    /// The target whose answer went to the caller.
    pub served_by: Option<Served>,
    /// How that answer ended, where it had begun and did not come to its end.
    pub broke: Option<Outcome>,
}

#[derive(Clone, Debug)]
pub struct Served {
    pub target: Arc<Target>,
    pub model: Arc<str>,
}

/// The account that an answer is from.
#[derive(Debug)]
pub struct Origin {
    pub state: Arc<State>,
    pub owner: Owner,
    /// The provider may keep the answer, and the caller knows it by the provider's own id.
    pub keeps: bool,
    /// The provider goes on with the answer when its caller leaves, and says what it used to whoever comes back.
    pub goes_on: bool,
    /// That id, once it is known.
    pub answer: Option<Box<str>>,
}

/// One try at one target.
#[derive(Debug)]
pub struct Attempt {
    pub provider: Arc<str>,
    pub model: Arc<str>,
    pub credential: u32,
    pub status: Option<u16>,
    pub outcome: Outcome,
    pub took: Duration,
    /// Why the router put it there, if it said.
    pub reason: Option<Box<str>>,
}

/// How an attempt ended: the label in metrics and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Served,
    /// Could not be reached.
    Connect,
    /// Nothing came in time.
    Timeout,
    /// Answered with a status that sends the call to the next target.
    Status,
    /// The provider refused the gateway's own credential.
    Credential,
    /// The gateway's adapter for it failed.
    Adapter,
    /// Broke off, or made no sense.
    Broken,
    /// An error event before anything was said.
    ErrorEvent,
    /// The caller left meanwhile.
    Cancelled,
}

impl Outcome {
    pub fn label(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Credential => "credential",
            Self::Adapter => "adapter",
            Self::Broken => "broken",
            Self::ErrorEvent => "error_event",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What relay did.
#[derive(Debug, Default)]
pub struct Relayed {
    /// What the caller was told; 0 while nothing was.
    pub status: u16,
    pub ending: Ending,
    /// The caller has the last event of its stream: when it hangs up from here on, it has not left early.
    pub has_all: bool,
    pub error: Option<ErrorMark>,
    pub usage: Option<Usage>,
    /// Of a realtime session: whether `usage` is all that it used, as far as the provider said.
    pub metered: Option<bool>,
    /// Text of the answer, in bytes: what an estimate goes by.
    pub text_bytes: u64,
    pub bytes_out: u64,
    /// Since the head of the request was complete.
    pub first_byte: Option<Duration>,
    pub first_token: Option<Duration>,
    pub events: u64,
    /// Time spent waiting for the provider: the rest of the total is ours.
    pub upstream_wait: Duration,
    /// When it was over, where settling it takes its time.
    pub total: Option<Duration>,
}

/// How a request ended: the label in metrics and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    Complete,
    /// By the gateway or one of its plugins.
    Refused,
    Failed,
    /// The caller left. What nobody ended otherwise was cancelled with its task.
    #[default]
    Cancelled,
    /// The provider broke off after the answer had begun.
    Truncated,
}

impl Ending {
    pub fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Truncated => "truncated",
        }
    }
}

/// What one plugin did at one hook, all its calls together.
#[derive(Debug)]
pub struct PluginRun {
    pub plugin: Arc<Plugin>,
    pub hook: Hook,
    pub verdict: Verdict,
    pub calls: u32,
    pub took: Duration,
}

/// What a plugin's run came to. Ordered by weight: over many events the heaviest one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It would have been asked, but this call had nothing for it.
    None,
    Proceed,
    Hold,
    Order,
    Edit,
    Answer,
    Refuse,
    /// It failed, and the chain went on without it.
    Skipped,
    /// It failed, and the call was refused for it.
    Fault,
}

impl Verdict {
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Proceed => "proceed",
            Self::Hold => "hold",
            Self::Order => "order",
            Self::Edit => "edit",
            Self::Answer => "answer",
            Self::Refuse => "refuse",
            Self::Skipped => "skipped",
            Self::Fault => "fault",
        }
    }
}

impl Dispatched {
    /// Says how the attempt under way has ended: served, or otherwise.
    pub fn note(&mut self, took: Duration, otherwise: Option<(Outcome, Option<u16>)>) {
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        let served = (self.broke.unwrap_or(Outcome::Served), Some(200));
        let (outcome, status) = otherwise.unwrap_or(served);
        (attempt.took, attempt.outcome, attempt.status) = (took, outcome, status);
    }

    /// Says that the attempt under way was answered, whatever becomes of it.
    pub fn note_status(&mut self, status: u16) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.status = Some(status);
        }
    }

    /// Says how long the attempt under way took until the caller left.
    pub fn note_left(&mut self, took: Duration) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.took = took;
        }
    }

    /// What the provider of the attempt under way said, without the secrets that it was shown.
    pub fn scrubbed(&self, said: Bytes) -> Bytes {
        match (&self.served_by, self.attempts.last()) {
            (Some(served), Some(attempt)) => served.target.provider.scrubbed(attempt.credential, said),
            _ => said,
        }
    }
}

impl Exchange {
    /// Whose call it is.
    ///
    /// # Errors
    /// The key was not checked yet, which is the gateway's own mistake.
    pub fn caller(&self) -> Result<Arc<Caller>> {
        let caller = self.admitted.caller.clone();
        caller.ok_or_else(|| Fault::ours(500, "internal", "no caller"))
    }

    /// Notes which model is asked for, whether there is such a one or not. What is recorded of it is bounded.
    pub fn ask_for(&mut self, model: &str) {
        let end = model.floor_char_boundary(MOST_MODEL_BYTES);
        self.admitted.model = model.get(..end).map(Arc::from);
    }

    /// Makes the call that plugins see. From here on its body is the request's body.
    pub fn admit(&mut self, request: Request) {
        let (operation, model) = (request.operation().into(), request.model().into());
        self.admitted.streamed = request.stream();
        self.admit_body(operation, model, CallBody::Json(request));
    }

    /// The same for a body that is only passed on.
    pub fn admit_raw(&mut self, model: Arc<str>, body: Bytes) {
        self.admit_body(PluginOperation::Raw, model, CallBody::Raw(body));
    }

    /// The same for a session, which has no body: plugins see who wants it, and for which model.
    pub fn admit_realtime(&mut self, model: Arc<str>) {
        self.admitted.streamed = true;
        self.admit_body(PluginOperation::Realtime, model, CallBody::Raw(Bytes::new()));
    }

    fn admit_body(&mut self, operation: PluginOperation, model: Arc<str>, body: CallBody) {
        self.admitted.model = Some(model.clone());
        self.admitted.call = Some(Call {
            id: self.accepted.id.clone(),
            operation,
            model,
            streamed: self.admitted.streamed,
            caller: self
                .admitted
                .caller
                .as_ref()
                .map(|caller| caller.name.clone())
                .unwrap_or_default(),
            generation: self.snapshot.generation,
            headers: self.accepted.headers.clone(),
            catalogue: self.offer(),
            body,
        });
    }

    /// The models on offer, where a plugin of the chain may ask for them.
    fn offer(&self) -> Option<Arc<dyn CatalogueView>> {
        if !self.snapshot.shows_catalogue {
            return None;
        }
        let caller = self.admitted.caller.clone()?;
        let snapshot = self.snapshot.clone();
        Some(Arc::new(Offer { snapshot, caller }))
    }

    /// The texts of the request as it stands, in bytes; 0 for a dialect that is not read.
    pub fn prompt_bytes(&self) -> u64 {
        let Some(CallBody::Json(request)) = self.admitted.call.as_ref().map(|call| &call.body) else {
            return 0;
        };
        request
            .segments()
            .iter()
            .map(|segment| u64::from(segment.length))
            .sum()
    }

    /// Remembers whose encrypted thoughts these are that go to the caller.
    pub fn note_seals(&self, seals: &[Seal]) {
        let (Some(origin), Some(caller)) = (&self.dispatched.origin, &self.admitted.caller) else {
            return;
        };
        for seal in seals {
            let name = ties::name_of(*seal);
            origin
                .state
                .owners
                .remember(&caller.name, &name, origin.owner.clone());
        }
    }

    /// Remembers whose answer this is, by its id. `accounted`: what it used is, or will be, accounted for.
    pub fn note_answer(&mut self, id: &str, accounted: bool) {
        let origin = self.dispatched.origin.as_mut().filter(|origin| origin.keeps);
        let (Some(origin), Some(caller)) = (origin, &self.admitted.caller) else {
            return;
        };
        let owner = Owner {
            accounted: accounted && !origin.goes_on,
            ..origin.owner.clone()
        };
        origin.answer = Some(id.into());
        origin.state.owners.remember(&caller.name, id, owner);
    }

    /// The id of what is told again to whoever comes back, what it used with it: that is accounted for once.
    pub fn told_again(&self) -> Option<&str> {
        let stored = self.accepted.stored.as_ref().and_then(Stored::metered_id);
        stored.or_else(|| self.going_on()?.answer.as_deref())
    }

    /// Whether the caller wants an answer that is made without it.
    pub fn is_in_background(&self) -> bool {
        let Some(CallBody::Json(request)) = self.admitted.call.as_ref().map(|call| &call.body) else {
            return false;
        };
        self.accepted.dialect == Dialect::OpenAiResponses && request.pointer("/background") == Some(b"true")
    }

    /// Where the answer under way comes from, if its provider goes on with it when the caller leaves.
    pub fn going_on(&self) -> Option<&Origin> {
        self.dispatched.origin.as_ref().filter(|origin| origin.goes_on)
    }

    /// From the end of the request's head to now, or to the end of its answer if that is over.
    pub fn total(&self) -> Duration {
        self.relayed.total.unwrap_or_else(|| self.accepted.at.elapsed())
    }

    /// Adds to what the record says of a plugin at a hook.
    pub fn note_runs(
        &mut self,
        plugin: &Arc<Plugin>,
        hook: Hook,
        verdict: Verdict,
        calls: u32,
        took: Duration,
    ) {
        let same = |run: &&mut PluginRun| run.hook == hook && Arc::ptr_eq(&run.plugin, plugin);
        if let Some(run) = self.plugins.iter_mut().find(same) {
            run.calls += calls;
            run.took += took;
            run.verdict = run.verdict.max(verdict);
            return;
        }
        self.plugins.push(PluginRun {
            plugin: plugin.clone(),
            hook,
            verdict,
            calls,
            took,
        });
    }

    /// The same for an error that is the last thing its caller has to hear: leaving is no news after it.
    pub fn fail_once(&mut self, ending: Ending, fault: &Fault) {
        if !std::mem::replace(&mut self.relayed.has_all, true) {
            self.fail(ending, fault);
        }
    }

    /// Ends it in an error. What the caller is not told goes to the log, under the request's id.
    pub fn fail(&mut self, ending: Ending, fault: &Fault) {
        if let Some(detail) = &fault.detail {
            let detail = self.dispatched.scrubbed(detail.clone().into());
            let detail = String::from_utf8_lossy(&detail);
            log::info!("{}: {}: {detail}", self.accepted.id, fault.code);
        }
        self.relayed.ending = ending;
        self.relayed.error = Some(fault.mark());
    }
}
