//! What is left in the records, what is told, and what is kept.

use entity::{
    passkey_credentials,
    user_audit_log::{Column, Entity, Severity, Status},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;

use super::{with_security_key, without_buckets};
use crate::{clean_up::tidy, sign_in_by_code::account};

// C14, F3
#[tokio::test]
async fn every_step_leaves_a_row() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let cursor = ada.event_cursor().await;
    let mut key = ada.visitor.security_key();
    key.origin = "https://evil.example".to_owned();
    ada.try_add_passkey(&mut key).await.expect_problem("PASSKEY_INVALID");
    key.origin.clone_from(&gateway.origin);
    ada.add_passkey(&mut key).await;
    let id = ada.passkeys().await[0]["id"].as_str().unwrap().to_owned();
    ada.try_rename_passkey(&id, "key").await.expect_done();
    let there = gateway.app_user();
    there.sign_in_with_passkey(&mut key).await;
    key.counter = 0;
    there.try_passkey(&mut key).await.expect_problem("PASSKEY_INVALID");
    there.try_passkey(&mut there.security_key()).await.expect_problem("PASSKEY_INVALID");
    there.try_sign_in_with_passkey("x", &json!({})).await.expect_problem("TOKEN_INVALID");
    key.counter = 7;
    ada.try_step_up(&mut key).await.expect_done();
    key.flags = 1;
    ada.try_step_up(&mut key).await.expect_problem("PASSKEY_INVALID");
    ada.try_delete_passkey(&id).await.expect_done();

    let types = ["passkey_added", "passkey_renamed", "passkey_removed", "login", "reauthentication"];
    let query = Entity::find().filter(Column::EventType.is_in(types)).order_by_asc(Column::Seq);
    let rows = query.all(&gateway.database().await).await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let reason = row.metadata["reason"].as_str().unwrap_or_default().to_owned();
            (row.event_type.as_str(), row.status, row.result_code.as_deref().unwrap_or_default(), reason, row.user_id.is_some())
        })
        .collect();
    let step = |name, status, code, reason: &str, known| (name, status, code, reason.to_owned(), known);
    assert_eq!(
        told[1..],
        [
            step("passkey_added", Status::Failure, "PASSKEY_INVALID", "origin", true),
            step("passkey_added", Status::Success, "", "", true),
            step("passkey_renamed", Status::Success, "", "", true),
            step("login", Status::Success, "", "", true),
            step("login", Status::Failure, "PASSKEY_INVALID", "counter", true),
            step("login", Status::Failure, "PASSKEY_INVALID", "unknown_passkey", false),
            step("login", Status::Failure, "TOKEN_INVALID", "", false),
            step("reauthentication", Status::Success, "", "", true),
            step("reauthentication", Status::Failure, "PASSKEY_INVALID", "user_not_verified", true),
            step("passkey_removed", Status::Success, "", "", true),
        ]
    );
    let regression = rows.iter().find(|row| row.metadata["reason"] == "counter").unwrap();
    assert_eq!((regression.severity, regression.ip_address.clone()), (Severity::Warning, Some(there.address().to_string())));

    let mut socket = ada.socket().await;
    let changed =
        socket.subscribe("subscription ($after: String) { accountEvents(after: $after) { kind } }", json!({"after": cursor})).await;
    for _ in 0..3 {
        assert_eq!(socket.next(&changed).await["kind"], "PASSKEY_CHANGED");
    }
    gateway.expect_undelivered();
}

// C15: the public side alone is kept, and nothing about who made the authenticator.
#[tokio::test]
async fn what_is_kept_is_the_public_side() {
    let gateway = without_buckets().await;
    let (ada, key) = with_security_key(&gateway, "ada@example.com").await;
    let row = passkey_credentials::Entity::find().one(&gateway.database().await).await.unwrap().unwrap();
    assert_eq!(row.credential_id, key.credential_id);
    assert_eq!(row.public_key["cred"]["attestation"], json!({"data": "None", "metadata": "None"}));
    assert_eq!(row.public_key["cred"]["attestation_format"], "none");
    assert_eq!(row.public_key["cred"]["registration_policy"], "required");
    let export = ada.try_export_account().await.expect_done()["export"].clone();
    let exported = &export["passkeys"][0];
    assert_eq!((&exported["name"], &exported["deviceType"]), (&json!("Firefox on Windows"), &json!("SINGLE_DEVICE")));
    assert!(!export.to_string().contains("cred_id") && exported.get("publicKey").is_none());
}

// An account that is erased takes its passkeys along.
#[tokio::test]
async fn an_erased_account_has_none() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    ada.try_delete_account().await.expect_done();
    gateway.advance(std::time::Duration::from_hours(14 * 24 + 1));
    tidy(&gateway).await;
    assert!(passkey_credentials::Entity::find().one(&gateway.database().await).await.unwrap().is_none());
    gateway.app_user().try_passkey(&mut key).await.expect_problem("PASSKEY_INVALID");
    gateway.expect_undelivered();
}
