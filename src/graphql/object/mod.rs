//! Types of the API: one file per noun. Each wraps a row, so that no column becomes public by accident.

pub mod account_event;
pub mod activity;
pub mod audit_event;
pub mod audit_event_connection;
pub mod auth_config;
pub mod challenge;
pub mod coin_entry;
pub mod failed_sign_ins;
pub mod location;
pub mod migration;
pub mod node;
pub mod passkey;
pub mod password_reset_attempt;
pub mod pending_contact;
pub mod provider;
pub mod session;
pub mod session_connection;
pub mod session_event;
pub mod sign_in_outcome;
pub mod statistics;
pub mod tokens;
pub mod user;
pub mod user_connection;
