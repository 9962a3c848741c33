//! Sessions and changes whose time is over.

use std::{collections::HashSet, sync::Arc, time::Duration};

use entity::{
    account_events::{self, Kind},
    user_audit_log, user_sessions, users,
};
use futures::future::join_all;
use postern::flows::expire_sessions;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::tidy;
use crate::{
    sign_in_by_code::{account, without_buckets},
    support::{Gateway, Member, PASSWORD},
};

const DAY: Duration = Duration::from_hours(24);
const SESSION_EVENTS: &str = "subscription ($after: String) { sessionEvents(after: $after) { kind sessionId session { status } } }";

async fn status(gateway: &Gateway, member: &Member) -> user_sessions::Status {
    let id: Uuid = member.session_id.parse().unwrap();
    user_sessions::Entity::find_by_id(id).one(&gateway.database().await).await.unwrap().unwrap().status
}

// D5: idle for 30 days; a session that is used goes on. The other devices are told which one ended.
#[tokio::test]
async fn an_idle_session_expires_and_the_others_are_told() {
    let gateway = without_buckets().await;
    let idle = account(&gateway, "ada@example.com").await;
    let used = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.advance(29 * DAY);
    used.refresh().await;
    assert_eq!(tidy(&gateway).await.of("expired_sessions"), 0);
    let cursor = used.event_cursor().await;
    gateway.advance(DAY);
    used.refresh().await;
    let mut socket = used.socket().await;
    let events = socket.subscribe(SESSION_EVENTS, json!({"after": cursor})).await;
    assert_eq!(socket.next(&events).await["kind"], "REFRESHED");
    assert_eq!(tidy(&gateway).await.of("expired_sessions"), 1);
    let event = socket.next(&events).await;
    assert_eq!(event, json!({"kind": "EXPIRED", "sessionId": idle.session_id, "session": {"status": "EXPIRED"}}));
    assert_eq!(status(&gateway, &idle).await, user_sessions::Status::Expired);
    idle.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    let shown = used.sessions().await;
    assert_eq!(shown.iter().filter(|session| session["status"] == "ACTIVE").count(), 1);
    gateway.expect_undelivered();
}

// D5: 90 days in all, however often it is refreshed.
#[tokio::test]
async fn no_session_outlives_ninety_days() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await.sign_out().await;
    let ada = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    for _ in 0..4 {
        gateway.advance(20 * DAY);
        ada.refresh().await;
    }
    gateway.advance(10 * DAY - Duration::from_secs(1));
    assert_eq!(tidy(&gateway).await.of("expired_sessions"), 0);
    ada.refresh().await;
    gateway.advance(Duration::from_secs(1));
    ada.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    assert_eq!(tidy(&gateway).await.of("expired_sessions"), 1);
    assert_eq!(status(&gateway, &ada).await, user_sessions::Status::Expired);
    gateway.expect_undelivered();
}

// D5, C14: however many look at once, on two instances: one event and one audit row for each session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_is_told_once_by_however_many_look() {
    use sea_orm::ActiveModelTrait as _;

    const SESSIONS: usize = 60;
    let gateway = without_buckets().await;
    let beside = gateway.start_beside().await;
    let ada = account(&gateway, "ada@example.com").await;
    let database = gateway.database().await;
    let template: user_sessions::Model =
        user_sessions::Entity::find_by_id(ada.session_id.parse::<Uuid>().unwrap()).one(&database).await.unwrap().unwrap();
    let copies = (1..SESSIONS).map(|_| {
        let id = gateway.app().entropy.uuid(gateway.clock.now());
        user_sessions::ActiveModel { id: Set(id), ..user_sessions::ActiveModel::from(template.clone()).reset_all() }
    });
    user_sessions::Entity::insert_many(copies).exec_without_returning(&database).await.unwrap();
    gateway.advance(30 * DAY);
    let lookers = (0..8).map(|number| {
        let app = Arc::clone(if number % 2 == 0 { gateway.app() } else { beside.app() });
        tokio::spawn(async move {
            let mut count = 0;
            for _ in 0..30 {
                count += expire_sessions::run(&app, 7).await.unwrap();
            }
            count
        })
    });
    let counts: Vec<_> = join_all(lookers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(counts.iter().sum::<u64>(), SESSIONS as u64, "{counts:?}");
    let told = account_events::Entity::find().filter(account_events::Column::Kind.eq(Kind::SessionExpired)).all(&database).await.unwrap();
    let sessions: HashSet<_> = told.iter().filter_map(|event| event.session_id).collect();
    assert_eq!((told.len(), sessions.len()), (SESSIONS, SESSIONS));
    let audited =
        user_audit_log::Entity::find().filter(user_audit_log::Column::EventType.eq("session_expired")).all(&database).await.unwrap();
    let sessions: HashSet<_> = audited.iter().filter_map(|row| row.session_id).collect();
    assert_eq!((audited.len(), sessions.len()), (SESSIONS, SESSIONS));
    assert!(audited.iter().all(|row| row.actor == user_sessions::Actor::System && row.actor_user_id.is_none() && row.ip_address.is_none()));
}

// A refresh and the clean-up at the very end of a session: either it goes on, or it is over; never both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_at_the_last_moment_counts_or_does_not() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    ada.sign_out().await;
    let mut members = Vec::new();
    for _ in 0..8 {
        members.push(gateway.app_user().sign_in("ada@example.com", PASSWORD).await);
    }
    gateway.advance(30 * DAY - Duration::from_millis(1));
    let end = {
        let (app, clock) = (Arc::clone(gateway.app()), gateway.clock.clone());
        tokio::spawn(async move {
            clock.advance(Duration::from_millis(1));
            expire_sessions::run(&app, 100).await.unwrap()
        })
    };
    let answers = join_all(members.iter().map(Member::try_refresh)).await;
    end.await.unwrap();
    gateway.inside(expire_sessions::run(gateway.app(), 100)).await.unwrap();
    for (member, answer) in members.iter().zip(answers) {
        let goes_on = answer.expect_field()["problems"] == json!([]);
        let expected = if goes_on { user_sessions::Status::Active } else { user_sessions::Status::Expired };
        assert_eq!(status(&gateway, member).await, expected);
    }
    gateway.expect_undelivered();
}

#[tokio::test]
async fn a_change_of_contact_that_nobody_finished_is_taken_back() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let now = gateway.clock.now();
    let pending = users::ActiveModel {
        id: Set(ada.user_id.parse().unwrap()),
        pending_email: Set(Some("next@example.com".to_owned())),
        pending_email_expires_at: Set(Some(now + DAY)),
        pending_phone: Set(Some("+66812345678".to_owned())),
        pending_phone_expires_at: Set(Some(now + 2 * DAY)),
        ..Default::default()
    };
    let database = gateway.database().await;
    users::Entity::update(pending).exec(&database).await.unwrap();
    let row = async || users::Entity::find_by_id(ada.user_id.parse::<Uuid>().unwrap()).one(&database).await.unwrap().unwrap();
    gateway.advance(DAY - Duration::from_millis(1));
    assert_eq!(tidy(&gateway).await.of("expired_contact_changes"), 0);
    gateway.advance(Duration::from_millis(1));
    ada.refresh().await;
    let mut socket = ada.socket().await;
    let events = socket
        .subscribe("subscription ($after: String) { accountEvents(after: $after) { kind } }", json!({"after": ada.event_cursor().await}))
        .await;
    assert_eq!(tidy(&gateway).await.of("expired_contact_changes"), 1);
    assert_eq!(socket.next(&events).await, json!({"kind": "UPDATED"}));
    let after = row().await;
    assert_eq!((after.pending_email, after.pending_email_expires_at, after.pending_phone.is_some()), (None, None, true));
    gateway.advance(DAY);
    assert_eq!(tidy(&gateway).await.of("expired_contact_changes"), 1);
    let after = row().await;
    assert_eq!((after.pending_phone, after.pending_phone_expires_at, after.email.as_deref()), (None, None, Some("ada@example.com")));
}
