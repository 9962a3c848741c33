//! "This was not me": the link of the message about a new device.

use super::{HOUR, account, without_buckets};
use crate::support::PASSWORD;
use serde_json::json;

#[tokio::test]
async fn the_owner_ends_a_session_that_is_not_theirs() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com").await;
    let thief = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    let message = gateway.next_message("ada@example.com").await;
    assert_eq!(url::Url::parse(message.link.as_ref().unwrap()).unwrap().path(), "/end-session");
    let ended = gateway.visitor().try_disown(&message.link_token()).await.expect_done();
    assert_eq!(ended["sessionId"], thief.session_id.as_str());
    thief.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    thief.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    let query = "{ me { sessions { nodes { id status suspicious revokedBy revokedReason riskSignals } } } }";
    let me = owner.graphql(query, json!({})).await.expect_field();
    assert_eq!(
        me["sessions"]["nodes"][0],
        json!({
            "id": thief.session_id, "status": "REVOKED", "suspicious": true, "revokedBy": "USER",
            "revokedReason": "disowned by its owner", "riskSignals": ["NEW_DEVICE"],
        })
    );
    owner.me().await;
    gateway.visitor().try_disown(&message.link_token()).await.expect_problem("TOKEN_INVALID");
    // Its device is a stranger again: its next sign-in is told, too.
    thief.visitor.sign_in("ada@example.com", PASSWORD).await;
    let again = gateway.next_message("ada@example.com").await;
    gateway.advance(7 * 24 * HOUR);
    gateway.visitor().try_disown(&again.link_token()).await.expect_problem("TOKEN_EXPIRED");
}

#[tokio::test]
async fn each_session_has_a_link_of_its_own_and_one_that_is_over_stays_over() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let session = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
        sessions.push((session, gateway.next_message("ada@example.com").await.link_token()));
    }
    sessions[0].0.sign_out().await;
    for (session, token) in &sessions {
        let ended = gateway.visitor().try_disown(token).await.expect_done();
        assert_eq!(ended["sessionId"], session.session_id.as_str());
    }
    assert!(!gateway.visitor().try_disown("nonsense").await.expect_field()["problems"].as_array().unwrap().is_empty());
}

// A thief who signs in twice is told of once, for the second time the device is known: the one link ends both, and nobody else's session.
#[tokio::test]
async fn every_session_of_the_disowned_device_ends() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com").await;
    let thief = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    let message = gateway.next_message("ada@example.com").await;
    let again = thief.visitor.sign_in("ada@example.com", PASSWORD).await;
    assert!(gateway.unread("ada@example.com").await.is_empty());
    let mut socket = again.socket().await;
    let ended = gateway.visitor().try_disown(&message.link_token()).await.expect_done();
    assert_eq!(ended["sessionId"], thief.session_id.as_str());
    for session in [&thief, &again] {
        session.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
        session.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    }
    assert_eq!(socket.closed().await.code, 4401);
    owner.me().await;
}

// A14, C2: an address that was given up has no say over the account any more.
#[tokio::test]
async fn a_link_to_an_address_that_was_given_up_does_nothing() {
    use entity::users;
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let session = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    let moved = users::Entity::update_many()
        .col_expr(users::Column::Email, Expr::value("new@example.com"))
        .filter(users::Column::Email.eq("ada@example.com"));
    moved.exec(&gateway.database().await).await.unwrap();
    gateway.visitor().try_disown(&token).await.expect_problem("TOKEN_INVALID");
    assert!(session.me().await.is_object());
}

// After a new password, who signs in on that device is somebody who knows it: the old link is about its own session alone.
#[tokio::test]
async fn an_old_link_ends_no_session_that_a_new_password_began() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com").await;
    let shared = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    gateway.advance(super::SECOND);
    owner.try_change_password(PASSWORD, super::NEW).await.expect_done();
    let after = shared.visitor.sign_in("ada@example.com", super::NEW).await;
    let ended = gateway.visitor().try_disown(&token).await.expect_done();
    assert_eq!(ended["sessionId"], shared.session_id.as_str());
    assert!(after.me().await.is_object());
    gateway.expect_undelivered();
}
