//! A passkey in the second step of a sign-in, and why neither token does the other's work.

use postern::flows::{
    failure::Failure,
    passkey_assertion::{self, Refusal, Why},
    second_step,
};
use serde_json::{Value, json};

use super::{login_token, switch_second_step_on, with_security_key, without_buckets};
use crate::{
    sign_in_by_code::MINUTE,
    support::{Gateway, Member},
};

async fn with_second_step(gateway: &Gateway, email: &str) -> (Member, crate::support::Authenticator) {
    let (member, key) = with_security_key(gateway, email).await;
    switch_second_step_on(gateway, &member).await;
    (member, key)
}

async fn check(gateway: &Gateway, token: &str, credential: &Value) -> Result<uuid::Uuid, Refusal> {
    let (app, now) = (gateway.app(), gateway.clock.now());
    let (attempt, hash) = gateway.inside(second_step::find(app, token, now)).await.unwrap().expect("the sign-in waits");
    match gateway.inside(passkey_assertion::check_for_login(app, (&hash, &attempt), credential, now)).await {
        Ok(asserted) => Ok(asserted.user_id()),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_passkey_of_the_account_answers_it_once() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_second_step(&gateway, "ada@example.com").await;
    let (_, mut bobs) = with_second_step(&gateway, "bob@example.com").await;
    let (token, methods) = login_token(&ada, "ada@example.com").await;
    assert!(methods.as_array().unwrap().contains(&json!("PASSKEY")), "{methods}");
    let begun = ada.visitor.try_begin_passkey_sign_in(Some(&token)).await.expect_done();
    assert_eq!(begun["loginToken"], token);
    let options = begun["options"].clone();
    let allowed = options["allowCredentials"].as_array().unwrap();
    assert_eq!(allowed.len(), 1);
    assert_eq!(allowed[0]["transports"], json!(["usb", "nfc"]));

    // Somebody else's passkey is none, and uses the ceremony up.
    let theirs = bobs.get(&options);
    assert!(matches!(check(&gateway, &token, &theirs).await, Err(Refusal::Invalid { why: Why::NotTheirs, .. })));
    assert_eq!(check(&gateway, &token, &key.get(&options)).await, Err(Refusal::TokenInvalid));

    let options = ada.visitor.try_begin_passkey_sign_in(Some(&token)).await.expect_done()["options"].clone();
    // Who is asked for is known, so the authenticator need not say it.
    key.user_handle = None;
    let answer = key.get(&options);
    assert_eq!(check(&gateway, &token, &answer).await, Ok(ada.user_id.parse().unwrap()));
    assert_eq!(check(&gateway, &token, &answer).await, Err(Refusal::TokenInvalid));
    gateway.expect_undelivered();
}

// B14, F1: the token of a half sign-in, the token of a ceremony: each is good for its own work alone.
#[tokio::test]
async fn neither_token_does_the_others_work() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_second_step(&gateway, "ada@example.com").await;
    let there = &ada.visitor;
    let (token, _) = login_token(&ada, "ada@example.com").await;
    let options = there.try_begin_passkey_sign_in(Some(&token)).await.expect_done()["options"].clone();
    there.try_sign_in_with_passkey(&token, &key.get(&options)).await.expect_problem("TOKEN_INVALID");
    let options = there.try_begin_passkey_sign_in(Some(&token)).await.expect_done()["options"].clone();
    ada.try_reauthenticate_by_passkey(&token, &key.get(&options)).await.expect_problem("TOKEN_INVALID");

    let ceremony = there.begin_passkey_sign_in().await;
    let refused = there.try_begin_passkey_sign_in(Some(&ceremony.login_token)).await.expect_problem("TOKEN_INVALID");
    assert_eq!(refused["path"], json!(["input", "loginToken"]));
    assert!(gateway.inside(second_step::find(gateway.app(), &ceremony.login_token, gateway.clock.now())).await.unwrap().is_none());
    for dead in ["", "x", &"A".repeat(43)] {
        there.try_begin_passkey_sign_in(Some(dead)).await.expect_problem("TOKEN_INVALID");
    }
    gateway.advance(5 * MINUTE);
    there.try_begin_passkey_sign_in(Some(&token)).await.expect_problem("TOKEN_INVALID");
    gateway.expect_undelivered();
}

// B13: a passkey with user verification is both factors at once.
#[tokio::test]
async fn a_passkey_sign_in_needs_no_second_step() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_second_step(&gateway, "ada@example.com").await;
    let member = gateway.app_user().sign_in_with_passkey(&mut key).await;
    assert_eq!(member.user_id, ada.user_id);
    // And it counts as recent where the second step is on.
    member.try_begin_passkey_registration().await.expect_done();
    gateway.expect_undelivered();
}
