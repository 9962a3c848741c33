//! What is unusual about sign-ins and refreshes, and what that brings.

mod places;
mod refresh;
mod second_proof;
mod signals;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, Gateway, Member, Message, PASSWORD, Visitor,
    places::{BANGKOK, write_places},
};

const ADA: &str = "ada@example.com";
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Knows where addresses lie, and lets a test try as often as it must.
async fn with_places() -> Gateway {
    Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        let path = config.data_dir.join("places.mmdb");
        write_places(&path);
        config.geo.database = Some(path);
    })
    .await
}

/// A new account in Bangkok, whose welcome was read.
async fn member(gateway: &Gateway) -> Member {
    let member = gateway.app_user().from_address(BANGKOK).becomes_member(ADA).await;
    gateway.next_message(ADA).await;
    member
}

/// Somebody else's or another device, somewhere.
fn device_in(gateway: &Gateway, address: &str) -> Visitor {
    gateway.app_user().from_address(address)
}

/// The same device and session, seen from somewhere else.
fn moved(member: &Member, address: &str) -> Member {
    member.held_by(member.visitor.from_address(address))
}

/// How the own session looks.
async fn looks(member: &Member) -> Value {
    let query = "{ currentSession { status suspicious riskScore riskSignals } }";
    member.graphql(query, json!({})).await.expect_field()
}

/// What it looks like with this score.
fn look(score: u8, signals: &[&str]) -> Value {
    let suspicious = score >= 50;
    let status = if suspicious { "SUSPICIOUS" } else { "ACTIVE" };
    json!({"status": status, "suspicious": suspicious, "riskScore": score, "riskSignals": signals})
}

async fn location(member: &Member) -> Value {
    let query = "{ currentSession { location { country city timezone } } }";
    member.graphql(query, json!({})).await.expect_field()["location"].clone()
}

/// The link to sign in with, whatever else comes late before it.
async fn magic_link(gateway: &Gateway) -> String {
    loop {
        if let Some(link) = gateway.next_message(ADA).await.link.filter(|link| link.contains("/sign-in?")) {
            return link;
        }
    }
}

/// The message that a session is suspicious.
#[track_caller]
fn is_warning(message: &Message) -> bool {
    message.subject.as_deref().is_some_and(|subject| subject.contains("Unusual activity"))
}

async fn fails(visitor: &Visitor, times: usize) {
    for _ in 0..times {
        visitor.try_sign_in(ADA, "not the Password 47").await.expect_problem("CREDENTIALS_INVALID");
    }
}

/// Signs in, whatever comes of it.
async fn tries(visitor: &Visitor) -> Answer {
    visitor.try_sign_in(ADA, PASSWORD).await
}

/// Whether the session is let to what takes a recent proof.
async fn is_recent(member: &Member) -> bool {
    let answer = member.graphql("mutation { exportAccount { export problems { code } } }", json!({})).await;
    match answer.code() {
        None => true,
        Some(code) => {
            assert_eq!(code, "REAUTHENTICATION_REQUIRED");
            false
        }
    }
}
