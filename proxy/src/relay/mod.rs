//! Stage 4: the answer while it is produced.

pub mod catalogue;
pub mod downstream;
pub mod event;
pub mod frames;
pub mod guard;
pub mod head;
pub mod pass;
pub mod realtime;
pub mod replay;
pub mod reply;
pub mod reworded;
pub mod signatures;
pub mod stage;
pub mod stored;
pub mod stream;
pub mod translate;
pub mod websocket;
pub mod whole;
