//! What is left in the records: every success, refusal and request, by whom and in which session.

use std::time::Duration;

use entity::user_audit_log::{Column, Entity, Status};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;

use super::{
    cancel_by_link, cancel_by_session, change_email, change_phone::has_phone, confirm_email, member, moves_to, remove_phone, verification,
};
use crate::{
    sign_in_by_code::{state_of, without_buckets},
    support::{Challenge, Gateway, PASSWORD},
};

async fn recorded(gateway: &Gateway) -> Vec<(String, Status, Option<String>, bool, bool)> {
    let types = [
        "email_change",
        "email_change_cancelled",
        "email_change_undone",
        "phone_change",
        "phone_removed",
        "contact_verification",
        "contact_lost",
        "session_revoked",
    ];
    let query = Entity::find().filter(Column::EventType.is_in(types)).order_by_asc(Column::Seq);
    let rows = query.all(&gateway.database().await).await.unwrap();
    rows.into_iter().map(|row| (row.event_type, row.status, row.result_code, row.user_id.is_some(), row.session_id.is_some())).collect()
}

// C14
#[tokio::test]
async fn every_step_leaves_a_row() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    change_email(&ada, "new@example.com").await.expect_done();
    cancel_by_session(&ada).await.expect_done();
    let challenge: Challenge = change_email(&ada, "new@example.com").await.expect_done().into();
    confirm_email(&ada, &challenge, "00000x").await.expect_problem("CODE_INVALID");
    gateway.next_message("new@example.com").await;
    has_phone(&gateway, &ada, "+66812345678").await;
    remove_phone(&ada).await.expect_done();
    verification::unprove(&gateway.database().await, "ada@example.com").await;
    let challenge: Challenge = verification::request(&ada, "EMAIL").await.expect_done().into();
    let code = loop {
        if let Some(code) = gateway.next_message("ada@example.com").await.code {
            break code;
        }
    };
    verification::confirm(&ada, &challenge, "00000x").await.expect_problem("CODE_INVALID");
    verification::confirm(&ada, &challenge, &code).await.expect_done();
    cancel_by_link(&gateway.visitor(), "x").await.expect_problem("TOKEN_INVALID");
    let step = |name: &str, status, code: Option<&str>| (name.to_owned(), status, code.map(str::to_owned), true, true);
    let stranger = ("email_change_cancelled".to_owned(), Status::Failure, Some("TOKEN_INVALID".to_owned()), false, false);
    assert_eq!(
        recorded(&gateway).await,
        [
            step("email_change", Status::Pending, None),
            step("email_change_cancelled", Status::Success, None),
            step("email_change", Status::Pending, None),
            step("email_change", Status::Failure, Some("CODE_INVALID")),
            step("phone_change", Status::Pending, None),
            step("phone_change", Status::Success, None),
            step("phone_removed", Status::Success, None),
            step("contact_verification", Status::Pending, None),
            step("contact_verification", Status::Failure, Some("CODE_INVALID")),
            step("contact_verification", Status::Success, None),
            stranger,
        ]
    );
    gateway.expect_undelivered();
}

// C14, H21: what is undone ends the sessions, each with a row, and their sockets.
#[tokio::test]
async fn what_is_undone_is_recorded_for_the_owner() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    moves_to(&gateway, &ada, "eve@example.com").await;
    let link = gateway.next_message("ada@example.com").await.link_token();
    let mut socket = ada.socket().await;
    cancel_by_link(&gateway.visitor(), &link).await.expect_done();
    assert_eq!(socket.closed().await.code, 4401);
    let rows = recorded(&gateway).await;
    let names: Vec<_> = rows.iter().map(|row| (row.0.as_str(), row.1, row.3, row.4)).collect();
    assert_eq!(
        names,
        [
            ("email_change", Status::Pending, true, true),
            ("email_change", Status::Success, true, true),
            ("session_revoked", Status::Success, true, true),
            ("email_change_undone", Status::Success, true, false),
        ]
    );
    gateway.expect_undelivered();
}

#[tokio::test]
async fn who_listens_is_told_of_every_change() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    let cursor = ada.event_cursor().await;
    moves_to(&gateway, &ada, "new@example.com").await;
    has_phone(&gateway, &ada, "+66812345678").await;
    remove_phone(&ada).await.expect_done();
    let mut socket = ada.socket().await;
    let query = "subscription ($after: String) { accountEvents(after: $after) { kind user { email phone } } }";
    let events = socket.subscribe(query, json!({"after": cursor})).await;
    for kind in ["UPDATED", "EMAIL_CHANGED", "UPDATED", "PHONE_CHANGED", "PHONE_CHANGED"] {
        let event = socket.next(&events).await;
        assert_eq!(event["kind"], kind);
        assert_eq!(event["user"], json!({"email": "new@example.com", "phone": null}), "as it is now");
    }
    gateway.expect_undelivered();
}

// The page that waits for a code sees how it ended.
#[tokio::test]
async fn a_challenge_tells_how_it_ended() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    let replaced: Challenge = change_email(&ada, "one@example.com").await.expect_done().into();
    let stopped: Challenge = change_email(&ada, "two@example.com").await.expect_done().into();
    cancel_by_session(&ada).await.expect_done();
    let late: Challenge = change_email(&ada, "three@example.com").await.expect_done().into();
    gateway.advance(Duration::from_mins(10));
    let ada = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    let done: Challenge = change_email(&ada, "four@example.com").await.expect_done().into();
    assert_eq!(state_of(&ada.visitor, &done).await["state"], "PENDING");
    confirm_email(&ada, &done, &gateway.next_message("four@example.com").await.code()).await.expect_done();
    for (challenge, expected) in [(replaced, "EXHAUSTED"), (stopped, "EXHAUSTED"), (late, "EXPIRED"), (done, "DONE")] {
        assert_eq!(state_of(&ada.visitor, &challenge).await["state"], expected);
    }
    gateway.expect_undelivered();
}

// C14: what is refused leaves a row too.
#[tokio::test]
async fn every_refusal_leaves_a_row() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    change_email(&ada, "nothing like an address").await.expect_problem("EMAIL_INVALID");
    change_email(&ada, "ada@example.com").await.expect_problem("INVALID_INPUT");
    super::change_phone(&ada, "12").await.expect_problem("PHONE_INVALID");
    verification::request(&ada, "EMAIL").await.expect_problem("NOT_FOUND");
    let phone = crate::sign_in_by_code::account_without_password(&gateway, "+66812345678").await;
    remove_phone(&phone).await.expect_problem("LAST_SIGN_IN_METHOD");
    let step = |name: &str, code: &str| (name.to_owned(), Status::Failure, Some(code.to_owned()), true, true);
    assert_eq!(
        recorded(&gateway).await,
        [
            step("email_change", "EMAIL_INVALID"),
            step("email_change", "INVALID_INPUT"),
            step("phone_change", "PHONE_INVALID"),
            step("contact_verification", "NOT_FOUND"),
            step("phone_removed", "LAST_SIGN_IN_METHOD"),
        ]
    );
    let challenge = ada.visitor.request_sign_in_code("ada@example.com").await;
    ada.visitor.try_resend(&challenge).await.expect_problem("RESEND_TOO_SOON");
    let query = Entity::find().filter(Column::EventType.eq("challenge_resent"));
    let row = query.one(&gateway.database().await).await.unwrap().unwrap();
    assert_eq!((row.status, row.result_code.as_deref()), (Status::Failure, Some("RESEND_TOO_SOON")));
    assert_eq!(row.user_id.unwrap().to_string(), ada.user_id);
    gateway.expect_undelivered();
}

// C14: an attempt at a reset that came too often was one.
#[tokio::test]
async fn every_attempt_at_a_reset_is_kept() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    gateway.advance(Duration::from_hours(1));
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            gateway.visitor().request_password_reset(email).await;
        }
        gateway.visitor().try_request_password_reset(json!({"email": email})).await.expect_error("RATE_LIMITED");
    }
    let rows = entity::password_reset_attempts::Entity::find().all(&gateway.database().await).await.unwrap();
    for (email, user_id) in [("ada@example.com", Some(ada.user_id)), ("nobody@example.com", None)] {
        let of_contact: Vec<_> = rows.iter().filter(|row| row.contact == email).collect();
        assert_eq!(of_contact.len(), 6);
        assert!(of_contact.iter().all(|row| row.user_id.map(|id| id.to_string()) == user_id));
        assert_eq!(of_contact.iter().filter(|row| row.token_generated).count(), if user_id.is_some() { 5 } else { 0 });
    }
    gateway.expect_undelivered();
}
