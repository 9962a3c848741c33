//! The bus: from the outbox to every listener, on every instance.

pub mod cursor;
pub mod reader;
pub mod redis;
