//! Sessions from outside: their tokens, their ends, their cookies and what is told of them live.

mod cookies;
mod ending;
mod events;
mod refresh;
mod signing;
mod slow_readers;

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, Member, PASSWORD};

/// An account with a session of a native app.
async fn app_member(gateway: &Gateway, email: &str) -> Member {
    gateway.app_user().becomes_member(email).await
}

/// Another device of the same person; the notice that it sends is taken out of the inbox.
async fn second_device(gateway: &Gateway, email: &str) -> Member {
    let member = gateway.app_user().sign_in(email, PASSWORD).await;
    told_of_new_device(gateway, email).await;
    member
}

/// Reads on in somebody's inbox to the notice about a new device.
async fn told_of_new_device(gateway: &Gateway, email: &str) {
    read_until(gateway, email, "New sign-in").await;
}

/// Reads on in somebody's inbox to a message whose subject has these words, and answers its text.
async fn read_until(gateway: &Gateway, email: &str, words: &str) -> String {
    loop {
        let message = gateway.next_message(email).await;
        if message.subject.as_deref().is_some_and(|subject| subject.contains(words)) {
            return message.text;
        }
    }
}

/// The tokens of a payload.
fn tokens(payload: &Value) -> (String, String) {
    let text = |name: &str| payload["tokens"][name].as_str().unwrap_or_else(|| panic!("no {name}: {payload}")).to_owned();
    (text("accessToken"), text("refreshToken"))
}

/// The refresh token that a mutation gave.
fn refresh_token(answer: Answer) -> String {
    tokens(&answer.expect_done()).1
}

/// Uses an access token; whether it was taken.
async fn works(member: &Member, access_token: &str) -> bool {
    let answer = member.visitor.graphql_with("{ me { id } }", json!({}), Some(access_token)).await;
    match answer.errors() {
        [] => answer.data()["me"]["id"] == member.user_id,
        [error, ..] => {
            assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED", "{error}");
            false
        }
    }
}

/// How a session stands in the list of another one of the same person.
async fn listed(member: &Member, session_id: &str) -> Value {
    let query = "{ me { sessions(first: 50) { nodes { id status suspicious revokedBy revokedReason riskSignals } } } }";
    let me = member.graphql(query, json!({})).await.expect_field();
    let nodes = me["sessions"]["nodes"].as_array().unwrap().clone();
    nodes.into_iter().find(|session| session["id"] == session_id).unwrap_or_else(|| panic!("{session_id} is not listed: {me}"))
}

/// Types of the last audit rows that the owner may see, with their status.
async fn activity(member: &Member) -> Vec<(String, String)> {
    let me = member.graphql("{ me { activity(first: 50) { nodes { type status } } } }", json!({})).await.expect_field();
    let nodes = me["activity"]["nodes"].as_array().unwrap();
    nodes.iter().map(|row| (row["type"].as_str().unwrap().to_owned(), row["status"].as_str().unwrap().to_owned())).collect()
}
