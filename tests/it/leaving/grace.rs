//! The days of grace.

use entity::user_audit_log::{self, Status};
use reqwest::header::SET_COOKIE;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use super::{DAY, MINUTE, account, id_of, promote, row, set_status, tidy, without_buckets};
use crate::support::{Closed, Gateway, Member, PASSWORD};

const ACCOUNT_EVENTS: &str =
    "subscription ($after: String) { accountEvents(after: $after) { kind userId user { id deletionScheduledAt } } }";
const SESSION_EVENTS: &str = "subscription ($after: String) { sessionEvents(after: $after) { kind sessionId } }";

async fn scheduled(member: &Member) -> Value {
    member.graphql("{ me { deletionScheduledAt } }", json!({})).await.expect_field()["deletionScheduledAt"].clone()
}

async fn audited(gateway: &Gateway, member: &Member, event_type: &str) -> Vec<user_audit_log::Model> {
    user_audit_log::Entity::find()
        .filter(user_audit_log::Column::UserId.eq(id_of(member)))
        .filter(user_audit_log::Column::EventType.eq(event_type))
        .order_by_asc(user_audit_log::Column::Seq)
        .all(&gateway.database().await)
        .await
        .unwrap()
}

fn ended() -> Closed {
    Closed { code: 4401, reason: "Unauthorized".to_owned() }
}

// C14, C17, H21: every session ends at once, by access token, refresh token, cookie and socket; within the grace a new one keeps the account.
#[tokio::test]
async fn who_leaves_is_signed_out_everywhere_and_may_come_back_for_fourteen_days() {
    let gateway = without_buckets().await;
    let browser = account(&gateway, "ada@example.com").await;
    let app = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    let cursor = app.event_cursor().await;
    let mut socket = app.socket().await;
    socket.subscribe(ACCOUNT_EVENTS, json!({"after": cursor})).await;
    let mut other = app.socket().await;
    let session_events = other.subscribe(SESSION_EVENTS, json!({"after": cursor})).await;

    let at = (gateway.clock.now() + 14 * DAY).to_string();
    let answer = browser.try_delete_account().await;
    let cleared = answer.headers.get_all(SET_COOKIE).iter().filter(|cookie| cookie.to_str().unwrap().contains("Max-Age=0")).count();
    assert_eq!(cleared, 2, "access and refresh cookie are cleared: {:?}", answer.headers);
    let left = answer.expect_done();
    assert_eq!(left["deletionScheduledAt"], at.as_str());
    assert_eq!(left["user"], json!({"id": browser.user_id, "email": "ada@example.com", "deletionScheduledAt": at}));

    let mut ended_sessions = vec![other.next(&session_events).await];
    if ended_sessions[0]["sessionId"] != app.session_id.as_str() {
        ended_sessions.push(other.next(&session_events).await);
    }
    let last = ended_sessions.last().unwrap();
    assert_eq!((&last["kind"], &last["sessionId"]), (&json!("REVOKED"), &json!(app.session_id)));
    assert_eq!([socket.closed().await, other.closed().await], [ended(), ended()]);
    app.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    app.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    assert_eq!(browser.graphql("{ me { id } }", json!({})).await.expect_field(), Value::Null, "the browser has no cookies any more");
    browser.graphql_by_token("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    let message = gateway.next_message("ada@example.com").await;
    assert!(message.subject.as_deref().unwrap().contains("will be deleted"), "{message:?}");
    assert!(message.text.contains("2026-12-04"), "it says when: {}", message.text);

    gateway.advance(13 * DAY);
    tidy(&gateway).await;
    let back = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    assert_eq!(scheduled(&back).await, at.as_str());
    let mut socket = back.socket().await;
    // From where it was before: the wish is told, whoever heard it then.
    let events = socket.subscribe(ACCOUNT_EVENTS, json!({"after": cursor})).await;
    let event = socket.next(&events).await;
    assert_eq!((&event["kind"], &event["userId"]), (&json!("DELETION_SCHEDULED"), &json!(app.user_id)));
    assert_eq!(event["user"]["deletionScheduledAt"], at.as_str());
    let kept = back.try_cancel_account_deletion().await.expect_done();
    assert_eq!(kept["user"], json!({"id": back.user_id, "deletionScheduledAt": null}));
    assert_eq!(socket.next(&events).await["kind"], "DELETION_CANCELLED");
    assert!(gateway.next_message("ada@example.com").await.subject.unwrap().ends_with("stays"));
    // Once more changes and tells nothing.
    assert_eq!(back.try_cancel_account_deletion().await.expect_done()["user"]["deletionScheduledAt"], Value::Null);
    assert!(gateway.unread("ada@example.com").await.is_empty());

    gateway.advance(2 * DAY);
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 0);
    back.refresh().await;
    assert_eq!(scheduled(&back).await, Value::Null);
    for (event_type, count) in [("account_deletion_scheduled", 1), ("account_deletion_cancelled", 1), ("session_revoked", 2)] {
        let rows = audited(&gateway, &back, event_type).await;
        assert_eq!(rows.len(), count, "{event_type}");
        assert!(rows.iter().all(|row| row.status == Status::Success && row.session_id.is_some() && row.ip_address.is_some()));
    }
}

#[tokio::test]
async fn leaving_and_taking_along_need_a_recent_proof() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    gateway.advance(11 * MINUTE);
    ada.refresh().await;
    ada.try_delete_account().await.expect_error("REAUTHENTICATION_REQUIRED");
    ada.try_export_account().await.expect_error("REAUTHENTICATION_REQUIRED");
    assert!(row(&gateway, &ada).await.unwrap().deletion_scheduled_at.is_none());
    ada.try_cancel_account_deletion().await.expect_done();
    ada.try_reauthenticate(PASSWORD).await.expect_done();
    ada.try_export_account().await.expect_done();
    ada.try_delete_account().await.expect_done();
    for operation in ["deleteAccount", "cancelAccountDeletion", "exportAccount"] {
        let query = format!("mutation {{ {operation} {{ problems {{ code }} }} }}");
        gateway.visitor().graphql(&query, json!({})).await.expect_error("UNAUTHENTICATED");
    }
}

// C17: what was sent before begins no session and sets no password; what is asked for afterwards does.
#[tokio::test]
async fn what_was_sent_before_opens_nothing() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let visitor = gateway.app_user();
    let codes = visitor.request_sign_in_code("ada@example.com").await;
    let code = gateway.next_message("ada@example.com").await;
    let reset = visitor.request_password_reset("ada@example.com").await;
    let reset_message = gateway.next_message("ada@example.com").await;
    ada.try_delete_account().await.expect_done();
    gateway.next_message("ada@example.com").await;
    for answer in [
        visitor.try_sign_in_with_code(&codes, &code.code()).await.expect_field(),
        visitor.try_sign_in_with_link(&code.link_token()).await.expect_field(),
        visitor.try_reset_by_code(&reset, &reset_message.code(), "green-Tortoise 93 viaduct").await.expect_field(),
        visitor.try_reset_by_link(&reset_message.link_token(), "green-Tortoise 93 viaduct").await.expect_field(),
    ] {
        assert!(answer["problems"][0]["code"].is_string() && answer["outcome"].is_null(), "{answer}");
    }
    let codes = visitor.request_sign_in_code("ada@example.com").await;
    let back = visitor.sign_in_with_code(&codes, &gateway.next_message("ada@example.com").await.code()).await;
    gateway.next_message("ada@example.com").await;
    back.try_cancel_account_deletion().await.expect_done();
}

#[tokio::test]
async fn asked_for_again_the_first_date_holds() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let first = ada.try_delete_account().await.expect_done()["deletionScheduledAt"].clone();
    gateway.next_message("ada@example.com").await;
    gateway.advance(3 * DAY);
    let again = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    assert_eq!(again.try_delete_account().await.expect_done()["deletionScheduledAt"], first);
    again.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    assert!(gateway.unread("ada@example.com").await.is_empty(), "it is told once");
}

#[tokio::test]
async fn the_days_of_grace_are_a_setting() {
    let gateway = Gateway::start_with(|config| config.accounts.deletion_grace_days = 3).await;
    let offered = gateway.visitor().graphql("{ authConfig { deletionGraceDays } }", json!({})).await.expect_field();
    assert_eq!(offered["deletionGraceDays"], 3);
    let ada = account(&gateway, "ada@example.com").await;
    ada.try_delete_account().await.expect_done();
    gateway.advance(3 * DAY - MINUTE);
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 0);
    gateway.advance(MINUTE);
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 1);
    assert!(row(&gateway, &ada).await.is_none());
}

// The last administrator is protected: when the wish is written down, and again when it is carried out.
#[tokio::test]
async fn the_last_administrator_stays() {
    let gateway = without_buckets().await;
    let (ada, eve) = (account(&gateway, "ada@example.com").await, account(&gateway, "eve@example.com").await);
    promote(&gateway, &ada).await;
    ada.try_delete_account().await.expect_problem("LAST_ADMIN");
    assert_eq!(ada.me().await["email"], "ada@example.com", "nothing has ended");
    let refused = audited(&gateway, &ada, "account_deletion_scheduled").await;
    assert_eq!((refused[0].status, refused[0].result_code.as_deref()), (Status::Failure, Some("LAST_ADMIN")));
    assert!(gateway.unread("ada@example.com").await.is_empty());

    promote(&gateway, &eve).await;
    ada.try_delete_account().await.expect_done();
    // One who leaves is no other administrator.
    eve.try_delete_account().await.expect_problem("LAST_ADMIN");
    set_status(&gateway, &eve, entity::users::Status::Suspended).await;
    gateway.advance(14 * DAY);
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 0);
    assert!(row(&gateway, &ada).await.is_some());
    set_status(&gateway, &eve, entity::users::Status::Active).await;
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 1);
    assert!(row(&gateway, &ada).await.is_none());
}

// Two administrators who leave at once: one of them stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_administrators_who_leave_at_once_one_stays() {
    for _ in 0..5 {
        let gateway = without_buckets().await;
        let beside = gateway.start_beside_with(|config| config.rate_limits.enabled = false).await;
        let (ada, eve) = (account(&gateway, "ada@example.com").await, account(&gateway, "eve@example.com").await);
        promote(&gateway, &ada).await;
        promote(&gateway, &eve).await;
        let eve_there = eve.at(&beside);
        let (one, other) = tokio::join!(ada.try_delete_account(), eve_there.try_delete_account());
        let problems = [one, other].map(|answer| answer.expect_field()["problems"].as_array().unwrap().len());
        assert_eq!(problems.iter().sum::<usize>(), 1, "{problems:?}");
        gateway.expect_undelivered();
    }
}
