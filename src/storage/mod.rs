//! The database: plain async functions, one file per aggregate.

pub mod account_events;
pub mod attempt_counters;
pub mod audit;
pub mod avatars;
pub mod batch;
pub mod database;
pub mod deletions;
pub mod deployment;
pub mod dev_inbox;
pub mod email_change_links;
pub mod error;
pub mod known_devices;
pub mod leases;
pub mod link_tokens;
pub mod live_sessions;
pub mod messages;
pub mod migrate;
pub mod password_reset_attempts;
pub mod pending_sign_ups;
pub mod retention;
pub mod sessions;
pub mod signing_keys;
pub mod spent_tokens;
pub mod unfinished_changes;
pub mod user_contacts;
pub mod users;
