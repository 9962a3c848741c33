//! A passkey proves again who is there.

use serde_json::json;

use super::{claims, switch_second_step_on, with_security_key, without_buckets};
use crate::{
    sign_in_by_code::{MINUTE, account_without_password},
    support::{Gateway, Member},
};

const METHODS: &str = "{ currentSession { reauthenticationMethods } }";

async fn methods(member: &Member) -> serde_json::Value {
    member.graphql(METHODS, json!({})).await.expect_field()["reauthenticationMethods"].clone()
}

#[tokio::test]
async fn a_passkey_makes_a_session_recent() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    assert_eq!(methods(&ada).await, json!(["PASSWORD", "PASSKEY"]));
    gateway.advance(11 * MINUTE);
    ada.refresh().await;
    ada.try_begin_passkey_registration().await.expect_error("REAUTHENTICATION_REQUIRED");
    let proved = ada.try_step_up(&mut key).await.expect_done();
    assert_eq!(
        (&proved["session"]["id"], &proved["session"]["authenticatedAt"]),
        (&json!(ada.session_id), &json!(gateway.clock.now().to_string()))
    );
    let claims = claims(&ada.tokens().access);
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["otp", "hwk", "user", "mfa"]), &json!("aal2")));
    ada.try_begin_passkey_registration().await.expect_done();
    gateway.expect_undelivered();
}

// B15: where the second step is on, the password alone is not recent, and a passkey is.
#[tokio::test]
async fn it_counts_where_the_second_step_is_on() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    switch_second_step_on(&gateway, &ada).await;
    gateway.advance(11 * MINUTE);
    ada.refresh().await;
    ada.try_begin_passkey_registration().await.expect_error("REAUTHENTICATION_REQUIRED");
    ada.try_step_up(&mut key).await.expect_done();
    ada.try_begin_passkey_registration().await.expect_done();
    gateway.advance(10 * MINUTE);
    ada.refresh().await;
    ada.try_begin_passkey_registration().await.expect_error("REAUTHENTICATION_REQUIRED");
    gateway.expect_undelivered();
}

// F1: the ceremony belongs to the session, and the passkey to its user.
#[tokio::test]
async fn only_the_own_session_and_the_own_passkey_count() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let (bob, mut bobs) = with_security_key(&gateway, "bob@example.com").await;
    let second = gateway.app_user().sign_in_with_passkey(&mut key).await;

    // Begun by nobody, by another session of the same user, by another user.
    let foreign = [ada.visitor.begin_passkey_sign_in().await, second.begin_passkey_sign_in().await, bob.begin_passkey_sign_in().await];
    // A browser's request carries its session, so what the visitor began belongs to it.
    let unbound = gateway.app_user().begin_passkey_sign_in().await;
    for ceremony in foreign.iter().skip(1).chain([&unbound]) {
        let refused = ada.try_reauthenticate_by_passkey(&ceremony.login_token, &key.get(&ceremony.options)).await;
        let refused = refused.expect_problem("TOKEN_INVALID");
        assert_eq!(refused["path"], json!(["input", "proof", "passkey", "loginToken"]));
    }
    let refused = ada.try_step_up(&mut bobs).await.expect_problem("PASSKEY_INVALID");
    assert_eq!(refused["path"], json!(["input", "proof", "passkey", "credential"]));
    let ceremony = ada.begin_passkey_sign_in().await;
    let answer = key.get(&ceremony.options);
    ada.try_reauthenticate_by_passkey(&ceremony.login_token, &answer).await.expect_done();
    ada.try_reauthenticate_by_passkey(&ceremony.login_token, &answer).await.expect_problem("TOKEN_INVALID");
    let mut unverified = key.clone();
    unverified.flags = 1;
    ada.try_step_up(&mut unverified).await.expect_problem("PASSKEY_INVALID");
    gateway.expect_undelivered();
}

// Codes count only for accounts that have nothing better.
#[tokio::test]
async fn a_passkey_takes_the_place_of_codes() {
    let gateway = without_buckets().await;
    let ada = account_without_password(&gateway, "ada@example.com").await;
    assert_eq!(methods(&ada).await, json!(["EMAIL_CODE"]));
    let asked_before = ada.try_request_reauthentication_code("EMAIL").await.expect_done().into();
    let code = gateway.next_message("ada@example.com").await.code();
    let mut phone = ada.visitor.phone();
    ada.add_passkey(&mut phone).await;
    assert_eq!(methods(&ada).await, json!(["PASSKEY"]));
    ada.try_reauthenticate_by_code(&asked_before, &code).await.expect_problem("METHOD_DISABLED");
    ada.try_request_reauthentication_code("EMAIL").await.expect_problem("METHOD_DISABLED");
    ada.try_step_up(&mut phone).await.expect_done();
    let id = ada.passkeys().await[0]["id"].as_str().unwrap().to_owned();
    ada.try_delete_passkey(&id).await.expect_done();
    assert_eq!(methods(&ada).await, json!(["EMAIL_CODE"]));
    gateway.expect_undelivered();
}

// An app holds its tokens itself: the old refresh token goes on until the new one was used.
#[tokio::test]
async fn an_app_gets_new_tokens() {
    let gateway = Gateway::start().await;
    let (_, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let app = gateway.app_user().sign_in_with_passkey(&mut key).await;
    let old = app.tokens();
    app.try_step_up(&mut key).await.expect_done();
    assert_ne!(app.tokens().refresh, old.refresh);
    app.refresh().await;
    assert_eq!(app.me().await["email"], "ada@example.com");
    gateway.next_message("ada@example.com").await;
}
