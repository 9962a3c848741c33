//! Accounts that nothing but a provider opens: without an address, a number, a name or a password, they live like others.

use std::time::Duration;

use entity::{user_audit_log, users};
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use serde_json::{Value, json};

use super::{World, change_user};
use crate::{
    clean_up::tidy,
    support::{PASSWORD, provider::Person},
};

#[tokio::test]
async fn an_account_without_a_contact_lives_like_others() {
    let World { gateway, provider } = World::new().await;
    let person = Person { claims: json!({"sub": "U1", "name": "แอน"}) };
    let member = gateway.visitor().sign_in_with("acme", &provider, &person).await;
    let me = member
        .graphql("{ me { email phone username displayName hasPassword profileComplete lastSignInAt } }", json!({}))
        .await
        .expect_field();
    assert_eq!(
        (&me["email"], &me["phone"], &me["username"], &me["displayName"]),
        (&Value::Null, &Value::Null, &Value::Null, &json!("แอน"))
    );
    assert_eq!((&me["hasPassword"], me["lastSignInAt"].is_string()), (&json!(false), true));

    // From another device, with nobody to tell.
    let elsewhere = gateway.app_user().sign_in_with("acme", &provider, &person).await;
    assert_eq!((elsewhere.user_id.as_str(), elsewhere.is_new_user), (member.user_id.as_str(), false));
    elsewhere.refresh().await;
    member.revoke_others().await;

    // Step-up by the provider alone.
    gateway.advance(gateway.config.sessions.recent);
    member.refresh().await;
    assert_eq!(member.reauthentication_methods().await, json!(["OAUTH"]));
    member.try_request_reauthentication_code("EMAIL").await.expect_problem("METHOD_DISABLED");
    member.try_export_account().await.expect_error("REAUTHENTICATION_REQUIRED");
    let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &person).await;
    member.try_reauthenticate_by_oauth(&code, &kept).await.expect_done();
    member.try_export_account().await.expect_done();

    // Leaving, coming back, and leaving for good.
    member.try_delete_account().await.expect_done();
    let back = gateway.visitor().sign_in_with("acme", &provider, &person).await;
    assert_eq!(back.user_id, member.user_id);
    back.try_cancel_account_deletion().await.expect_done();
    back.try_delete_account().await.expect_done();
    gateway.advance(Duration::from_hours(24 * 14));
    tidy(&gateway).await;
    let database = gateway.database().await;
    assert_eq!(users::Entity::find().count(&database).await.unwrap(), 0);
    assert_eq!(entity::auth_providers::Entity::find().count(&database).await.unwrap(), 0);
    let anew = gateway.visitor().sign_in_with("acme", &provider, &person).await;
    assert!(anew.is_new_user && anew.user_id != member.user_id);
}

#[tokio::test]
async fn it_gets_an_address_of_its_own_and_a_password() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().sign_in_with("acme", &provider, &Person::new("U1")).await;
    let change = "mutation { changeEmail(input: {newEmail: \"ann@example.com\"}) { challenge { id } problems { code } } }";
    let challenge = member.graphql(change, json!({})).await.expect_done()["challenge"]["id"].as_str().unwrap().to_owned();
    let code = gateway.next_message("ann@example.com").await.code();
    let confirm = "mutation ($input: ConfirmEmailChangeInput!) { confirmEmailChange(input: $input) { user { email } problems { code } } }";
    let done = member.graphql(confirm, json!({"input": {"challengeId": challenge, "code": code}})).await.expect_done();
    assert_eq!(done["user"]["email"], "ann@example.com");
    member.try_set_password(PASSWORD).await.expect_done();
    gateway.visitor().sign_in("ann@example.com", PASSWORD).await;
    gateway.expect_undelivered();
}

// E10, C17: told only after the provider's proof.
#[tokio::test]
async fn suspended_banned_and_inactive_accounts_stay_outside() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().sign_in_with("acme", &provider, &Person::with_email("s-1", "ann@example.com")).await;
    gateway.next_message("ann@example.com").await;
    for (status, code) in [
        (users::Status::Suspended, "ACCOUNT_SUSPENDED"),
        (users::Status::Banned, "ACCOUNT_BANNED"),
        (users::Status::Inactive, "ACCOUNT_INACTIVE"),
    ] {
        change_user(&gateway, &member.user_id, |row| row.status = status).await;
        let visitor = gateway.visitor();
        let trip = visitor.begin_oauth("acme").await;
        let back = visitor.travels(&trip, &provider, &Person::new("s-1")).await.code();
        visitor.try_complete_oauth(&back, &trip.verifier).await.expect_problem(code);
        visitor.try_complete_oauth(&back, &trip.verifier).await.expect_problem("CODE_INVALID");
        // By the address as well, and nothing is linked by that.
        gateway.visitor().try_sign_in_with("acme", &provider, &Person::with_email("s-2", "ann@example.com")).await.expect_problem(code);
    }
    change_user(&gateway, &member.user_id, |row| row.status = users::Status::Active).await;
    let back = gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    assert_eq!(back.identities().await.len(), 1);
    gateway.next_message("ann@example.com").await;
}

// E10, C7: a provider neither is locked by wrong passwords nor lifts the lock on passwords.
#[tokio::test]
async fn a_lock_of_passwords_stays_one() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().becomes_member("ann@example.com").await;
    member.try_link("acme", &provider, &Person::new("s-1")).await.expect_done();
    let stranger = gateway.visitor();
    for _ in 0..5 {
        stranger.try_sign_in("ann@example.com", "wrong-Kettle 47").await.expect_problem("CREDENTIALS_INVALID");
    }
    stranger.try_sign_in("ann@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    let signed_in = gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    assert_eq!(signed_in.user_id, member.user_id);
    stranger.try_sign_in("ann@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.expect_undelivered();
}

// C14
#[tokio::test]
async fn everything_is_written_down() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let member = visitor.sign_in_with("acme", &provider, &Person::new("s-1")).await;
    member.try_link("acme", &provider, &Person::new("s-2")).await.expect_done();
    let first = member.identities().await[0]["id"].as_str().unwrap().to_owned();
    member.try_unlink(&first).await.expect_done();
    let second = member.identities().await[0]["id"].as_str().unwrap().to_owned();
    member.try_unlink(&second).await.expect_problem("LAST_SIGN_IN_METHOD");
    provider.fails("/token", Some(crate::support::provider::Trouble::Status(500)));
    gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-2")).await.expect_problem("PROVIDER_FAILED");
    let rows = user_audit_log::Entity::find().order_by_asc(user_audit_log::Column::Seq).all(&gateway.database().await).await.unwrap();
    let told: Vec<(&str, Option<&str>)> = rows.iter().map(|row| (row.event_type.as_str(), row.result_code.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("account_created", None),
            ("login", None),
            ("identity_linked", None),
            ("identity_unlinked", None),
            ("identity_unlinked", Some("LAST_SIGN_IN_METHOD")),
            ("login", Some("PROVIDER_FAILED")),
        ]
    );
    assert_eq!(rows[1].metadata["method"], "oauth");
}
