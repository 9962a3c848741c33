//! The tables as sea-orm entities: one file per table, and nothing else but the column types they share.

pub mod account_events;
pub mod attempt_counters;
pub mod auth_providers;
pub mod avatar_removals;
pub mod channel;
pub mod coin_entries;
pub mod deployment;
pub mod dev_inbox;
pub mod known_devices;
pub mod leases;
pub mod link_tokens;
pub mod machine_tokens;
pub mod messages;
pub mod migration_history;
pub mod passkey_credentials;
pub mod password_reset_attempts;
pub mod pending_sign_ups;
pub mod recovery_codes;
pub mod signing_keys;
pub mod spent_tokens;
pub mod timestamp;
pub mod user_audit_log;
pub mod user_sessions;
pub mod users;

pub use channel::Channel;
pub use timestamp::Timestamp;
