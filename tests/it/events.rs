//! The bus, what it keeps in memory, and its streams: on SQLite, and on PostgreSQL and Redis where they are given.

mod failures;
mod following;
mod live_sessions;
mod machine_tokens;
mod ordering;
mod streams;
mod world;
