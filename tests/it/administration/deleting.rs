//! Accounts that administrators delete.

use entity::{account_events::Kind, user_audit_log, user_sessions::Actor};
use sea_orm::EntityTrait;
use serde_json::json;

use super::{NOBODY, PASSWORD, account, audited, ended, id_of, next_notice, row, tidy, told, without_buckets};

// C14, C17: at once, without grace, and what happened stays without the person.
#[tokio::test]
async fn an_account_goes_at_once() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    admin.try_update(&ada.user_id, json!({"username": "ada", "metadata": {"a": "canary"}})).await.expect_done();
    let mut socket = ada.socket().await;
    let payload = admin.try_delete(&ada.user_id).await.expect_done();
    assert_eq!(payload["deletedUserId"], ada.user_id.as_str());
    assert_eq!(socket.closed().await, ended());
    assert!(next_notice(&gateway, "ada@example.com").await.contains("was deleted"));
    ada.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    for name in ["ada@example.com", "ada"] {
        gateway.visitor().try_sign_in(name, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    }
    assert!(row(&gateway, id_of(&ada)).await.is_none());
    let kinds = told(&gateway, id_of(&ada)).await;
    assert_eq!(kinds[kinds.len() - 2..], [Kind::Deleted, Kind::SessionRevoked]);
    let end = audited(&gateway, "account_deleted").await;
    let facts = json!({"reason": "asked by letter", "sessionsEnded": 1});
    assert_eq!((end.len(), &end[0].metadata, end[0].user_id), (1, &facts, None));
    assert_eq!((end[0].actor, end[0].actor_user_id), (Actor::Admin, Some(id_of(&admin))));
    tidy(&gateway).await;
    let rows = user_audit_log::Entity::find().all(&gateway.database().await).await.unwrap();
    assert!(rows.iter().all(|row| row.user_id != Some(id_of(&ada)) && row.actor_user_id != Some(id_of(&ada))));
    // Of what was done to them, the administrator stays.
    let updated = audited(&gateway, "user_updated").await;
    assert_eq!((updated[0].user_id, updated[0].actor_user_id, &updated[0].metadata), (None, Some(id_of(&admin)), &json!({})));
    admin.try_delete(&ada.user_id).await.expect_problem("USER_NOT_FOUND");
    admin.try_delete(NOBODY).await.expect_problem("USER_NOT_FOUND");
    assert_eq!(admin.graphql("query ($id: ID!) { user(id: $id) { id } }", json!({"id": ada.user_id})).await.expect_field(), json!(null));
    // The address and the name are free.
    let again = account(&gateway, "ada@example.com").await;
    admin.try_update(&again.user_id, json!({"username": "ada"})).await.expect_done();
}

#[tokio::test]
async fn a_reason_is_given_and_the_last_administrator_stays() {
    let gateway = without_buckets().await;
    let root = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    for reason in ["", " ", &"x".repeat(501)] {
        let answer = root.act("deleteUser", json!({"userId": ada.user_id, "reason": reason}), "deletedUserId").await;
        assert_eq!(answer.expect_problem("INVALID_INPUT")["path"], json!(["input", "reason"]));
    }
    assert_eq!(ada.me().await["email"], "ada@example.com");
    root.try_delete(&root.user_id).await.expect_problem("LAST_ADMIN");
    assert_eq!(root.me().await["email"], "root@example.com");
    let other = gateway.administrator("other@example.com").await;
    root.try_delete(&root.user_id).await.expect_done();
    other.try_delete(&other.user_id).await.expect_problem("LAST_ADMIN");
    // Who deletes themselves is named no more either.
    let rows = user_audit_log::Entity::find().all(&gateway.database().await).await.unwrap();
    assert!(rows.iter().all(|row| row.user_id != Some(id_of(&root)) && row.actor_user_id != Some(id_of(&root))));
    gateway.read_all("root@example.com").await;
    gateway.expect_undelivered();
}
