//! Types of the API: one file per noun.

pub mod account_event;
pub mod session_event;
