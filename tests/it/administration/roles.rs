//! Who becomes an administrator, and who is one no more.

use std::time::{Duration, Instant};

use entity::account_events::Kind;
use serde_json::{Value, json};

use super::{Gateway, NOBODY, account, audited, id_of, told, without_buckets};

// C16: with the token that is out already, both ways.
#[tokio::test]
async fn a_role_holds_at_once_for_tokens_that_are_out() {
    let gateway = without_buckets().await;
    let root = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    ada.graphql("{ users { nodes { id } } }", json!({})).await.expect_error("FORBIDDEN");
    let payload = root.try_set_role(&ada.user_id, "ADMIN").await.expect_done();
    assert_eq!(payload["user"]["role"], "ADMIN");
    ada.graphql("{ users { nodes { id } } }", json!({})).await.expect_field();
    root.try_set_role(&ada.user_id, "ADMIN").await.expect_done();
    root.try_set_role(&ada.user_id, "USER").await.expect_done();
    ada.graphql("{ users { nodes { id } } }", json!({})).await.expect_error("FORBIDDEN");
    assert_eq!(ada.me().await["email"], "ada@example.com", "the session goes on");
    root.try_set_role(NOBODY, "ADMIN").await.expect_problem("USER_NOT_FOUND");
    let rows = audited(&gateway, "user_role_changed").await;
    let facts: Vec<_> = rows.iter().map(|row| (row.metadata["to"].clone(), row.result_code.clone(), row.actor_user_id)).collect();
    let by = Some(id_of(&root));
    let not_found = (Value::Null, Some("USER_NOT_FOUND".to_owned()), by);
    assert_eq!(facts, [(json!("ADMIN"), None, by), (json!("USER"), None, by), not_found]);
    let kinds = told(&gateway, id_of(&ada)).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::RoleChanged).count(), 2);
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let gateway = without_buckets().await;
    let root = gateway.administrator("root@example.com").await;
    root.try_set_role(&root.user_id, "USER").await.expect_problem("LAST_ADMIN");
    let other = gateway.administrator("other@example.com").await;
    other.try_set_role(&root.user_id, "USER").await.expect_done();
    root.try_set_role(&other.user_id, "USER").await.expect_error("FORBIDDEN");
    other.try_set_role(&other.user_id, "USER").await.expect_problem("LAST_ADMIN");
    // Suspended administrators do not count.
    other.try_set_role(&root.user_id, "ADMIN").await.expect_done();
    other.try_set_status(&root.user_id, "SUSPENDED").await.expect_done();
    other.try_set_role(&other.user_id, "USER").await.expect_problem("LAST_ADMIN");
}

// A demoted administrator is refused on another instance, too, within a second.
#[tokio::test]
async fn a_demotion_is_felt_within_a_second_everywhere() {
    let Some((one, other)) = Gateway::start_pair().await else { return };
    let (root, was) = (one.administrator("root@example.com").await, one.administrator("was@example.com").await);
    let there = was.at(&other);
    there.try_users(json!({})).await.expect_field();
    root.try_set_role(&was.user_id, "USER").await.expect_done();
    let began = Instant::now();
    // What changes something is refused by the database itself, without a moment's delay.
    there.try_set_role(&root.user_id, "USER").await.expect_error("FORBIDDEN");
    while there.try_users(json!({})).await.code() != Some("FORBIDDEN") {
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
