//! A new password, by link or by code.

use entity::{
    password_reset_attempts,
    user_audit_log::Status::{Failure, Pending, Success},
    users,
};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};

use super::{MINUTE, NEW, SECOND, account, account_without_password, other_than, set_status, state_of, without_buckets};
use crate::support::{Closed, Gateway, PASSWORD};

async fn attempts(gateway: &Gateway) -> Vec<(String, bool, bool, bool)> {
    let query = password_reset_attempts::Entity::find().order_by_asc(password_reset_attempts::Column::Id);
    let rows = query.all(&gateway.database().await).await.unwrap();
    assert!(rows.iter().all(|row| row.ip_address.as_deref().is_some_and(|ip| ip.starts_with("198.18."))));
    rows.into_iter().map(|row| (row.contact, row.user_id.is_some(), row.token_generated, row.success)).collect()
}

// C1, C3, C5: asking changes nothing; the link changes the password, ends every session and signs nobody in.
#[tokio::test]
async fn somebody_who_forgot_their_password_sets_a_new_one_by_the_link() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com").await;
    let stranger = gateway.visitor();
    for _ in 0..9 {
        stranger.request_password_reset("ada@example.com").await;
        gateway.next_message("ada@example.com").await;
    }
    let challenge = stranger.request_password_reset("ada@example.com").await;
    assert_eq!(challenge.fields["purpose"], "PASSWORD_RESET");
    let message = gateway.next_message("ada@example.com").await;
    assert_eq!(url::Url::parse(message.link.as_ref().unwrap()).unwrap().path(), "/reset-password");
    owner.visitor.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(owner.sessions().await.iter().filter(|session| session["status"] == "ACTIVE").count(), 2);

    let answer = stranger.try_reset_by_link(&message.link_token(), NEW).await;
    assert!(answer.headers.get_all("set-cookie").iter().all(|cookie| !cookie.to_str().unwrap().contains("access")), "no session");
    assert_eq!(answer.expect_done()["revokedSessionCount"], 2);
    assert_eq!(stranger.graphql("{ me { id } }", json!({})).await.expect_field(), Value::Null);
    owner.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    assert_eq!(state_of(&stranger, &challenge).await["state"], "DONE");
    let notice = gateway.next_message("ada@example.com").await;
    assert!(notice.text.contains(&stranger.address().to_string()), "A8: {}", notice.text);
    gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().sign_in("ada@example.com", NEW).await;
    let attempts = attempts(&gateway).await;
    assert_eq!(attempts.len(), 10);
    assert_eq!(attempts.iter().filter(|attempt| attempt.3).count(), 1, "one led to a new password");
}

// C2: one use, of link or code; using one ends all; half an hour.
#[tokio::test]
async fn a_reset_is_used_once() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let mut sent = Vec::new();
    for _ in 0..4 {
        let challenge = visitor.request_password_reset("ada@example.com").await;
        sent.push((challenge, gateway.next_message("ada@example.com").await));
        gateway.advance(SECOND);
    }
    visitor.try_reset_by_link(&sent[0].1.link_token(), NEW).await.expect_problem("TOKEN_INVALID");
    let sign_in = visitor.request_sign_in_code("ada@example.com").await;
    let sign_in_message = gateway.next_message("ada@example.com").await;
    gateway.advance(SECOND);
    let (challenge, message) = &sent[2];
    visitor.try_reset_by_code(challenge, &message.code(), NEW).await.expect_done();
    gateway.next_message("ada@example.com").await;
    gateway.advance(SECOND);
    for (challenge, message) in &sent {
        visitor.try_reset_by_link(&message.link_token(), "yet another Kettle 49").await.expect_problem("TOKEN_INVALID");
        visitor.try_reset_by_code(challenge, &message.code(), "yet another Kettle 49").await.expect_problem("CODE_INVALID");
    }
    visitor.try_sign_in_with_code(&sign_in, &sign_in_message.code()).await.expect_problem("CODE_INVALID");
    visitor.try_sign_in_with_link(&sign_in_message.link_token()).await.expect_problem("TOKEN_INVALID");

    visitor.request_password_reset("ada@example.com").await;
    let late = gateway.next_message("ada@example.com").await.link_token();
    gateway.advance(30 * MINUTE);
    let problem = visitor.try_reset_by_link(&late, NEW).await.expect_problem("TOKEN_EXPIRED");
    assert_eq!(problem["path"], json!(["input", "proof", "token"]));
    gateway.visitor().sign_in("ada@example.com", NEW).await;
}

// A1, A4: the new password is judged as everywhere, and what is refused uses nothing up.
#[tokio::test]
async fn a_weak_new_password_uses_nothing_up() {
    let gateway = without_buckets().await;
    account(&gateway, "ada.lovelace@example.com").await;
    let visitor = gateway.visitor();
    let challenge = visitor.request_password_reset("ada.lovelace@example.com").await;
    let message = gateway.next_message("ada.lovelace@example.com").await;
    for (password, code) in [
        ("short", "PASSWORD_TOO_SHORT"),
        ("ada.lovelace@example.com", "PASSWORD_TOO_WEAK"),
        ("password1234", "PASSWORD_BREACHED"),
        (&"x".repeat(129), "PASSWORD_TOO_LONG"),
    ] {
        for answer in [
            visitor.try_reset_by_link(&message.link_token(), password).await,
            visitor.try_reset_by_code(&challenge, &message.code(), password).await,
        ] {
            let problems = answer.expect_field()["problems"].clone();
            let told = problems[0]["code"].as_str().unwrap();
            assert!(told == code || (code == "PASSWORD_BREACHED" && told == "PASSWORD_TOO_WEAK"), "{password}: {told}");
            assert_eq!(problems[0]["path"], json!(["input", "newPassword"]));
        }
    }
    assert_eq!(state_of(&visitor, &challenge).await, json!({"state": "PENDING", "attemptsLeft": 3}));
    let problem = visitor.try_reset_by_code(&challenge, &other_than(&message.code()), NEW).await.expect_problem("CODE_INVALID");
    assert_eq!((&problem["attemptsLeft"], &problem["path"]), (&json!(2), &json!(["input", "proof", "code", "code"])));
    visitor.try_reset_by_code(&challenge, &message.code(), NEW).await.expect_done();
}

// C3: streams end with their sessions.
#[tokio::test]
async fn a_reset_closes_every_socket() {
    let gateway = without_buckets().await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    let mut socket = ada.socket().await;
    socket.subscribe("subscription { sessionEvents { kind } }", json!({})).await;
    let visitor = gateway.visitor();
    visitor.request_password_reset("ada@example.com").await;
    visitor.try_reset_by_link(&gateway.next_message("ada@example.com").await.link_token(), NEW).await.expect_done();
    let closed: Closed = socket.closed().await;
    assert_eq!(closed.code, 4401);
    ada.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
}

// C6, C7: a reset ends a lockout, of strangers' making or the owner's.
#[tokio::test]
async fn a_reset_ends_a_lockout() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    for _ in 0..5 {
        visitor.try_sign_in("ada@example.com", "not the password").await.expect_problem("CREDENTIALS_INVALID");
    }
    visitor.try_sign_in("ada@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.next_message("ada@example.com").await;
    visitor.request_password_reset("ada@example.com").await;
    visitor.try_reset_by_link(&gateway.next_message("ada@example.com").await.link_token(), NEW).await.expect_done();
    visitor.sign_in("ada@example.com", NEW).await;
}

// C17, A9: how an account stands is told after the right proof only, and nothing is changed.
#[tokio::test]
async fn a_suspended_account_gets_no_new_password() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    set_status(&gateway, &ada, users::Status::Suspended).await;
    let visitor = gateway.visitor();
    let challenge = visitor.request_password_reset("ada@example.com").await;
    let message = gateway.next_message("ada@example.com").await;
    visitor.try_reset_by_code(&challenge, &other_than(&message.code()), NEW).await.expect_problem("CODE_INVALID");
    visitor.try_reset_by_code(&challenge, &message.code(), NEW).await.expect_problem("ACCOUNT_SUSPENDED");
    visitor.try_reset_by_link(&message.link_token(), NEW).await.expect_problem("ACCOUNT_SUSPENDED");
    set_status(&gateway, &ada, users::Status::Active).await;
    gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
}

#[tokio::test]
async fn an_account_without_a_password_gets_one_and_every_attempt_is_kept() {
    let gateway = without_buckets().await;
    account_without_password(&gateway, "+66812345678").await;
    let visitor = gateway.visitor();
    let contact = json!({"phone": "+66812345678"});
    let challenge = visitor.try_request_password_reset(contact).await.expect_done().into();
    let message = gateway.next_message("+66812345678").await;
    assert!(message.link.is_none());
    gateway.advance(SECOND);
    visitor.request_password_reset("nobody@example.com").await;
    visitor.try_reset_by_code(&challenge, &message.code(), NEW).await.expect_done();
    gateway.visitor().sign_in("+66812345678", NEW).await;
    let expected = [("+66812345678".to_owned(), true, true, true), ("nobody@example.com".to_owned(), false, false, false)];
    assert_eq!(attempts(&gateway).await, expected);
    assert!(gateway.unread("nobody@example.com").await.is_empty());
}

// C14
#[tokio::test]
async fn every_step_of_a_reset_is_audited() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let challenge = visitor.request_password_reset("ada@example.com").await;
    let message = gateway.next_message("ada@example.com").await;
    visitor.try_reset_by_code(&challenge, "00000x", NEW).await.expect_problem("CODE_INVALID");
    visitor.try_reset_by_link("nonsense", NEW).await.expect_problem("TOKEN_INVALID");
    visitor.try_reset_by_code(&challenge, &message.code(), NEW).await.expect_done();
    let rows = entity::user_audit_log::Entity::find().order_by_asc(entity::user_audit_log::Column::Seq);
    let rows = rows.all(&gateway.database().await).await.unwrap();
    let id: uuid::Uuid = ada.user_id.parse().unwrap();
    let told: Vec<_> = rows
        .iter()
        .filter(|row| row.event_type == "password_reset")
        .map(|row| (row.status, row.user_id == Some(id), row.result_code.as_deref()))
        .collect();
    assert_eq!(
        told,
        [(Pending, true, None), (Failure, true, Some("CODE_INVALID")), (Failure, false, Some("TOKEN_INVALID")), (Success, true, None),]
    );
}
