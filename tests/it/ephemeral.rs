//! One conformance suite for every short-lived store, and what happens while Redis is away.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests may fail loudly and say what they leave out"
)]

use std::{net::TcpListener, sync::Arc, time::Duration};

use entity::Channel;
use postern::{
    clock::{Clock, Timestamp},
    entropy::Entropy,
    ephemeral::{
        self, Store,
        challenges::{Challenge, Purpose, State},
    },
};
use uuid::Uuid;

mod challenge_rules;
mod outages;
pub mod redis_process;
mod values_and_buckets;

const TIMEOUT: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn noon() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

/// The store in the process, and those in Redis that the environment names.
fn stores() -> Vec<(&'static str, Arc<dyn Store>)> {
    let mut stores = vec![("in-process", connect(&[]))];
    for (name, variable) in [("Redis", "POSTERN_TEST_REDIS"), ("Redis Cluster", "POSTERN_TEST_REDIS_CLUSTER")] {
        match addresses(variable) {
            Some(urls) => stores.push((name, connect(&urls))),
            None => eprintln!("{name} is left out: {variable} is not set"),
        }
    }
    stores
}

fn addresses(variable: &str) -> Option<Vec<String>> {
    let value = std::env::var_os(variable)?.into_string().ok()?;
    let urls: Vec<String> = value.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect();
    (!urls.is_empty()).then_some(urls)
}

fn connect(urls: &[String]) -> Arc<dyn Store> {
    ephemeral::connect(urls, TIMEOUT, Clock::manual(noon())).unwrap()
}

/// A name that no other test uses, in a Redis that several runs may share.
fn unique(name: &str) -> String {
    format!("test:{name}:{}", id())
}

fn id() -> Uuid {
    Entropy::system().uuid(Clock::system().now())
}

fn challenge(attempts: u32) -> Challenge {
    Challenge {
        id: id(),
        purpose: Purpose::SignIn,
        channel: Channel::Email,
        contact: "ann@example.com".to_owned(),
        user_id: Some(id()),
        subject: None,
        code_hash: Some([7; 32]),
        attempts_left: attempts,
        state: State::Pending,
        created_at: noon(),
        expires_at: noon() + 10 * MINUTE,
        resend_at: noon() + MINUTE,
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
