//! Work beside the requests: supervised, one instance at a time where it matters.

pub mod clean_up;
pub mod deliver_messages;
pub mod end_overdue_sessions;
pub mod forward_audit;
pub mod note_activity;
pub mod reload_places;
pub mod reseal_seeds;
pub mod sweep_avatars;
