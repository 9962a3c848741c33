//! The command line: one file per command.

pub mod config;
pub mod health;
pub mod migrate;
pub mod schema;
pub mod serve;
pub mod users;
