//! The link that ends a lockout.

use serde_json::json;

use super::{HOUR, account, without_buckets};
use crate::support::{Gateway, Message, PASSWORD, Visitor};

async fn lock(gateway: &Gateway, visitor: &Visitor) -> Message {
    for _ in 0..5 {
        visitor.try_sign_in("ada@example.com", "not the password").await.expect_problem("CREDENTIALS_INVALID");
    }
    visitor.try_sign_in("ada@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.next_message("ada@example.com").await
}

// C7
#[tokio::test]
async fn the_mailed_link_ends_a_lockout_once() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com").await;
    let stranger = gateway.visitor();
    let message = lock(&gateway, &stranger).await;
    assert_eq!(url::Url::parse(message.link.as_ref().unwrap()).unwrap().path(), "/unlock");
    assert!(message.code.is_none());
    let unlocked = gateway.visitor().try_unlock(&message.link_token()).await.expect_done();
    assert_eq!(unlocked["unlocked"], true);
    gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    let me = owner.graphql("{ me { lockedUntil failedSignInAttempts } }", json!({})).await.expect_field();
    assert_eq!(me, json!({"lockedUntil": null, "failedSignInAttempts": 0}));

    // The next lock has a link of its own, and the old one does nothing any more.
    let next = lock(&gateway, &stranger).await;
    let refused = stranger.try_unlock(&message.link_token()).await.expect_field();
    assert_eq!((&refused["unlocked"], &refused["problems"][0]["code"]), (&json!(false), &json!("TOKEN_INVALID")));
    stranger.try_sign_in("ada@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.advance(24 * HOUR);
    stranger.try_unlock(&next.link_token()).await.expect_problem("TOKEN_EXPIRED");
    stranger.try_unlock("nonsense").await.expect_problem("TOKEN_INVALID");
}

// C6: even after a hundred failures in a row.
#[tokio::test]
async fn the_mailed_link_opens_what_a_hundred_failures_closed() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let stranger = gateway.visitor();
    let mut last = None;
    for round in 0..20 {
        last = Some(lock(&gateway, &stranger).await);
        if round < 19 {
            gateway.advance(24 * HOUR);
        }
    }
    stranger.try_unlock(&last.unwrap().link_token()).await.expect_done();
    stranger.sign_in("ada@example.com", PASSWORD).await;
}

#[tokio::test]
async fn who_listens_is_told_of_the_end_of_a_lock() {
    let gateway = without_buckets().await;
    let owner = gateway.app_user().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    let cursor = owner.event_cursor().await;
    let message = lock(&gateway, &gateway.visitor()).await;
    gateway.visitor().try_unlock(&message.link_token()).await.expect_done();
    let mut socket = owner.socket().await;
    let query = "subscription ($after: String) { accountEvents(after: $after) { kind } }";
    let events = socket.subscribe(query, json!({"after": cursor})).await;
    for kind in ["LOCKED", "UNLOCKED"] {
        assert_eq!(socket.next(&events).await["kind"], kind);
    }
}
