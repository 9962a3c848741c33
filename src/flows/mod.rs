//! What a person does: one verb per file.

pub mod authenticate;
pub mod caller;
pub mod event_streams;
pub mod failure;
pub mod live_sessions;
pub mod signing_keys;
