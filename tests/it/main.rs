//! Everything that is tested from outside: one binary, because each one links the whole program.
#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unchecked_time_subtraction,
    reason = "a test fails by panicking, and says why it did not run"
)]

mod support;

mod access;
mod account;
mod administration;
mod administration_streams;
mod audit;
mod avatars;
mod breaches;
mod clean_up;
mod cluster;
mod coins;
mod config;
mod conformance;
mod contacts;
mod contract;
mod crypto;
mod documents;
mod ephemeral;
mod events;
mod forward_auth;
mod hostile_input;
mod hot_path;
mod http;
mod imports;
mod invitations;
mod layers;
mod leaving;
mod limits;
mod machine_tokens;
mod messages;
mod migrations;
mod operating;
mod pages;
mod passkeys;
mod passwords;
mod pre_hijack;
mod profile;
mod providers;
mod races;
mod recovery;
mod risk;
mod second_factors;
mod secrets;
mod sessions;
mod sign_in;
mod sign_in_by_code;
mod sign_up;
mod stream;
mod transport;
mod websocket;
