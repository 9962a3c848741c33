//! Codes and links of accounts, in a crowd.

use futures::future::join_all;
use sea_orm::ColumnTrait;
use serde_json::Value;

use super::{Deployment, everything, outcome, tally};
use crate::{
    sign_in_by_code::{account, account_without_password},
    support::{Answer, PASSWORD},
};

/// Whether the code of an answer was looked at: it was right, or wrong and counted. One for a challenge that is done is not.
fn was_looked_at(answer: &Answer) -> bool {
    let payload = answer.data().as_object().and_then(|fields| fields.values().next()).unwrap();
    match outcome(answer).as_str() {
        "CODE_INVALID" => payload["problems"][0]["attemptsLeft"].is_number(),
        code => code == "DONE",
    }
}

// B3, B4: a hundred different answers to one code at once, the right one among them: at most three are looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_answers_to_one_code_are_looked_at_three_times() {
    let deployment = Deployment::start().await;
    let stranger = deployment.first().app_user();
    for round in 0..20_usize {
        let email = format!("guess{round}@example.com");
        account_without_password(deployment.first(), &email).await;
        let resets = round % 2 == 1;
        let challenge = if resets { stranger.request_password_reset(&email).await } else { stranger.request_sign_in_code(&email).await };
        let code = deployment.first().next_message(&email).await.code();
        let right: u32 = code.parse().unwrap();
        // It is somewhere in the crowd, each time elsewhere.
        let tries = (0..100_u32).map(|n| {
            let (visitor, challenge) = (stranger.at(deployment.nth(n as usize)), &challenge);
            let code = format!("{:06}", (right + 1_000_000 + n - 5 * u32::try_from(round).unwrap()) % 1_000_000);
            async move {
                if resets {
                    visitor.try_reset_by_code(challenge, &code, "another Kettle 48 sundial").await
                } else {
                    visitor.try_sign_in_with_code(challenge, &code).await
                }
            }
        });
        let answers = join_all(tries).await;
        let (looked_at, tally) = (answers.iter().filter(|answer| was_looked_at(answer)).count(), tally(&answers));
        let done = tally.get("DONE").copied().unwrap_or_default();
        assert!((1..=3).contains(&looked_at) && done <= 1, "{looked_at} were looked at: {tally:?}");
        assert!(done == 1 || looked_at == 3, "{looked_at} were looked at: {tally:?}");
        let refused = ["DONE", "CODE_INVALID", "TOO_MANY_ATTEMPTS"];
        assert!(tally.keys().all(|code| refused.contains(&code.as_str())), "{tally:?}");
        let afterwards = stranger.try_sign_in_with_code(&challenge, &code).await;
        assert!(["CODE_INVALID", "TOO_MANY_ATTEMPTS"].contains(&outcome(&afterwards).as_str()));
    }
    deployment.first().expect_undelivered();
}

// B2, B4: over all challenges of a contact at once, no more are looked at than a day's budget.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_holds_in_a_crowd() {
    let deployment = Deployment::start().await;
    account(deployment.first(), "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let stranger = deployment.first().app_user();
        let challenges = join_all((0..12).map(|n| {
            let stranger = stranger.at(deployment.nth(n));
            async move { stranger.request_sign_in_code(email).await }
        }))
        .await;
        let tries = (0..36).map(|n| {
            let (visitor, challenge) = (stranger.at(deployment.nth(n / 12)), &challenges[n % 12]);
            async move { visitor.try_sign_in_with_code(challenge, "00000x").await }
        });
        let answers = join_all(tries).await;
        assert_eq!(answers.iter().filter(|answer| was_looked_at(answer)).count(), 10, "{email}: {:?}", tally(&answers));
    }
    deployment.first().expect_undelivered();
}

// C3: fifty resets with one token, or with the link and the code of one message, and as many passwords: one of them holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reset_sets_one_password() {
    let deployment = Deployment::start().await;
    for by_code_too in [false, true] {
        let email = if by_code_too { "both@example.com" } else { "link@example.com" };
        let owner = account(deployment.first(), email).await;
        let stranger = deployment.first().app_user();
        let challenge = stranger.request_password_reset(email).await;
        let message = deployment.first().next_message(email).await;
        let (token, code) = (message.link_token(), message.code());
        let passwords: Vec<String> = (0..50).map(|n| format!("another Kettle {n} sundial")).collect();
        let tries = passwords.iter().enumerate().map(|(n, password)| {
            let (visitor, challenge, token, code) = (stranger.at(deployment.nth(n / 2)), &challenge, &token, &code);
            async move {
                if by_code_too && n % 2 == 1 {
                    visitor.try_reset_by_code(challenge, code, password).await
                } else {
                    visitor.try_reset_by_link(token, password).await
                }
            }
        });
        let answers = join_all(tries).await;
        let tally = tally(&answers);
        assert_eq!(tally.get("DONE"), Some(&1), "{tally:?}");
        let refused = ["DONE", "TOKEN_INVALID", "CODE_INVALID", "TOO_MANY_ATTEMPTS"];
        assert!(tally.keys().all(|code| refused.contains(&code.as_str())), "{tally:?}");
        let holds = answers.iter().position(|answer| outcome(answer) == "DONE").unwrap();
        for wrong in [PASSWORD, &passwords[(holds + 1) % 50], &passwords[(holds + 49) % 50]] {
            stranger.try_sign_in(email, wrong).await.expect_problem("CREDENTIALS_INVALID");
        }
        stranger.at(deployment.nth(1)).sign_in(email, &passwords[holds]).await;
        assert_eq!(owner.graphql("{ me { id } }", Value::Null).await.data()["me"], Value::Null);
    }
    let succeeded = entity::password_reset_attempts::Column::Success.eq(true);
    assert_eq!(deployment.count::<entity::password_reset_attempts::Entity>(everything().add(succeeded)).await, 2);
    let changed = entity::account_events::Column::Kind.eq(entity::account_events::Kind::PasswordChanged);
    assert_eq!(deployment.count::<entity::account_events::Entity>(everything().add(changed)).await, 2);
    deployment.first().expect_undelivered();
}

// A14, B4: the link and the code of one message, from everywhere at once: one session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_signs_in_once() {
    let deployment = Deployment::start().await;
    account_without_password(deployment.first(), "ada@example.com").await;
    let stranger = deployment.first().app_user();
    let challenge = stranger.request_sign_in_code("ada@example.com").await;
    let message = deployment.first().next_message("ada@example.com").await;
    let (token, code) = (message.link_token(), message.code());
    let tries =
        (0..40).map(|n| {
            let (visitor, challenge, token, code) = (stranger.at(deployment.nth(n / 2)), &challenge, &token, &code);
            async move {
                if n % 2 == 0 { visitor.try_sign_in_with_link(token).await } else { visitor.try_sign_in_with_code(challenge, code).await }
            }
        });
    let tally = tally(&join_all(tries).await);
    assert_eq!(tally.get("DONE"), Some(&1), "{tally:?}");
    // That of the sign-up, and this one.
    assert_eq!(deployment.count::<entity::user_sessions::Entity>(everything()).await, 2);
    deployment.first().expect_undelivered();
}
