//! Removing a passkey, and the last way in.

use entity::{known_devices, passkey_credentials};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};
use serde_json::json;

use super::{with_security_key, without_buckets};
use crate::{
    sign_in_by_code::{account, account_without_password},
    support::{Gateway, Member},
};

/// As if the account had come with nothing but its passkeys.
async fn lose_contacts(gateway: &Gateway, member: &Member) {
    let change =
        entity::users::ActiveModel { id: Set(member.user_id.parse().unwrap()), email_verified_at: Set(None), ..Default::default() };
    entity::users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
}

async fn ids(member: &Member) -> Vec<String> {
    member.passkeys().await.iter().map(|passkey| passkey["id"].as_str().unwrap().to_owned()).collect()
}

// F7
#[tokio::test]
async fn a_removed_passkey_signs_nobody_in() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    let waiting = there.begin_passkey_sign_in().await;
    let answer = key.get(&waiting.options);
    let left = ada.try_delete_passkey(&ids(&ada).await[0]).await.expect_done();
    assert_eq!(left["user"]["passkeys"], json!([]));
    assert!(gateway.next_message("ada@example.com").await.text.contains("passkey"));
    there.try_sign_in_with_passkey(&waiting.login_token, &answer).await.expect_problem("PASSKEY_INVALID");
    there.try_passkey(&mut key).await.expect_problem("PASSKEY_INVALID");
    // It can be made anew.
    ada.add_passkey(&mut ada.visitor.security_key()).await;
    gateway.expect_undelivered();
}

// F7
#[tokio::test]
async fn the_last_way_in_stays() {
    let gateway = without_buckets().await;
    let ada = account_without_password(&gateway, "ada@example.com").await;
    let mut keys = [ada.visitor.security_key(), ada.visitor.phone()];
    for key in &mut keys {
        ada.add_passkey(key).await;
    }
    lose_contacts(&gateway, &ada).await;
    let ids = ids(&ada).await;
    ada.try_delete_passkey(&ids[0]).await.expect_done();
    ada.try_delete_passkey(&ids[1]).await.expect_problem("LAST_SIGN_IN_METHOD");
    assert_eq!(ada.passkeys().await.len(), 1);
    gateway.app_user().sign_in_with_passkey(&mut keys[1]).await;
    gateway.expect_undelivered();
}

// Of two last ones that go at once one stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_removals_at_once_do_not_both_pass() {
    let gateway = without_buckets().await;
    for round in 0..5 {
        let ada = account_without_password(&gateway, &format!("ada{round}@example.com")).await;
        for _ in 0..2 {
            ada.add_passkey(&mut ada.visitor.security_key()).await;
        }
        lose_contacts(&gateway, &ada).await;
        let ids = ids(&ada).await;
        let (one, other) = tokio::join!(ada.try_delete_passkey(&ids[0]), ada.try_delete_passkey(&ids[1]));
        let mut codes = [super::problem(&one), super::problem(&other)];
        codes.sort();
        assert_eq!(codes, ["DONE", "LAST_SIGN_IN_METHOD"]);
    }
    gateway.expect_undelivered();
}

// A number may go where a passkey is left, if the person can still be reached.
#[tokio::test]
async fn a_passkey_is_a_way_in_for_who_removes_a_number() {
    let gateway = without_buckets().await;
    let ada = account_without_password(&gateway, "+66812345678").await;
    let remove = || ada.graphql("mutation { removePhone { problems { code } } }", json!({}));
    remove().await.expect_problem("LAST_SIGN_IN_METHOD");
    ada.add_passkey(&mut ada.visitor.phone()).await;
    remove().await.expect_problem("CONTACT_REQUIRED");
    gateway.expect_undelivered();
}

// Trust in devices ends with a change of factor.
#[tokio::test]
async fn trust_ends_with_a_change() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let database = gateway.database().await;
    let trusted = || async {
        known_devices::Entity::find().filter(known_devices::Column::TrustedUntil.is_not_null()).count(&database).await.unwrap()
    };
    let trust = || async {
        let until = gateway.clock.now() + std::time::Duration::from_hours(720);
        let all = known_devices::Entity::update_many().col_expr(known_devices::Column::TrustedUntil, Expr::value(until));
        all.exec(&database).await.unwrap();
        assert_eq!(trusted().await, 1);
    };
    trust().await;
    ada.add_passkey(&mut ada.visitor.security_key()).await;
    assert_eq!(trusted().await, 0);
    trust().await;
    ada.try_rename_passkey(&ids(&ada).await[0], "key").await.expect_done();
    assert_eq!(trusted().await, 1);
    ada.try_delete_passkey(&ids(&ada).await[0]).await.expect_done();
    assert_eq!(trusted().await, 0);
    gateway.expect_undelivered();
}

// A13: whoever waited in an account for its owner to come loses the passkey too.
#[tokio::test]
async fn a_wiped_account_has_no_passkey() {
    let gateway = without_buckets().await;
    let squatter = account_without_password(&gateway, "ada@example.com").await;
    let mut key = squatter.visitor.security_key();
    squatter.add_passkey(&mut key).await;
    lose_contacts(&gateway, &squatter).await;
    account_without_password_like(&gateway, "ada@example.com").await;
    gateway.app_user().try_passkey(&mut key).await.expect_problem("PASSKEY_INVALID");
    assert_eq!(passkey_credentials::Entity::find().count(&gateway.database().await).await.unwrap(), 0);
    gateway.expect_undelivered();
}

/// The owner comes: the newest code of the address is theirs.
async fn account_without_password_like(gateway: &Gateway, email: &str) -> Member {
    let visitor = gateway.visitor();
    let challenge = visitor.try_sign_up(json!({"contact": {"email": email}})).await.expect_done().into();
    let code = loop {
        if let Some(code) = gateway.next_message(email).await.code {
            break code;
        }
    };
    visitor.confirm(&challenge, &code).await
}
