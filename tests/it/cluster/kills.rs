//! The real program killed in the middle of its work, and ended in good order.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use entity::{account_events, messages, pending_sign_ups, user_audit_log, user_sessions, users};
use reqwest::Method;
use sea_orm::{Database, EntityTrait};
use serde_json::{Value, json};

use crate::{
    ephemeral::redis_process::eventually,
    support::{Closed, PASSWORD, Process, Visitor},
};

const SIGN_UP: &str = "mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id } problems { code } } }";
const CONFIRM: &str = "mutation ($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) { outcome { ... on SignedIn { user { id } } } problems { code } } }";

/// Every account is whole: with its event, its audit row, its message and its session, and nothing is left of what made it.
pub async fn assert_whole(url: &str) {
    let database = Database::connect(url).await.unwrap();
    let users = users::Entity::find().all(&database).await.unwrap();
    let events = account_events::Entity::find().all(&database).await.unwrap();
    let audit = user_audit_log::Entity::find().all(&database).await.unwrap();
    let messages = messages::Entity::find().all(&database).await.unwrap();
    let sessions = user_sessions::Entity::find().all(&database).await.unwrap();
    let pending = pending_sign_ups::Entity::find().all(&database).await.unwrap();
    database.close().await.unwrap();
    let mut by_user: HashMap<_, Vec<&str>> = HashMap::new();
    for event in &events {
        let what = match event.kind {
            account_events::Kind::Created => "created event",
            account_events::Kind::SessionCreated => "session event",
            _ => continue,
        };
        by_user.entry(event.user_id).or_default().push(what);
    }
    for row in &audit {
        let what = match row.event_type.as_str() {
            "account_created" => "created row",
            "login" => "login row",
            _ => continue,
        };
        by_user.entry(row.user_id.unwrap_or_default()).or_default().push(what);
    }
    for message in messages.iter().filter(|message| message.template == "account_created") {
        by_user.entry(message.user_id.unwrap_or_default()).or_default().push("message");
    }
    for session in &sessions {
        by_user.entry(session.user_id).or_default().push("session");
    }
    for user in &users {
        let found = by_user.remove(&user.id).unwrap_or_default();
        let count = |what| found.iter().filter(|found| **found == what).count();
        assert_eq!(["created event", "created row", "message"].map(count), [1; 3], "{:?}: {found:?}", user.email);
        assert!(count("session") >= 1, "{:?}: {found:?}", user.email);
        assert_eq!(["session event", "login row"].map(count), [count("session"); 2], "{:?}: {found:?}", user.email);
    }
    assert!(by_user.is_empty(), "nobody's: {by_user:?}");
    let contacts: HashSet<&String> = users.iter().filter_map(|user| user.email.as_ref()).collect();
    assert!(pending.iter().all(|row| !contacts.contains(&row.contact)), "a sign-up is left of a finished one");
}

/// What a mutation answered; `None` where the connection broke.
async fn ask(visitor: &Visitor, query: &str, input: Value) -> Option<Value> {
    let request = visitor.request(Method::POST, "/graphql").json(&json!({"query": query, "variables": {"input": input}}));
    request.send().await.ok()?.json().await.ok()
}

/// The code of the last message to somebody; `None` where none comes for a while.
pub async fn code_for(door: &crate::support::Door, email: &str) -> Option<String> {
    let url = url::Url::parse_with_params(&format!("http://{}/dev/inbox.json", door.address), [("to", email)]).unwrap();
    for _ in 0..200 {
        let answer: Option<Value> = match door.client.get(url.clone()).send().await {
            Ok(response) => response.json().await.ok(),
            Err(_) => return None,
        };
        if let Some(code) = answer.as_ref().and_then(|messages| messages[0]["code"].as_str()) {
            return Some(code.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

/// Signs up one address after the other until the program is gone.
async fn sign_up_on_and_on(visitor: Visitor, worker: usize, made: Arc<AtomicUsize>) {
    for n in 0.. {
        let email = format!("killed{worker}-{n}@example.com");
        // Every other one signs up without a password, which goes faster.
        let password = worker.is_multiple_of(2).then_some(PASSWORD);
        let Some(answer) = ask(&visitor, SIGN_UP, json!({"contact": {"email": email}, "password": password})).await else { return };
        let id = answer["data"]["signUp"]["challenge"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        let Some(code) = code_for(visitor.door(), &email).await else { return };
        let Some(answer) = ask(&visitor, CONFIRM, json!({"challengeId": id, "code": code, "tokenDelivery": "BODY"})).await else { return };
        assert_eq!(answer["data"]["confirmSignUp"]["problems"], json!([]), "{answer}");
        made.fetch_add(1, Ordering::Relaxed);
    }
}

/// So many sign-ups in all, and so many kills among them.
const SIGN_UPS: usize = 1_000;
const ROUNDS: usize = 4;

// H26, and the promise of the outbox: killed in the middle of sign-ups, no account is without its event, audit row and message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_nothing_is_half_done() {
    let mut process = Process::start().await;
    let made = Arc::new(AtomicUsize::new(0));
    for round in 1..=ROUNDS {
        let workers: Vec<_> =
            (0..6).map(|worker| tokio::spawn(sign_up_on_and_on(process.app_user(), 10 * round + worker, Arc::clone(&made)))).collect();
        while made.load(Ordering::Relaxed) < SIGN_UPS / ROUNDS * round {
            let so_far = made.load(Ordering::Relaxed);
            eventually("it goes on", async || made.load(Ordering::Relaxed) > so_far).await;
        }
        process.kill();
        for worker in workers {
            worker.await.unwrap();
        }
        assert_whole(&process.database_url).await;
        process = process.restart().await;
        // What was answered before the kill holds after it.
        let member = process.app_user().sign_in(&format!("killed{}-0@example.com", 10 * round), PASSWORD).await;
        member.graphql("{ me { id } }", json!({})).await.expect_field();
        member.sign_out().await;
        process.app_user().becomes_member(&format!("round{round}@example.com")).await;
    }
}

// Whoever looks into the file beside the gateway, an operator or a backup, must not end its write-ahead log: the locks of the gateway hold.
#[tokio::test]
async fn a_program_that_reads_beside_takes_nothing_away() {
    let process = Process::start().await;
    if process.door().place.is_shared() {
        return;
    }
    process.app_user().becomes_member("before@example.com").await;
    for _ in 0..2 {
        let beside = Database::connect(&process.database_url).await.unwrap();
        assert_eq!(entity::users::Entity::find().all(&beside).await.unwrap().len(), 1);
        beside.close().await.unwrap();
    }
    process.app_user().becomes_member("after@example.com").await;
    // Killed, so that nothing is tidied up at the end.
    let process = process.restart().await;
    for email in ["before@example.com", "after@example.com"] {
        process.app_user().sign_in(email, PASSWORD).await;
    }
}

// H26: SIGTERM ends sockets with 1001 and the program well, with everything written that was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_in_good_order_it_says_goodbye() {
    let process = Process::start().await;
    let member = process.app_user().becomes_member("goodbye@example.com").await;
    let mut listening = member.socket().await;
    listening.subscribe("subscription { sessionEvents { id } }", json!({})).await;
    let mut idle = member.socket().await;
    let made = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..4).map(|worker| tokio::spawn(sign_up_on_and_on(process.app_user(), worker, Arc::clone(&made)))).collect();
    eventually("there is load", async || made.load(Ordering::Relaxed) >= 20).await;
    let url = process.database_url.clone();
    let place = Arc::clone(&process.door().place);
    let (ended, one, other) = tokio::join!(process.terminate(), listening.closed(), idle.closed());
    assert!(ended.success(), "{ended}");
    let away = |closed: &Closed| closed.code == 1001;
    assert!(away(&one) && away(&other), "{one:?} {other:?}");
    for worker in load {
        worker.await.unwrap();
    }
    assert_whole(&url).await;
    drop(place);
}
