//! The outbox of session and account events.
