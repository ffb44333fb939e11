//! Penstock: a programmable gateway for LLM traffic.
//!
//! A request meets the folders in this order, and `gateway` is where they are joined, a few lines per stage:
//!
//! 1. [`accept`]: bytes in, a call out: listeners, TLS, the head, the bounded body, the route.
//! 2. [`admit`]: may this caller do this now: key, permissions, request plugins.
//! 3. [`dispatch`]: choose and send: candidates, route plugins, attempts, credentials, connections.
//! 4. [`relay`]: the answer while it is produced: commit point, response plugins, keep-alives, endings.
//! 5. [`settle`]: account for it, refused calls too: usage, metrics, exactly one record.
//!
//! The stages know nothing of one another; they meet in [`exchange`], which holds all that is known of one request, and
//! speak of failure in one language, [`fault`]. What outlives a request is in [`state`], what happens before the first
//! one in [`startup`], and operators' pages are in [`admin`].

pub mod accept;
pub mod adapter;
pub mod admin;
pub mod admit;
pub mod chain;
pub mod dispatch;
pub mod exchange;
pub mod fault;
pub mod gateway;
pub mod relay;
pub mod settle;
pub mod startup;
pub mod state;
