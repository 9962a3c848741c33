//! Handing it on to a webhook.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use postern::{
    config::{Config, Webhook},
    jobs::forward_audit::{Turn, turn},
    outbound::audit_webhook::AuditWebhook,
    storage::leases::find_position,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use sha2::Sha256;

use super::rows;
use crate::{
    messages::fake_sms::{FakeSms, Mood, Taken, WEBHOOK_KEY},
    support::{Gateway, until, until_some},
};

fn settings(receiver: &FakeSms) -> Webhook {
    Webhook { url: format!("http://127.0.0.1:{}/audit", receiver.port).parse().unwrap(), key: WEBHOOK_KEY.to_vec().into() }
}

fn webhook(receiver: &FakeSms) -> AuditWebhook {
    AuditWebhook::new(&settings(receiver), Duration::from_millis(700)).unwrap()
}

fn events(taken: &Taken) -> Vec<String> {
    let body: Value = serde_json::from_str(&taken.body).unwrap();
    assert_eq!(body["type"], "audit.events");
    body["data"]["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// A turn that meets something: on PostgreSQL a row waits for every transaction that began before it ended.
async fn busy_turn(gateway: &Gateway, webhook: &AuditWebhook) -> Turn {
    until_some("something to hand on", Duration::from_secs(10), async || {
        let turn = gateway.inside(turn(gateway.app(), webhook, "one")).await.unwrap();
        (turn != Turn::Sent(0)).then_some(turn)
    })
    .await
}

/// Waits until every transaction has ended that a row of the log waits for: a job that begins later is not told of it.
async fn settled(gateway: &Gateway) {
    let database = gateway.database().await;
    if database.get_database_backend() == DbBackend::Postgres {
        let sql = "SELECT count(*) FROM user_audit_log WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
        until("every transaction ends", Duration::from_secs(30), async || {
            let row = database.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
            row.try_get_by_index::<i64>(0).unwrap() == 0
        })
        .await;
    }
    database.close().await.unwrap();
}

/// Turns until the receiver took so many rows.
async fn hand_on(gateway: &Gateway, webhook: &AuditWebhook, mut left: u64) {
    while left > 0 {
        match busy_turn(gateway, webhook).await {
            Turn::Sent(count) => left -= count,
            other => panic!("{other:?}"),
        }
    }
}

async fn ids_after(gateway: &Gateway, count: usize) -> Vec<String> {
    rows(gateway).await.iter().skip(count).map(|row| row.id.to_string()).collect()
}

#[tokio::test]
async fn every_row_is_handed_on_signed_in_its_order() {
    let gateway = Gateway::start().await;
    let receiver = FakeSms::start(Mood::Well).await;
    let webhook = webhook(&receiver);
    let visitor = gateway.app_user();
    visitor.becomes_member("ada@example.com").await;
    let before = rows(&gateway).await.len();
    settled(&gateway).await;
    let app = gateway.app();
    assert_eq!(gateway.inside(turn(app, &webhook, "one")).await.unwrap(), Turn::Sent(0), "what was before is a matter of the export");
    assert!(receiver.taken().is_empty());
    let member = visitor.sign_in("ada@example.com", crate::support::PASSWORD).await;
    member.sign_out().await;
    hand_on(&gateway, &webhook, 2).await;
    assert_eq!(gateway.inside(turn(app, &webhook, "one")).await.unwrap(), Turn::Sent(0));
    let taken = receiver.taken();
    assert_eq!(taken.iter().flat_map(events).collect::<Vec<_>>(), ids_after(&gateway, before).await);
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_KEY).unwrap();
    mac.update(format!("{}.{}.{}", taken[0].header("webhook-id"), taken[0].header("webhook-timestamp"), taken[0].body).as_bytes());
    assert_eq!(taken[0].header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    // C15
    assert!(!taken[0].body.contains(crate::support::PASSWORD) && !taken[0].body.contains(&member.tokens().access));
    // One instance at a time: another one has its turn when the lease is over.
    assert_eq!(gateway.inside(turn(app, &webhook, "two")).await.unwrap(), Turn::NotOurs);
    gateway.advance(Duration::from_secs(31));
    assert_eq!(gateway.inside(turn(app, &webhook, "two")).await.unwrap(), Turn::Sent(0));
    assert_eq!(gateway.inside(turn(app, &webhook, "one")).await.unwrap(), Turn::NotOurs);
}

#[tokio::test]
async fn a_receiver_that_is_down_misses_nothing() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let receiver = FakeSms::start(Mood::Answers(503, 0)).await;
    let webhook = webhook(&receiver);
    let app = gateway.app();
    gateway.inside(turn(app, &webhook, "one")).await.unwrap();
    let visitor = gateway.app_user();
    visitor.becomes_member("ada@example.com").await;
    // Whatever it says, and however it is silent: nothing is left out, and nobody is led elsewhere.
    for mood in [Mood::Answers(503, 0), Mood::Answers(400, 0), Mood::Answers(410, 0), Mood::Redirects, Mood::Hangs, Mood::Babbles] {
        receiver.becomes(mood);
        // An answer without an end is one by its status; the rest of it is not read.
        let turn = busy_turn(&gateway, &webhook).await;
        assert!(if mood == Mood::Babbles { matches!(turn, Turn::Sent(1..=3)) } else { turn == Turn::Failed }, "{mood:?}: {turn:?}");
    }
    let taken = receiver.taken();
    let mut names: Vec<(Vec<String>, &str)> = taken.iter().map(|taken| (events(taken), taken.header("webhook-id"))).collect();
    names.dedup();
    assert!(names.len() < 3, "each attempt at the same rows has the same id: {names:?}");
    assert!(taken.iter().all(|taken| taken.path == "audit"));
    for _ in 0..120 {
        visitor.try_sign_in("ada@example.com", "wrong").await;
    }
    receiver.becomes(Mood::Well);
    let before = receiver.taken().len();
    let done = events(&receiver.taken()[before - 1]).len();
    let all = ids_after(&gateway, done).await;
    hand_on(&gateway, &webhook, all.len() as u64).await;
    let taken = receiver.taken();
    assert_eq!(taken[before..].iter().flat_map(events).collect::<Vec<_>>(), all);
    assert!(taken.len() - before > 1 && taken.iter().all(|taken| events(taken).len() <= 100), "in small parts");
    gateway.expect_undelivered();
}

// By itself, and across a restart between the receiver's word and ours: at least once, each of them.
#[tokio::test]
async fn the_job_goes_on_where_it_was_after_a_restart() {
    let receiver = FakeSms::start(Mood::Well).await;
    let hook = settings(&receiver);
    let forwarding = |config: &mut Config| config.audit.webhook = Some(hook.clone());
    let gateway = Gateway::start_with(forwarding).await;
    let arrive = async |wanted: Vec<String>| {
        until("all arrive", Duration::from_secs(20), async || {
            let seen: BTreeSet<String> = receiver.taken().iter().flat_map(events).collect();
            wanted.iter().all(|id| seen.contains(id))
        })
        .await;
    };
    let position = async || gateway.inside(find_position(gateway.app().database.read(), "forward audit")).await.unwrap();
    until_some("it begins", Duration::from_secs(20), position).await;
    gateway.app_user().becomes_member("ada@example.com").await;
    arrive(ids_after(&gateway, 0).await).await;
    let beside = gateway.start_beside().await;
    drop(gateway);
    beside.app_user().becomes_member("eve@example.com").await;
    let again = beside.start_beside_with(forwarding).await;
    arrive(ids_after(&again, 0).await).await;
}

#[test]
fn settings_are_checked() {
    use postern::config::Sources;
    let problems = |settings: &[(&str, &str)]| -> Vec<String> {
        let all = [("POSTERN_DATA_DIR", "/nowhere")].iter().chain(settings).copied().collect::<Vec<_>>();
        Config::read(&Sources::of(all)).problems.iter().map(ToString::to_string).collect()
    };
    let secret = ("POSTERN_AUDIT__WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let url = |url| ("POSTERN_AUDIT__WEBHOOK_URL", url);
    assert_eq!(problems(&[]), Vec::<String>::new());
    assert_eq!(problems(&[url("https://siem.example.com/in"), secret]), Vec::<String>::new());
    assert_eq!(problems(&[url("http://127.0.0.1:9/in"), secret]), Vec::<String>::new());
    for (settings, word) in [
        (vec![url("http://siem.example.com/in"), secret], "https"),
        (vec![url("https://a:b@siem.example.com/in"), secret], "password"),
        (vec![url("https://siem.example.com/in")], "webhook_secret"),
        (vec![secret], "webhook_url"),
        (vec![url("https://siem.example.com/in"), ("POSTERN_AUDIT__WEBHOOK_SECRET", "short")], "whsec_"),
    ] {
        let problems = problems(&settings);
        assert!(problems.len() == 1 && problems[0].contains(word), "{problems:?}");
    }
}
