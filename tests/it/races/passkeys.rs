//! Passkeys in a crowd.

use futures::future::join_all;
use sea_orm::ColumnTrait;

use super::{Deployment, everything, tally};
use crate::sign_in_by_code::account;

// F1: one answer from everywhere at once: one session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_signs_in_once() {
    let deployment = Deployment::start().await;
    let ada = account(deployment.first(), "ada@example.com").await;
    // With a counter, which decides too, and without one.
    for mut key in [ada.visitor.security_key(), ada.visitor.phone()] {
        ada.add_passkey(&mut key).await;
        for _ in 0..5 {
            let there = deployment.first().app_user();
            let ceremony = there.begin_passkey_sign_in().await;
            let answer = key.get(&ceremony.options);
            let tries = (0..50).map(|n| {
                let (there, ceremony, answer) = (there.at(deployment.nth(n)), &ceremony, &answer);
                async move { there.try_sign_in_with_passkey(&ceremony.login_token, answer).await }
            });
            let tally = tally(&join_all(tries).await);
            assert_eq!((tally.get("DONE"), tally.get("TOKEN_INVALID")), (Some(&1), Some(&49)), "{tally:?}");
        }
    }
    let by_passkey = entity::user_sessions::Column::LoginMethod.eq(entity::user_sessions::LoginMethod::Passkey);
    assert_eq!(deployment.count::<entity::user_sessions::Entity>(everything().add(by_passkey)).await, 10);
    deployment.first().expect_undelivered();
}

// F1: one answer that proves who is there, likewise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_steps_up_once() {
    let deployment = Deployment::start().await;
    let ada = account(deployment.first(), "ada@example.com").await;
    let mut phone = ada.visitor.phone();
    ada.add_passkey(&mut phone).await;
    let ceremony = ada.begin_passkey_sign_in().await;
    let answer = phone.get(&ceremony.options);
    let tries = (0..50).map(|n| {
        let (ada, ceremony, answer) = (ada.at(deployment.nth(n)), &ceremony, &answer);
        async move { ada.try_reauthenticate_by_passkey(&ceremony.login_token, answer).await }
    });
    let tally = tally(&join_all(tries).await);
    assert_eq!((tally.get("DONE"), tally.get("TOKEN_INVALID")), (Some(&1), Some(&49)), "{tally:?}");
    deployment.first().expect_undelivered();
}

// F3: different answers with the same counter, as of a key and its copy, at once: one of them counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_and_its_copies_do_not_both_sign_in() {
    let deployment = Deployment::start().await;
    let ada = account(deployment.first(), "ada@example.com").await;
    let mut key = ada.visitor.security_key();
    ada.add_passkey(&mut key).await;
    let there = deployment.first().app_user();
    let ceremonies = join_all((0..30).map(|n| {
        let there = there.at(deployment.nth(n));
        async move { there.begin_passkey_sign_in().await }
    }))
    .await;
    let tries = ceremonies.iter().enumerate().map(|(n, ceremony)| {
        let (there, answer) = (there.at(deployment.nth(n)), key.clone().get(&ceremony.options));
        async move { there.try_sign_in_with_passkey(&ceremony.login_token, &answer).await }
    });
    let tally = tally(&join_all(tries).await);
    assert_eq!((tally.get("DONE"), tally.get("PASSKEY_INVALID")), (Some(&1), Some(&29)), "{tally:?}");
    deployment.first().expect_undelivered();
}

// F1: one new passkey, sent many times at once: one row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_registration_makes_one_passkey() {
    let deployment = Deployment::start().await;
    let ada = account(deployment.first(), "ada@example.com").await;
    let options = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    let made = ada.visitor.security_key().create(&options);
    let tries = (0..30).map(|n| {
        let (ada, made) = (ada.at(deployment.nth(n)), &made);
        async move { ada.try_finish_passkey_registration(made, None).await }
    });
    let tally = tally(&join_all(tries).await);
    assert_eq!((tally.get("DONE"), tally.get("PASSKEY_INVALID")), (Some(&1), Some(&29)), "{tally:?}");
    assert_eq!(deployment.count::<entity::passkey_credentials::Entity>(everything()).await, 1);
    deployment.first().expect_undelivered();
}
