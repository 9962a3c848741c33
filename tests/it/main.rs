//! Everything that is tested from outside: one binary, because each one links the whole program.
#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it did not run"
)]

mod support;

mod access;
mod account;
mod cluster;
mod config;
mod conformance;
mod contract;
mod crypto;
mod ephemeral;
mod events;
mod hostile_input;
mod hot_path;
mod http;
mod layers;
mod limits;
mod messages;
mod migrations;
mod operating;
mod passwords;
mod races;
mod secrets;
mod sessions;
mod sign_in;
mod sign_up;
mod stream;
mod transport;
mod websocket;
