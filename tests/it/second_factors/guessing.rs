//! What guessing at a second factor costs, and who is kept out by it.

use std::{collections::HashMap, time::Duration};

use futures::future::join_all;
use serde_json::json;

use super::{MINUTE, Protected, protected, recovery, totp, without_buckets};
use crate::{
    races::Deployment,
    support::{Answer, PASSWORD},
};

fn tally(answers: &[Answer], field: &str) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for answer in answers {
        let problem = answer.data()[field]["problems"][0]["code"].as_str().unwrap_or("DONE");
        *tally.entry(problem.to_owned()).or_default() += 1;
    }
    tally
}

// B2: a login token has five attempts.
#[tokio::test]
async fn a_login_token_is_good_for_five_guesses() {
    let gateway = without_buckets().await;
    let Protected { app, .. } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    for left in (0..5).rev() {
        let problem = visitor.try_second_factor(&token, recovery("zzzz-zzzz-zzzz-zzzz")).await.expect_problem("SECOND_FACTOR_INVALID");
        assert_eq!(problem["attemptsLeft"], left);
    }
    let right = totp(&app.code(&gateway.clock));
    let over = visitor.try_second_factor(&token, right).await;
    let code = over.data()["completeSecondFactor"]["problems"][0]["code"].clone();
    assert!(["TOKEN_INVALID", "TOO_MANY_ATTEMPTS"].contains(&code.as_str().unwrap()), "{code}");
}

// B2, B11: five wrong codes, the password again, five more, for a day: the account's own counter caps it, and the owner is told.
#[tokio::test]
async fn a_right_password_does_not_reset_the_guesses_at_the_second_factor() {
    let gateway = without_buckets().await;
    let Protected { member, app, recovery_codes } = protected(&gateway, "ada@example.com").await;
    let stranger = gateway.app_user();
    let mut looked_at = 0;
    for _ in 0..24 * 4 {
        let token = stranger.first_factor("ada@example.com", PASSWORD).await;
        for _ in 0..5 {
            let answer = stranger.try_second_factor(&token, totp(&app.wrong_code(&gateway.clock))).await;
            match answer.data()["completeSecondFactor"]["problems"][0]["code"].as_str().unwrap() {
                "SECOND_FACTOR_INVALID" => looked_at += 1,
                "TOO_MANY_ATTEMPTS" => {}
                other => panic!("{other}"),
            }
        }
        gateway.advance(15 * MINUTE);
    }
    // 15 and 30 minutes, 1, 2, 4 and 8 hours between them, and a lock that lasts.
    assert!((30..=40).contains(&looked_at), "{looked_at} guesses were looked at in a day");
    let told = gateway.unread("ada@example.com").await;
    assert!(told.iter().any(|message| message.subject.as_deref().unwrap_or_default().contains("guessed")), "{told:?}");
    // From afar even the right code is not looked at; the owner gets in with the device that is known, or by a recovery code.
    let token = stranger.first_factor("ada@example.com", PASSWORD).await;
    let problem = stranger.try_second_factor(&token, totp(&app.code(&gateway.clock))).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert!(problem["retryAfterSeconds"].as_i64().unwrap() > 0, "{problem}");
    let token = member.visitor.first_factor("ada@example.com", PASSWORD).await;
    member.visitor.second_factor(&token, totp(&app.code(&gateway.clock))).await;
    let token = stranger.first_factor("ada@example.com", PASSWORD).await;
    stranger.second_factor(&token, recovery(&recovery_codes[0])).await;
    // Which ends the lock.
    super::AuthenticatorApp::wait(&gateway.clock);
    let other = gateway.app_user();
    let token = other.first_factor("ada@example.com", PASSWORD).await;
    other.second_factor(&token, totp(&app.code(&gateway.clock))).await;
    gateway.read_all("ada@example.com").await;
}

// B9, B12: one code of the app, one recovery code, one login token, each tried fifty times at once on every instance: one success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_factor_is_used_once_in_a_crowd() {
    let deployment = Deployment::start().await;
    let gateway = deployment.first();
    let Protected { member, app, recovery_codes } = protected(gateway, "ada@example.com").await;
    // From the known device, so that its wrong answers are not counted against the account.
    let visitor = member.visitor.clone();
    for by_app in [true, false] {
        let mut tokens = Vec::new();
        for n in 0..50 {
            tokens.push(visitor.at(deployment.nth(n)).first_factor("ada@example.com", PASSWORD).await);
        }
        let factor = if by_app { totp(&app.code(&gateway.clock)) } else { recovery(&recovery_codes[0]) };
        let answers = join_all(tokens.iter().enumerate().map(|(n, token)| {
            let (visitor, factor) = (visitor.at(deployment.nth(n)), factor.clone());
            async move { visitor.try_second_factor(token, factor).await }
        }))
        .await;
        let tally = tally(&answers, "completeSecondFactor");
        assert_eq!(tally.get("DONE"), Some(&1), "by app {by_app}: {tally:?}");
        super::AuthenticatorApp::wait(&gateway.clock);
    }
    gateway.advance(Duration::from_hours(25));
    // One token, with ten recovery codes that are all good.
    let fresh = {
        let token = visitor.first_factor("ada@example.com", PASSWORD).await;
        let again = visitor.second_factor(&token, recovery(&recovery_codes[1])).await;
        again.try_regenerate_recovery_codes().await.expect_done()
    };
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    let answers = join_all((0..10).map(|n| {
        let (visitor, token) = (visitor.at(deployment.nth(n)), &token);
        let factor = json!({"recoveryCode": fresh["recoveryCodes"][n]});
        async move { visitor.try_second_factor(token, factor).await }
    }))
    .await;
    assert_eq!(tally(&answers, "completeSecondFactor").get("DONE"), Some(&1), "{:?}", tally(&answers, "completeSecondFactor"));
    gateway.expect_undelivered();
}

// One enrolment confirmed by many at once switches one on, with one set of recovery codes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_enrolment_is_confirmed_once() {
    let deployment = Deployment::start().await;
    let gateway = deployment.first();
    let member = gateway.app_user().becomes_member("ada@example.com").await;
    let begun = member.try_begin_totp().await.expect_done();
    let app = super::AuthenticatorApp::of(begun["secret"].as_str().unwrap());
    let code = app.code(&gateway.clock);
    let answers = join_all((0..20).map(|n| {
        let (member, code) = (member.at(deployment.nth(n)), &code);
        async move { member.try_confirm_totp(code).await }
    }))
    .await;
    assert_eq!(tally(&answers, "confirmTotpEnrollment").get("DONE"), Some(&1), "{:?}", tally(&answers, "confirmTotpEnrollment"));
    let left = member.graphql("{ me { recoveryCodesLeft } }", json!({})).await.expect_field();
    assert_eq!(left["recoveryCodesLeft"], 10);
    gateway.expect_undelivered();
}
