//! The bus, what it keeps in memory, and its streams: on SQLite, and on PostgreSQL and Redis where they are given.

mod failures;
mod live_sessions;
mod ordering;
mod streams;
mod world;
