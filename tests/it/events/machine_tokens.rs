//! Machine tokens in memory: believed only as long as they are known to hold.

use std::time::{Duration, Instant};

use entity::machine_tokens::Model;
use postern::{
    domain::machine_scope::MachineScope,
    flows::machine_tokens::MachineTokens,
    storage::{database::Database, machine_tokens},
};
use uuid::Uuid;

use super::world::{Instance, World, bridged, postgres, until, worlds};
use crate::support;

async fn token(world: &World, number: u8) -> ([u8; 32], Uuid) {
    let now = world.clock.now();
    let (id, hash) = (world.entropy.uuid(now), [number; 32]);
    let row = Model {
        id,
        name: "x".to_owned(),
        token_hash: hash.to_vec(),
        scopes: "users:read coins:write".to_owned(),
        created_by: "a test".to_owned(),
        last_used_at: None,
        expires_at: None,
        revoked_at: None,
        created_at: now,
        updated_at: now,
    };
    let transaction = world.database.begin().await.unwrap();
    machine_tokens::insert(&transaction, row).await.unwrap();
    transaction.commit().await.unwrap();
    (hash, id)
}

async fn revoke(world: &World, id: Uuid) {
    let transaction = world.database.begin().await.unwrap();
    assert!(machine_tokens::revoke(&transaction, id, world.clock.now()).await.unwrap().is_some());
    assert!(machine_tokens::revoke(&transaction, id, world.clock.now()).await.unwrap().is_none(), "once");
    transaction.commit().await.unwrap();
}

fn tokens(instance: &Instance, database: &Database) -> MachineTokens {
    MachineTokens::new(database.clone(), instance.events.freshness())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_token_costs_no_round_trip_and_its_end_is_found_in_the_log() {
    for world in worlds().await {
        let instance = world.instance().await;
        let tokens = tokens(&instance, &instance.database);
        let now = world.clock.now();
        let (hash, id) = token(&world, 1).await;
        until("it is heard of", || instance.events.freshness().is_current()).await;
        let machine = tokens.find(&hash, now).await.unwrap().unwrap();
        assert_eq!((machine.id, machine.scopes.as_slice()), (id, &[MachineScope::UsersRead, MachineScope::CoinsWrite][..]));
        // What was written a moment ago is heard of once more.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(tokens.find(&hash, now).await.unwrap().is_some());
        let (reads, statements) = (tokens.reads(), instance.database.statements());
        for _ in 0..1000 {
            assert!(tokens.find(&hash, now).await.unwrap().is_some());
        }
        assert_eq!((tokens.reads(), instance.database.statements()), (reads, statements));
        // Nobody tells this instance: it reads.
        revoke(&world, id).await;
        support::until("it is over", Duration::from_secs(1), async || tokens.find(&hash, now).await.unwrap().is_none()).await;
        tokio::time::timeout(Duration::from_secs(1), tokens.ended(&machine, &world.clock)).await.expect("it is over");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_no_token_is_believed() {
    let Some(world) = postgres().await else { return };
    let (bridge, url) = bridged(&world.url).await;
    let instance = world.instance_at(&url, None).await;
    let tokens = tokens(&instance, &instance.database);
    let now = world.clock.now();
    let ((kept, _), (revoked, id)) = (token(&world, 1).await, token(&world, 2).await);
    for hash in [&kept, &revoked] {
        assert!(tokens.find(hash, now).await.unwrap().is_some());
    }
    bridge.cut();
    let cut = Instant::now();
    revoke(&world, id).await;
    until("nothing is believed", || !instance.events.freshness().is_current()).await;
    assert!(cut.elapsed() < Duration::from_millis(1_300), "{:?}", cut.elapsed());
    for hash in [&kept, &revoked] {
        assert!(tokens.find(hash, now).await.is_err());
    }
    bridge.mend();
    until("the log is read again", || instance.events.freshness().is_current()).await;
    assert!(tokens.find(&kept, now).await.unwrap().is_some());
    assert!(tokens.find(&revoked, now).await.unwrap().is_none());
}
