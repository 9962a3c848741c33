//! Redis killed, stopped, not yet there, without its scripts, and back again; every key with an end.

use std::time::Instant;

use futures::future::join_all;
use postern::ephemeral::{
    Limit, Step, Unavailable,
    challenges::Challenges,
    rate_limits::{Limits, RateLimits, Rule},
};

use super::{
    redis_process::{RedisProcess, eventually},
    *,
};

/// Every operation fails, and none takes a second; also many at once.
async fn assert_away(store: &Arc<dyn Store>) {
    let began = Instant::now();
    let operation = |number: usize| {
        let store = Arc::clone(store);
        async move {
            let began = Instant::now();
            let outcome = match number % 7 {
                0 => store.ping().await,
                1 => store.put("test:away", b"x", noon() + MINUTE, noon()).await,
                2 => store.get("test:away", noon()).await.map(|_| ()),
                3 => store.take("test:away", noon()).await.map(|_| ()),
                4 => store.pour("test:away", Limit::new(5, MINUTE), noon()).await.map(|_| ()),
                5 => store.create_challenge(&challenge(3), noon()).await,
                _ => store.change_challenge(id(), Step::Reserve, noon()).await.map(|_| ()),
            };
            assert_eq!(outcome, Err(Unavailable));
            assert!(began.elapsed() < Duration::from_secs(1), "{number}: {:?}", began.elapsed());
        }
    };
    join_all((0..70).map(operation)).await;
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_is_told_at_once_and_comes_back_by_itself() {
    let Some(mut redis) = RedisProcess::start(false).await else { return };
    let store = connect(&[redis.url()]);
    assert_eq!(store.ping().await, Ok(()));
    for _ in 0..3 {
        let key = unique("outage");
        store.put(&key, b"kept", noon() + MINUTE, noon()).await.unwrap();
        redis.kill();
        assert_away(&store).await;
        redis.run().await;
        eventually("the store is back", async || store.ping().await.is_ok()).await;
        assert_eq!(store.get(&key, noon()).await, Ok(None), "it was kept in memory only");
        store.put(&key, b"again", noon() + MINUTE, noon()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_given_up_and_taken_back() {
    let Some(redis) = RedisProcess::start(false).await else { return };
    let store = connect(&[redis.url()]);
    assert_eq!(store.ping().await, Ok(()));
    redis.signal("-STOP");
    for _ in 0..3 {
        assert_away(&store).await;
    }
    redis.signal("-CONT");
    eventually("the store is back", async || store.ping().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_does_not_wait_for_redis() {
    let mut redis = RedisProcess::on(free_port(), false);
    let store = connect(&[redis.url()]);
    assert_away(&store).await;
    if redis.run().await {
        eventually("the store is there", async || store.ping().await.is_ok()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_each_instance_limits_by_what_it_has_seen() {
    let Some(mut redis) = RedisProcess::start(false).await else { return };
    let one = RateLimits::new(Limits::default(), connect(&[redis.url()]));
    let two = RateLimits::new(Limits::default(), connect(&[redis.url()]));
    let passed = async |limits: &RateLimits, tries: usize, now: Timestamp| {
        let mut passed = 0;
        for _ in 0..tries {
            passed += usize::from(limits.take(Rule::CodesPerContact, "ann@example.com", now).await.is_ok());
        }
        passed
    };
    assert_eq!(passed(&one, 2, noon()).await, 2);
    assert_eq!(passed(&two, 1, noon()).await, 1);
    redis.kill();
    // Five an hour: the first has seen two of them, the second one.
    assert_eq!(passed(&one, 20, noon()).await, 3);
    assert_eq!(passed(&two, 20, noon()).await, 4);
    assert!(two.take(Rule::CodesPerContact, "bob@example.com", noon()).await.is_ok());
    redis.run().await;
    let probe = connect(&[redis.url()]);
    eventually("Redis is back", async || probe.ping().await.is_ok()).await;
    // It has forgotten everything; the instances have not.
    assert_eq!(passed(&one, 20, noon()).await, 0);
    let later = noon() + 12 * MINUTE;
    eventually("the limit is shared again", async || passed(&one, 1, later).await == 1 || redis.ask::<i64>(&["DBSIZE"]).await == Some(1))
        .await;
    assert_eq!(passed(&one, 20, later).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_lose_its_scripts_at_any_time() {
    let Some(redis) = RedisProcess::start(false).await else { return };
    let store = connect(&[redis.url()]);
    for _ in 0..3 {
        let key = unique("scripts");
        assert_eq!(redis.ask::<String>(&["SCRIPT", "FLUSH"]).await.as_deref(), Some("OK"));
        store.put(&key, b"x", noon() + MINUTE, noon()).await.unwrap();
        assert_eq!(store.take(&key, noon()).await, Ok(Some(b"x".to_vec())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_ends_by_itself() {
    let Some(redis) = RedisProcess::start(false).await else { return };
    let store = connect(&[redis.url()]);
    let limits = RateLimits::new(Limits::default(), Arc::clone(&store));
    let challenges = Challenges::new(Arc::clone(&store));
    for number in 0..20 {
        let begun = challenge(3);
        challenges.create(&begun, noon()).await.unwrap();
        challenges.reserve(begun.id, noon()).await.unwrap();
        challenges.give_back(begun.id, noon()).await.unwrap();
        challenges.reissue(begun.id, None, noon() + HOUR, noon() + MINUTE).await.unwrap();
        challenges.finish(begun.id, noon()).await.unwrap();
        store.put(&unique("end"), b"x", noon() + MINUTE, noon()).await.unwrap();
        limits.take(Rule::SignInPerIp, &number.to_string(), noon()).await.unwrap();
    }
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]).await.unwrap();
    assert_eq!(keys.len(), 60);
    for key in keys {
        let longest: i64 = if key.starts_with("challenge:") { 70 * 60_000 } else { 60_000 };
        let left: i64 = redis.ask(&["PTTL", &key]).await.unwrap();
        assert!((1..=longest).contains(&left), "{key}: {left}");
    }
    assert!(redis.ask::<i64>(&["EXISTS", "ratelimit:sign_in_per_ip:7"]).await == Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_told_away_and_comes_back_by_itself() {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let Some(node) = RedisProcess::start(true).await else { return };
        nodes.push(node);
    }
    form_cluster(&nodes).await;
    let urls: Vec<String> = nodes.iter().map(RedisProcess::url).collect();
    let store = connect(&urls);
    eventually("the cluster answers", async || store.ping().await.is_ok()).await;
    let works = async || {
        for number in 0..30 {
            if store.put(&format!("test:cluster:{number}"), b"x", noon() + MINUTE, noon()).await.is_err() {
                return false;
            }
        }
        store.ping().await.is_ok()
    };
    assert!(works().await);

    // A slot that moves is followed.
    let slot: u16 = nodes[0].ask(&["CLUSTER", "KEYSLOT", "test:moved"]).await.unwrap();
    let mut names = Vec::new();
    for node in &nodes {
        names.push(node.ask::<String>(&["CLUSTER", "MYID"]).await.unwrap());
    }
    let old = usize::from(slot / 5462);
    for node in [(old + 1) % 3, old, (old + 2) % 3] {
        nodes[node].ask::<String>(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &names[(old + 1) % 3]]).await.unwrap();
    }
    store.put("test:moved", b"x", noon() + MINUTE, noon()).await.unwrap();
    assert_eq!(store.get("test:moved", noon()).await, Ok(Some(b"x".to_vec())));

    nodes[1].kill();
    assert_eq!(store.ping().await, Err(Unavailable));
    nodes[1].run().await;
    eventually("the cluster is whole again", works).await;

    nodes.iter_mut().for_each(RedisProcess::kill);
    for _ in 0..3 {
        assert_away(&store).await;
    }
    for node in &mut nodes {
        node.run().await;
    }
    eventually("the cluster is back", works).await;

    nodes[2].signal("-STOP");
    let began = Instant::now();
    assert_eq!(store.ping().await, Err(Unavailable));
    assert!(began.elapsed() < Duration::from_secs(1));
    nodes[2].signal("-CONT");
    eventually("the cluster is whole again", works).await;
}

async fn form_cluster(nodes: &[RedisProcess]) {
    for (node, (from, to)) in nodes.iter().zip([("0", "5461"), ("5462", "10923"), ("10924", "16383")]) {
        assert_eq!(node.ask::<String>(&["CLUSTER", "ADDSLOTSRANGE", from, to]).await.as_deref(), Some("OK"));
        for (epoch, other) in nodes.iter().enumerate() {
            if other.port == node.port {
                node.ask::<String>(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()]).await;
            }
        }
        node.ask::<String>(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]).await;
    }
    eventually("the nodes have found one another", async || {
        for node in nodes {
            let state: Option<String> = node.ask(&["CLUSTER", "INFO"]).await;
            if !state.is_some_and(|state| state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3")) {
                return false;
            }
        }
        true
    })
    .await;
}
