//! Signing keys in the database: made once, used late, put away in time.

use std::{sync::Arc, time::Duration};

use entity::signing_keys;
use postern::{
    clock::Timestamp,
    crypto::{key_ring::KeyRing, secret_box::SecretBox, signing_key::Algorithm},
    entropy::Entropy,
    flows::signing_keys::{KeyRotation, Rotation, SigningKeyFault},
};
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait, IntoActiveModel, QueryOrder, Schema, Set,
};
use secrecy::SecretString;

const TTL: Duration = Duration::from_mins(10);
const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).min_connections(1);
    let db = Database::connect(options).await.unwrap();
    let table = Schema::new(db.get_database_backend()).create_table_from_entity(signing_keys::Entity);
    db.execute(&table).await.unwrap();
    db
}

fn rotation(secrets: &[&str], seed: u64, algorithm: Algorithm) -> KeyRotation {
    let ring = KeyRing::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>()).unwrap();
    KeyRotation::new(Rotation { algorithm, every: 90 * DAY, access_ttl: TTL }, SecretBox::new(ring), Entropy::seeded(seed))
}

async fn rows(db: &DatabaseConnection) -> Vec<signing_keys::Model> {
    signing_keys::Entity::find().order_by_asc(signing_keys::Column::Generation).all(db).await.unwrap()
}

fn published(rotation: &KeyRotation, now: Timestamp) -> usize {
    rotation.keys().jwks(now)["keys"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_first_key_is_used_at_once() {
    let db = database().await;
    let rotation = rotation(&["a"], 1, Algorithm::Es256);
    rotation.ensure(&db, START).await.unwrap();
    rotation.ensure(&db, START).await.unwrap();
    let rows = rows(&db).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].publish_at, rows[0].activate_at, rows[0].retire_at), (START, START, None));
    assert_eq!(published(&rotation, START), 1);
}

#[tokio::test]
async fn the_next_key_is_published_an_hour_ahead() {
    let db = database().await;
    let rotation = rotation(&["a"], 1, Algorithm::Es256);
    rotation.ensure(&db, START).await.unwrap();
    let due = START + 90 * DAY - HOUR;
    rotation.ensure(&db, due - Duration::from_secs(1)).await.unwrap();
    assert_eq!(rows(&db).await.len(), 1);
    rotation.ensure(&db, due).await.unwrap();
    rotation.ensure(&db, due).await.unwrap();
    let all = rows(&db).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[1].publish_at, all[1].activate_at), (due, due + HOUR));
    assert_eq!(all[0].retire_at, Some(due + HOUR));
    assert_eq!(published(&rotation, due), 2);

    rotation.ensure(&db, due + 3 * DAY).await.unwrap();
    assert_eq!(rotation.keys().keys().len(), 1);
    assert_eq!(rotation.forget_retired(&db, due + 3 * DAY).await.unwrap(), 1);
    assert_eq!(rows(&db).await.len(), 1);
}

#[tokio::test]
async fn another_algorithm_makes_another_key() {
    let db = database().await;
    rotation(&["a"], 1, Algorithm::Es256).ensure(&db, START).await.unwrap();
    let other = rotation(&["a"], 2, Algorithm::EdDsa);
    other.ensure(&db, START + DAY).await.unwrap();
    other.ensure(&db, START + DAY).await.unwrap();
    let all = rows(&db).await;
    assert_eq!(all.iter().map(|row| row.algorithm.as_str()).collect::<Vec<_>>(), ["ES256", "EdDSA"]);
    assert_eq!(all[1].activate_at, START + DAY + HOUR);
}

// Several instances start at once: one key, and each of them uses it.
#[tokio::test]
async fn one_maker_wins_each_generation() {
    let db = database().await;
    let instances: Vec<_> = (1..=8).map(|seed| Arc::new(rotation(&["a"], seed, Algorithm::Es256))).collect();
    for now in [START, START + 90 * DAY] {
        let runs = instances.iter().map(|instance| {
            let (instance, db) = (Arc::clone(instance), db.clone());
            tokio::spawn(async move { instance.ensure(&db, now).await })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.unwrap().unwrap();
        }
    }
    assert_eq!(rows(&db).await.len(), 2);
    let first = instances[0].keys().jwks(START + 90 * DAY);
    assert!(instances.iter().all(|instance| instance.keys().jwks(START + 90 * DAY) == first));
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_now_and_then() {
    let db = database().await;
    let (one, two) = (rotation(&["a"], 1, Algorithm::Es256), rotation(&["a"], 2, Algorithm::Es256));
    one.ensure(&db, START).await.unwrap();
    assert_eq!(published(&two, START), 0);
    assert!(two.reload_for_unknown_key(&db, START).await.unwrap());
    assert_eq!(published(&two, START), 1);
    assert!(!two.reload_for_unknown_key(&db, START + Duration::from_secs(4)).await.unwrap());
    assert!(two.reload_for_unknown_key(&db, START + Duration::from_secs(5)).await.unwrap());
}

#[tokio::test]
async fn a_rotated_secret_seals_the_keys_anew() {
    let db = database().await;
    rotation(&["old"], 1, Algorithm::Es256).ensure(&db, START).await.unwrap();
    let sealed = rows(&db).await.remove(0).private_key_sealed;
    rotation(&["new", "old"], 2, Algorithm::Es256).ensure(&db, START).await.unwrap();
    assert_ne!(rows(&db).await.remove(0).private_key_sealed, sealed);
    let alone = rotation(&["new"], 3, Algorithm::Es256);
    alone.ensure(&db, START).await.unwrap();
    assert_eq!(published(&alone, START), 1);
}

// Fail closed: neither a lost secret nor a row from elsewhere makes a key.
#[tokio::test]
async fn a_key_that_does_not_open_is_a_fault() {
    let db = database().await;
    rotation(&["a"], 1, Algorithm::Es256).ensure(&db, START).await.unwrap();
    let stranger = rotation(&["b"], 2, Algorithm::Es256);
    assert!(matches!(stranger.ensure(&db, START).await, Err(SigningKeyFault::Sealed { .. })));
    assert_eq!(rows(&db).await.len(), 1);

    // Whoever can write rows swaps the public part: nothing changes, since it is not read.
    let row = rows(&db).await.remove(0);
    let genuine = row.public_jwk.clone();
    let mut swapped = row.into_active_model();
    swapped.public_jwk = Set(serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }));
    swapped.update(&db).await.unwrap();
    let reader = rotation(&["a"], 3, Algorithm::Es256);
    reader.ensure(&db, START).await.unwrap();
    assert_eq!(reader.keys().jwks(START)["keys"][0], genuine);
}
