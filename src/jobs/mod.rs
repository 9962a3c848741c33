//! Work beside the requests: supervised, one instance at a time where it matters.

pub mod deliver_messages;
pub mod note_activity;
