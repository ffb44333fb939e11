//! Runs plugins: WebAssembly components that are loaded, checked, limited and called here, and nowhere else.
//!
//! This crate opens no socket, and reads or writes no file but its cache of compiled components. Which plugins run, in
//! which order, and what their verdicts mean for the caller, is left to the gateway.

mod adapter;
mod bindings;
mod breaker;
mod call;
mod capabilities;
mod capability;
mod clock;
mod compile;
mod engine;
mod error;
mod fault;
mod guest;
mod hooks;
mod inspect;
mod instance;
mod interests;
mod limits;
mod outbound;
mod outcome;
mod plugin;
mod pool;
mod resources;
mod set;
mod snapshot;
mod state;
mod ticker;
mod verdict;
mod waiting;

pub use adapter::{Adapter, Description, Encoded, Framing};
pub use call::{AnswerBody, AnswerView, Call, CallBody, HeaderList, HeaderView, NoHeaders, Operation, Piece};
pub use capabilities::CapabilityTerms;
pub use capabilities::cache::CacheTerms;
pub use capabilities::catalogue::{CatalogueModel, CataloguePage, CatalogueTarget, CatalogueView, ModelList};
pub use capabilities::log::{LogLine, LogSink};
pub use capability::{Capabilities, Capability};
pub use clock::{Clock, ClockHand};
pub use engine::{EngineError, EngineSettings, EngineStats, PluginEngine};
pub use error::{LoadError, LoadProblem};
pub use fault::PluginFault;
pub use inspect::{CONTRACT_VERSION, Digest, Inspection, inspect};
pub use interests::{Hook, Hooks, Interests, Kinds};
pub use limits::{Limits, Trips};
pub use outbound::{
    AddressBlock, HostPattern, HttpError, HttpLimits, HttpResponse, HttpRule, HttpTerms, Outbound,
    OutboundCall, OutboundFuture, WrongHost,
};
pub use penstock_llm::openai::{Kind, Provenance, Role};
pub use plugin::{FailMode, Instances, LoadSpec, Plugin};
pub use set::{Member, SetOf};
pub use snapshot::NoSnapshot;
pub use state::PluginState;
pub use verdict::{
    Candidate, Choice, Delta, Edit, Outcome, Ran, Refusal, Reply, RequestVerdict, ResponseVerdict,
    RouteVerdict, Summary,
};
