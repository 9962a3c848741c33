//! Redis or PostgreSQL away and back again, under load: what goes on, what waits, and that all recovers by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use super::{FELT, kills::assert_whole, lives, postgres_process::PostgresProcess, until_over};
use crate::{
    ephemeral::redis_process::{RedisProcess, eventually},
    support::{Answer, Gateway, PASSWORD},
};

async fn readiness(gateway: &Gateway) -> Value {
    let url = format!("http://{}/readyz", gateway.address);
    gateway.client.get(url).send().await.unwrap().json::<Value>().await.unwrap()["status"].take()
}

fn problem(answer: &Answer) -> Option<&str> {
    answer.data().as_object()?.values().next()?["problems"][0]["code"].as_str()
}

// C11, C12: with Redis killed signed-in people go on, codes wait, guesses stay counted, ends are felt; and it recovers by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_killed_and_come_back() {
    let Some(mut redis) = RedisProcess::start(false).await else { return };
    let url = redis.url();
    let change = |config: &mut postern::config::Config| {
        config.redis.urls = vec![url.clone()];
        config.rate_limits.enabled = false;
    };
    let one = Gateway::start_with(change).await;
    let other = if one.place.is_shared() { Some(one.start_beside_with(change).await) } else { None };
    let there = other.as_ref().unwrap_or(&one);
    let email = "steady@example.com";
    let member = one.app_user().becomes_member(email).await;
    let phone = one.app_user().sign_in(email, PASSWORD).await.at(there);
    let (visitor, challenge) = {
        let visitor = one.app_user();
        let challenge = visitor.sign_up("waiting@example.com", PASSWORD).await;
        (visitor, challenge)
    };
    let code = one.next_message("waiting@example.com").await.code();
    for key in redis.ask::<Vec<String>>(&["KEYS", "*"]).await.unwrap() {
        let ttl: i64 = redis.ask(&["PTTL", &key]).await.unwrap();
        assert!(ttl > 0, "{key}: {ttl}");
    }

    redis.kill();
    assert!(lives(&member).await && lives(&phone).await);
    member.refresh().await;
    let answer = one.app_user().try_sign_up(json!({"contact": {"email": "new@example.com"}, "password": PASSWORD})).await;
    answer.clone().expect_error("OVERLOADED");
    assert!(answer.headers.contains_key("retry-after") || answer.status == 200);
    visitor.try_confirm(&challenge, &code).await.expect_error("OVERLOADED");
    eventually("it says so", async || readiness(&one).await == "degraded").await;
    // Guesses are counted in rows.
    let guesses = join_all((0..60).map(|n| {
        let visitor = if n % 2 == 0 { one.app_user() } else { there.app_user() };
        async move { visitor.try_sign_in(email, &format!("wrong-Guess {n} lantern")).await }
    }));
    let guesses = guesses.await;
    assert_eq!(guesses.iter().filter(|answer| problem(answer) == Some("CREDENTIALS_INVALID")).count(), 5);
    assert_eq!(guesses.iter().filter(|answer| problem(answer) == Some("ACCOUNT_LOCKED")).count(), 55);
    // Without hints an end is felt all the same.
    member.try_revoke(&phone.session_id).await.expect_done();
    assert!(until_over(&phone).await < FELT);

    assert!(redis.run().await);
    eventually("it says so", async || readiness(&one).await == "ok" && readiness(there).await == "ok").await;
    // What Redis forgot is no challenge any more; a new one works.
    assert!(problem(&visitor.try_confirm(&challenge, &code).await).is_some());
    let newcomer = there.app_user().becomes_member("after@example.com").await;
    assert!(lives(&newcomer.at(&one)).await);
}

// PostgreSQL restarted under load: answers say that it is away, nothing is half done, and it recovers by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_may_be_restarted_under_load() {
    let Some(postgres) = PostgresProcess::start().await else { return };
    let url = postgres.url();
    let gateway = Gateway::start_with(|config| {
        config.database.url.clone_from(&url);
        config.rate_limits.enabled = false;
    })
    .await;
    let member = gateway.app_user().becomes_member("first@example.com").await;
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..4)
        .map(|worker| {
            let (stop, made, visitor) = (Arc::clone(&stop), Arc::clone(&made), gateway.app_user());
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let email = format!("load{worker}-{n}@example.com");
                    let answer = visitor.try_sign_up(json!({"contact": {"email": email}, "password": PASSWORD})).await;
                    let Some(id) = answer.data()["signUp"]["challenge"]["id"].as_str() else {
                        assert!(matches!(answer.code(), Some("OVERLOADED" | "INTERNAL" | "UNAVAILABLE")), "{}", answer.body);
                        continue;
                    };
                    // Its code comes once the database is back.
                    let challenge = crate::support::Challenge { id: id.to_owned(), fields: Value::Null };
                    let Some(code) = super::kills::code_for(visitor.door(), &email).await else { continue };
                    if problem(&visitor.try_confirm(&challenge, &code).await).is_none() {
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    eventually("there is load", async || made.load(Ordering::Relaxed) > 10).await;
    postgres.restart().await;
    let before = made.load(Ordering::Relaxed);
    eventually("the load goes on", async || made.load(Ordering::Relaxed) > before + 10).await;
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.unwrap();
    }
    assert!(lives(&member).await);
    member.refresh().await;
    eventually("it is well again", async || readiness(&gateway).await == "ok").await;
    assert_whole(&url).await;
    let database = gateway.database().await;
    let pending = entity::messages::Column::State.eq(entity::messages::State::Pending);
    eventually("every message is delivered", async || {
        // What could not be delivered meanwhile is tried again later.
        gateway.advance(Duration::from_secs(10));
        entity::messages::Entity::find().filter(pending.clone()).count(&database).await.unwrap() == 0
    })
    .await;
    database.close().await.unwrap();
    drop(gateway);
    drop(postgres);
}
