//! What is removed when its time is over, and what must not be.

use std::time::Duration;

use entity::{
    Channel, Timestamp, account_events, attempt_counters, dev_inbox, known_devices, link_tokens, messages, password_reset_attempts,
    pending_sign_ups, spent_tokens, user_audit_log, user_sessions,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseConnection, EntityTrait, IntoActiveModel, QueryFilter,
};
use serde_json::json;
use uuid::Uuid;

use super::tidy;
use crate::{
    sign_in_by_code::{account, without_buckets},
    support::{Gateway, Member, PASSWORD},
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MOMENT: Duration = Duration::from_millis(1);

/// Puts rows of two ages in, tidies up, and tells how many of each are left.
struct Table<'a> {
    gateway: &'a Gateway,
    database: DatabaseConnection,
}

impl<'a> Table<'a> {
    async fn of(gateway: &'a Gateway) -> Self {
        Self { gateway, database: gateway.database().await }
    }

    fn id(&self) -> Uuid {
        self.gateway.app().entropy.uuid(self.gateway.clock.now())
    }

    async fn put<M>(&self, row: M) -> M
    where
        M: sea_orm::ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel> + Clone,
        M::Entity: EntityTrait<Model = M>,
        <M::Entity as EntityTrait>::ActiveModel: ActiveModelTrait<Entity = M::Entity>,
    {
        let active = row.clone().into_active_model().reset_all();
        M::Entity::insert(active).exec_without_returning(&self.database).await.unwrap();
        row
    }

    async fn all<E: EntityTrait>(&self) -> Vec<E::Model> {
        E::find().all(&self.database).await.unwrap()
    }
}

fn counter(id: Uuid, kind: &str, user_id: Option<Uuid>, at: Timestamp) -> attempt_counters::Model {
    attempt_counters::Model {
        id,
        recent: format!("{:015}", 7),
        kind: kind.to_owned(),
        key: id.as_bytes().to_vec(),
        user_id,
        failures: 3,
        total: 3,
        locks: 0,
        locked_until: None,
        is_account: user_id.is_some(),
        last_failure_at: Some(at),
        created_at: at,
        updated_at: at,
    }
}

#[tokio::test]
async fn spent_tokens_go_an_hour_after_they_could_count_however_many() {
    let gateway = Gateway::start().await;
    let table = Table::of(&gateway).await;
    let now = gateway.clock.now();
    for (count, expires_at) in [(450, now - HOUR), (2, now - HOUR + MOMENT), (3, now + HOUR)] {
        for _ in 0..count {
            table.put(spent_tokens::Model { kind: "challenge".to_owned(), id: table.id().to_string(), expires_at }).await;
        }
    }
    assert_eq!(tidy(&gateway).await.of("spent_tokens"), 450);
    assert_eq!(table.all::<spent_tokens::Entity>().await.len(), 5);
}

#[tokio::test]
async fn sign_ups_links_and_attempts_go_when_their_time_is_over() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let table = Table::of(&gateway).await;
    let user_id: Uuid = ada.user_id.parse().unwrap();
    let now = gateway.clock.now();
    let kept_before = table.all::<link_tokens::Entity>().await.len();
    for age in [DAY, DAY - MOMENT] {
        let sign_up = pending_sign_ups::Model {
            id: table.id(),
            channel: Channel::Email,
            contact: "eve@example.com".to_owned(),
            password_hash: None,
            username: None,
            profile: json!({}),
            device_hash: None,
            challenge_id: table.id(),
            decoy: false,
            expires_at: now - age,
            created_at: now - 3 * DAY,
        };
        table.put(sign_up).await;
    }
    for (age, ends) in [(30 * DAY, now), (30 * DAY - MOMENT, now), (31 * DAY, now + MOMENT)] {
        let link = link_tokens::Model {
            id: table.id(),
            user_id: Some(user_id),
            pending_sign_up_id: None,
            purpose: link_tokens::Purpose::EmailChangeUndo,
            contact: "ada@example.com".to_owned(),
            session_id: None,
            token_hash: gateway.app().entropy.bytes::<32>().to_vec(),
            expires_at: ends,
            used_at: Some(now - age),
            created_at: now - age,
            challenge_id: None,
            reset_attempt_id: None,
            device_hash: None,
        };
        table.put(link).await;
    }
    for age in [90 * DAY, 90 * DAY - MOMENT] {
        let attempt = password_reset_attempts::Model {
            id: table.id(),
            user_id: None,
            contact: "eve@example.com".to_owned(),
            ip_address: None,
            user_agent: None,
            token_generated: false,
            success: false,
            created_at: now - age,
            updated_at: now - age,
        };
        table.put(attempt).await;
    }
    let done = tidy(&gateway).await;
    assert_eq!(["pending_sign_ups", "link_tokens", "password_reset_attempts"].map(|what| done.of(what)), [1; 3]);
    assert_eq!(table.all::<pending_sign_ups::Entity>().await.len(), 1);
    assert_eq!(table.all::<link_tokens::Entity>().await.len(), kept_before + 2, "one is young, and one still lives");
    assert_eq!(table.all::<password_reset_attempts::Entity>().await.len(), 1);
}

#[tokio::test]
async fn messages_go_thirty_days_after_they_were_written_unless_they_wait() {
    use messages::State::{Dead, Discarded, Expired, Pending, Sent};

    let gateway = Gateway::start().await;
    let table = Table::of(&gateway).await;
    let now = gateway.clock.now();
    let message = |state, created_at| messages::Model {
        id: table.id(),
        user_id: None,
        channel: Channel::Email,
        recipient: "ada@example.com".to_owned(),
        template: "password_changed".to_owned(),
        parameters: json!({}),
        secret_sealed: None,
        locale: "en".to_owned(),
        state,
        attempts: 1,
        // Not due while this test runs.
        next_attempt_at: now + HOUR,
        expires_at: now + DAY,
        sent_at: None,
        last_error: None,
        created_at,
        updated_at: created_at,
    };
    for state in [Sent, Dead, Expired, Discarded, Pending] {
        table.put(message(state, now - 30 * DAY)).await;
    }
    table.put(message(Sent, now - 30 * DAY + MOMENT)).await;
    let farewell = |state| messages::Model { template: "account_deleted".to_owned(), ..message(state, now) };
    table.put(farewell(Sent)).await;
    table.put(farewell(Pending)).await;
    let done = tidy(&gateway).await;
    assert_eq!((done.of("messages"), done.of("farewells")), (4, 1));
    let mut left: Vec<_> = table.all::<messages::Entity>().await.into_iter().map(|row| (row.template, row.state == Pending)).collect();
    left.sort();
    let (changed, deleted) = ("password_changed".to_owned(), "account_deleted".to_owned());
    assert_eq!(left, [(deleted, true), (changed.clone(), false), (changed, true)]);
    gateway.expect_undelivered();
}

// C6: failures at an account are counted until a success, however long ago; A9: those at nobody's are kept for so long that nothing is learnt from it.
#[tokio::test]
async fn counters_go_only_where_they_no_longer_count() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let table = Table::of(&gateway).await;
    let now = gateway.clock.now();
    let window = gateway.config.codes.budget_window;
    let user_id = Some(ada.user_id.parse().unwrap());
    let before = table.all::<attempt_counters::Entity>().await.len();
    let locked = attempt_counters::Model { locked_until: Some(now + MOMENT), ..counter(table.id(), "code", None, now - 2 * window) };
    let kept = [
        counter(table.id(), "password", user_id, now - 3_000 * DAY),
        counter(table.id(), "second_factor", user_id, now - 3_000 * DAY),
        counter(table.id(), "password", None, now - 365 * DAY + MOMENT),
        counter(table.id(), "code", None, now - window + MOMENT),
        locked,
    ];
    for row in kept.clone() {
        table.put(row).await;
    }
    table.put(counter(table.id(), "code", None, now - window)).await;
    let over = attempt_counters::Model { locked_until: Some(now), ..counter(table.id(), "code", None, now - window) };
    table.put(over).await;
    table.put(counter(table.id(), "password", None, now - 365 * DAY)).await;
    let done = tidy(&gateway).await;
    assert_eq!((done.of("code_budgets"), done.of("counters_of_nobody")), (2, 1));
    let left: Vec<_> = table.all::<attempt_counters::Entity>().await.into_iter().map(|row| row.id).collect();
    assert!(kept.iter().all(|row| left.contains(&row.id)));
    assert_eq!(left.len(), kept.len() + before);
}

#[tokio::test]
async fn ended_sessions_and_devices_of_long_ago_go() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let app = gateway.app_user();
    let gone: Member = app.sign_in("ada@example.com", PASSWORD).await;
    gateway.advance(HOUR);
    gone.refresh().await;
    gone.sign_out().await;
    let table = Table::of(&gateway).await;
    gateway.advance(90 * DAY - MOMENT);
    let done = tidy(&gateway).await;
    assert_eq!((done.of("revoked_sessions_of_long_ago"), done.of("expired_sessions")), (0, 1), "the other one ends only now");
    gateway.advance(MOMENT);
    let done = tidy(&gateway).await;
    assert_eq!((done.of("revoked_sessions_of_long_ago"), done.of("known_devices")), (1, 0));
    let left: Vec<user_sessions::Model> = table.all::<user_sessions::Entity>().await;
    assert_eq!(left.iter().map(|session| session.id.to_string()).collect::<Vec<_>>(), std::slice::from_ref(&ada.session_id));
    // It expired after thirty days.
    gateway.advance(30 * DAY);
    assert_eq!(tidy(&gateway).await.of("expired_sessions_of_long_ago"), 1);
    gateway.advance(280 * DAY);
    assert_eq!(tidy(&gateway).await.of("known_devices"), 2);
    assert!(table.all::<known_devices::Entity>().await.is_empty());
    gateway.expect_undelivered();
}

// A cursor is good for 30 days and misses nothing; an older one is refused, and what it would have read goes.
#[tokio::test]
async fn events_are_kept_as_long_as_a_cursor_is_good() {
    const EVENTS: &str = "subscription ($after: String) { accountEvents(after: $after) { kind } }";
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.sessions.sliding_ttl = 60 * DAY;
    })
    .await;
    let ada = account(&gateway, "ada@example.com").await;
    let table = Table::of(&gateway).await;
    let cursor = ada.event_cursor().await;
    let input = json!({"input": {"profile": {"bio": "one"}}});
    ada.graphql("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { problems { code } } }", input).await.expect_done();
    let before = table.all::<account_events::Entity>().await.len();
    gateway.advance(30 * DAY);
    assert_eq!(tidy(&gateway).await.of("account_events"), 0);
    ada.refresh().await;
    let mut socket = ada.socket().await;
    let events = socket.subscribe(EVENTS, json!({"after": cursor})).await;
    assert_eq!(socket.next(&events).await, json!({"kind": "UPDATED"}));
    gateway.advance(HOUR + MOMENT);
    assert_eq!(tidy(&gateway).await.of("account_events"), before as u64);
    assert_eq!(table.all::<account_events::Entity>().await.len(), 1, "of the refresh");
    ada.refresh().await;
    let late = socket.subscribe(EVENTS, json!({"after": cursor})).await;
    assert_eq!(socket.errors(&late).await[0]["extensions"]["code"], "CURSOR_EXPIRED");
    // What is told now still arrives.
    let now = socket.subscribe(EVENTS, json!({"after": ada.event_cursor().await})).await;
    let input = json!({"input": {"profile": {"bio": "two"}}});
    ada.graphql("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { problems { code } } }", input).await.expect_done();
    assert_eq!(socket.next(&events).await, json!({"kind": "UPDATED"}));
    let _ = now;
}

// C14: audit rows go by their own time and no sooner, also where the program's clock is ahead of the database's.
#[tokio::test]
async fn audit_rows_go_by_their_own_time() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let table = Table::of(&gateway).await;
    let user_id: Uuid = ada.user_id.parse().unwrap();
    let of_ada = user_audit_log::Entity::find().filter(user_audit_log::Column::UserId.eq(user_id));
    let template = of_ada.one(&table.database).await.unwrap().unwrap();
    let insert = async |expires_at: Option<Timestamp>| {
        let retention = if expires_at.is_some() { user_audit_log::Retention::Standard } else { user_audit_log::Retention::Permanent };
        let row = user_audit_log::ActiveModel {
            seq: NotSet,
            id: Set(table.id()),
            expires_at: Set(expires_at),
            retention_policy: Set(retention),
            ..template.clone().into()
        };
        user_audit_log::Entity::insert(row).exec_with_returning(&table.database).await.unwrap().seq
    };
    // By the database's own clock, which no test can move.
    let real = postern::clock::Clock::system().now();
    let start = std::cmp::min(real, gateway.clock.now());
    let mut gone = Vec::new();
    for _ in 0..250 {
        gone.push(insert(Some(start - DAY)).await);
    }
    let (later, forever) = (insert(Some(real + DAY)).await, insert(None).await);
    assert_eq!(tidy(&gateway).await.of("audit_rows"), 250);
    // By the program's clock it is over; the database's judgement holds up nothing else.
    gateway.advance(4_000 * DAY);
    table.put(spent_tokens::Model { kind: "challenge".to_owned(), id: "late".to_owned(), expires_at: real }).await;
    let done = tidy(&gateway).await;
    assert!(done.of("spent_tokens") >= 1);
    assert!(table.all::<spent_tokens::Entity>().await.is_empty());
    let left: Vec<_> = table.all::<user_audit_log::Entity>().await.into_iter().map(|row| row.seq).collect();
    assert!(left.contains(&later) && left.contains(&forever) && !left.iter().any(|seq| gone.contains(seq)));
}

#[tokio::test]
async fn the_inbox_of_development_keeps_the_newest() {
    let gateway = Gateway::start().await;
    let table = Table::of(&gateway).await;
    let now = gateway.clock.now();
    for age in 0..505_u32 {
        let message = dev_inbox::Model {
            id: table.id(),
            recipient: "ada@example.com".to_owned(),
            content_sealed: vec![1; 8],
            channel: Channel::Email,
            sent_at: now - age * Duration::from_secs(1),
        };
        table.put(message).await;
    }
    assert_eq!(tidy(&gateway).await.of("inbox_messages"), 5);
    let left = table.all::<dev_inbox::Entity>().await;
    assert_eq!((left.len(), left.iter().map(|message| message.sent_at).min()), (500, Some(now - 499 * Duration::from_secs(1))));
}
