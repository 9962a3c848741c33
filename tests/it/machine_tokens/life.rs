//! From its making to its end: what a token costs, when it was last used, and how its end is felt.

use std::time::{Duration, Instant};

use entity::machine_tokens;
use postern::domain::machine_scope::MachineScope::{EventsRead, UsersRead};
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION},
};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::Machine;
use crate::{
    ephemeral::redis_process::RedisProcess,
    support::{Closed, Gateway, Socket, until, until_some},
};

/// A second, the bar for a revocation to be felt everywhere.
const FELT: Duration = Duration::from_secs(1);
const ALL_SESSIONS: &str = "subscription ($after: String) { allSessionEvents(after: $after) { cursor kind userId } }";

fn ended() -> Closed {
    Closed { code: 4401, reason: "Unauthorized".to_owned() }
}

/// A request that needs a token and asks nothing of the database by itself.
async fn is_let_in(machine: &Machine) -> bool {
    let answer = machine.graphql("query { node(id: \"none\") { id } }", json!({})).await;
    match answer.code() {
        None => true,
        Some("UNAUTHENTICATED") => {
            assert_eq!(answer.reason(), Some("TOKEN_INVALID"));
            false
        }
        Some(other) => panic!("{other}: {answer:?}"),
    }
}

async fn until_refused(machine: &Machine) -> Duration {
    until("it ends", Duration::from_secs(10), async || !is_let_in(machine).await).await
}

#[tokio::test]
async fn a_warm_token_asks_nobody_and_a_wrong_one_nearly_nobody() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let machine = Machine::with(&gateway, &[UsersRead]).await;
    let stranger = format!("postern_mt_{}", "A".repeat(43));
    assert!(is_let_in(&machine).await);
    let mut seen = Vec::new();
    // The courier and others look after their work now and then; it is enough that one round meets none of them.
    for _ in 0..5 {
        let before = gateway.app().database.statements();
        for _ in 0..100 {
            assert!(is_let_in(&machine).await);
        }
        let warm = gateway.app().database.statements() - before;
        let (before, began) = (gateway.app().machine_tokens.reads(), Instant::now());
        for _ in 0..100 {
            let answer = machine.visitor.graphql_with("{ me { id } }", json!({}), Some(&stranger)).await;
            assert_eq!(answer.reason(), Some("TOKEN_INVALID"));
        }
        let wrong = gateway.app().machine_tokens.reads() - before;
        let allowed = 2 + u64::try_from(began.elapsed().as_millis() / 100).unwrap();
        assert!(wrong <= allowed, "{wrong} of {allowed}");
        if warm == 0 {
            return;
        }
        seen.push(warm);
    }
    panic!("100 requests asked the database each time: {seen:?}");
}

#[tokio::test]
async fn its_last_use_is_noted_once_a_minute() {
    let gateway = Gateway::start().await;
    let machine = Machine::with(&gateway, &[UsersRead]).await;
    let database = gateway.database().await;
    let row = async || machine_tokens::Entity::find_by_id(machine.id.parse::<uuid::Uuid>().unwrap()).one(&database).await.unwrap().unwrap();
    let used = async |after: Option<_>| {
        until_some("its use is written", Duration::from_secs(10), async || row().await.last_used_at.filter(|at| Some(*at) != after)).await
    };
    assert_eq!(row().await.last_used_at, None);
    assert!(is_let_in(&machine).await);
    let first = used(None).await;
    assert_eq!(first, gateway.clock.now());
    gateway.advance(Duration::from_secs(30));
    assert!(is_let_in(&machine).await);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(row().await.last_used_at, Some(first));
    gateway.advance(Duration::from_secs(31));
    assert!(is_let_in(&machine).await);
    assert_eq!(used(Some(first)).await, gateway.clock.now());
    // Only the hash of it is kept.
    let row = row().await;
    assert_eq!((row.token_hash.len(), row.scopes.as_str()), (32, "users:read"));
}

#[tokio::test]
async fn it_expires() {
    let gateway = Gateway::start().await;
    let machine = Machine::made(&gateway, &[EventsRead, UsersRead], Some(Duration::from_hours(1))).await;
    let (mut listening, mut idle) = (machine.socket().await, machine.socket().await);
    listening.subscribe(ALL_SESSIONS, json!({})).await;
    gateway.advance(Duration::from_mins(59));
    assert!(is_let_in(&machine).await);
    gateway.advance(Duration::from_mins(1));
    let began = Instant::now();
    assert!(!is_let_in(&machine).await);
    assert_eq!((listening.closed().await, idle.closed().await), (ended(), ended()));
    assert!(began.elapsed() < 2 * FELT, "{:?}", began.elapsed());
    assert_eq!(refused_at_init(&machine).await, ended());
}

async fn refused_at_init(machine: &Machine) -> Closed {
    let mut socket = Socket::open(machine.visitor.door(), reqwest::header::HeaderMap::new()).await.unwrap();
    let token = format!("Bearer {}", machine.token);
    socket.send(json!({"type": "connection_init", "payload": {"authorization": token}})).await;
    socket.closed().await
}

/// A stream of server-sent events that is open.
async fn stream(machine: &Machine) -> reqwest::Response {
    let request = machine.visitor.request(Method::POST, "/graphql/stream").header(ACCEPT, "text/event-stream");
    let request = request.header(AUTHORIZATION, format!("Bearer {}", machine.token)).json(&json!({"query": ALL_SESSIONS}));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

/// Revoked at one instance, and felt at the other by requests, sockets and streams.
async fn revocation_is_felt(one: &Gateway, other: &Gateway) {
    let here = Machine::with(one, &[EventsRead, UsersRead]).await;
    let there = here.at(other);
    let staying = Machine::with(one, &[EventsRead, UsersRead]).await.at(other);
    assert!(is_let_in(&here).await);
    // Made a moment ago at the other instance.
    assert!(is_let_in(&there).await && is_let_in(&staying).await);
    let (mut listening, mut idle, mut other_machine) = (there.socket().await, there.socket().await, staying.socket().await);
    listening.subscribe(ALL_SESSIONS, json!({"after": there.event_cursor().await})).await;
    let kept = other_machine.subscribe(ALL_SESSIONS, json!({"after": staying.event_cursor().await})).await;
    let events = stream(&there).await;
    here.revoke(one).await;
    let began = Instant::now();
    assert!(!is_let_in(&here).await, "at once");
    assert!(until_refused(&there).await < FELT);
    assert_eq!((listening.closed().await, idle.closed().await), (ended(), ended()));
    let told = tokio::time::timeout(Duration::from_secs(5), events.text()).await.expect("the stream ends").unwrap();
    assert!(told.contains("TOKEN_INVALID") && told.ends_with("event: complete\ndata:\n\n"), "{told}");
    assert!(began.elapsed() < 2 * FELT, "{:?}", began.elapsed());
    assert_eq!(refused_at_init(&there).await, ended());
    // H21: nothing after it; and whoever was not revoked goes on.
    let member = one.app_user().becomes_member(&format!("{}@example.com", here.id)).await;
    assert_eq!(other_machine.next(&kept).await["userId"], json!(member.user_id));
}

// H21, C16
#[tokio::test]
async fn a_revocation_is_felt_at_every_instance() {
    let Some((one, other)) = Gateway::start_pair().await else {
        let gateway = Gateway::start().await;
        revocation_is_felt(&gateway, &gateway).await;
        return;
    };
    for _ in 0..3 {
        revocation_is_felt(&one, &other).await;
    }
}

// H21: the database alone tells of it, so that nothing depends on hints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_felt_without_redis() {
    let Some(mut redis) = RedisProcess::start(false).await else { return };
    let url = redis.url();
    let change = |config: &mut postern::config::Config| {
        config.redis.urls = vec![url.clone()];
        config.rate_limits.enabled = false;
    };
    let one = Gateway::start_with(change).await;
    if !one.place.is_shared() {
        return;
    }
    let other = one.start_beside_with(change).await;
    let here = Machine::with(&one, &[EventsRead, UsersRead]).await;
    let there = here.at(&other);
    assert!(is_let_in(&here).await && is_let_in(&there).await);
    let mut socket = there.socket().await;
    socket.subscribe(ALL_SESSIONS, json!({})).await;
    redis.kill();
    assert!(is_let_in(&here).await && is_let_in(&there).await);
    here.revoke(&one).await;
    let began = Instant::now();
    assert!(until_refused(&there).await < FELT);
    assert_eq!(socket.closed().await, ended());
    assert!(began.elapsed() < 2 * FELT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn its_making_and_its_end_are_audited() {
    use entity::user_audit_log::{Column, Entity};
    use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
    let gateway = Gateway::start().await;
    let machine = Machine::with(&gateway, &[EventsRead]).await;
    machine.revoke(&gateway).await;
    let query = Entity::find().filter(Column::EventType.starts_with("machine_token_")).order_by_asc(Column::Seq);
    let rows = query.all(&gateway.database().await).await.unwrap();
    let told: Vec<(&str, &str, &Value)> =
        rows.iter().map(|row| (row.event_type.as_str(), row.metadata["name"].as_str().unwrap(), &row.metadata["machineToken"])).collect();
    assert_eq!(
        told,
        [("machine_token_created", "a listener", &json!(machine.id)), ("machine_token_revoked", "a listener", &json!(machine.id))]
    );
    for row in &rows {
        assert_eq!((row.actor, row.actor_user_id, row.user_id), (entity::user_sessions::Actor::System, None, None));
        assert!(!row.metadata.to_string().contains(&machine.token["postern_mt_".len()..]));
    }
    assert_eq!(rows[0].metadata["scopes"], json!(["events:read"]));
}
