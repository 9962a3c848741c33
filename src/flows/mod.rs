//! What a person does: one verb per file.

pub mod authenticate;
pub mod caller;
pub mod enqueue_message;
pub mod failure;
pub mod live_sessions;
pub mod read_dev_inbox;
pub mod signing_keys;
