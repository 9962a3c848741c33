//! What guessing at codes costs, and whom: strangers spend what strangers have.

use serde_json::json;

use super::{HOUR, MINUTE, account, other_than, spend_budget, without_buckets};
use crate::support::{Gateway, PASSWORD};

const NEW: &str = "another Kettle 48 sundial";

// B2: asking again brings no guesses back: ten wrong codes for a contact in a day, over whatever challenges.
#[tokio::test]
async fn ten_wrong_codes_a_day_end_the_guesses_of_strangers() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut looked_at = 0;
        for hour in 0..24 {
            let stranger = gateway.visitor();
            let sign_in = stranger.request_sign_in_code(email).await;
            let reset = stranger.request_password_reset(email).await;
            for _ in 0..2 {
                let guesses =
                    [stranger.try_sign_in_with_code(&sign_in, "00000x").await, stranger.try_reset_by_code(&reset, "00000x", NEW).await];
                for guess in guesses {
                    let problem = guess.expect_field()["problems"][0]["code"].as_str().unwrap().to_owned();
                    looked_at += usize::from(problem == "CODE_INVALID");
                    assert!(["CODE_INVALID", "TOO_MANY_ATTEMPTS"].contains(&problem.as_str()), "{problem}");
                }
            }
            assert!(looked_at <= 10, "{email}: {looked_at} guesses by hour {hour}");
            gateway.advance(HOUR);
        }
        assert_eq!(looked_at, 10, "{email}");
    }
    gateway.expect_undelivered();
}

// B2: neither asking again nor sending again brings a guess back, whatever the code is for: ten in any 24 hours.
#[tokio::test]
async fn two_days_of_resending_and_guessing_get_ten_guesses_a_day() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut looked_at = Vec::new();
        for hour in 0..48 {
            let stranger = gateway.visitor();
            let challenge = match hour % 3 {
                0 => stranger.request_sign_in_code(email).await,
                1 => stranger.request_password_reset(email).await,
                _ => stranger.sign_up(email, PASSWORD).await,
            };
            for _ in 0..4 {
                let guess = match hour % 3 {
                    0 => stranger.try_sign_in_with_code(&challenge, "00000x").await,
                    1 => stranger.try_reset_by_code(&challenge, "00000x", NEW).await,
                    _ => stranger.try_confirm(&challenge, "00000x").await,
                };
                let problem = guess.expect_field()["problems"][0].clone();
                match problem["code"].as_str() {
                    Some("CODE_INVALID") => looked_at.push(gateway.clock.now()),
                    code => assert_eq!(code, Some("TOO_MANY_ATTEMPTS")),
                }
                gateway.advance(MINUTE);
                stranger.try_resend(&challenge).await.expect_field();
            }
            // With the four above, an hour.
            gateway.advance(56 * MINUTE);
        }
        for first in &looked_at {
            let in_a_day = looked_at.iter().filter(|at| *at >= first && at.since(*first) < 24 * HOUR).count();
            assert!(in_a_day <= 10, "{email}: {in_a_day}");
        }
        assert_eq!(looked_at.len(), 20, "{email}: the budget comes back after a day, not before");
    }
    gateway.expect_undelivered();
}

// B2, C7: when strangers have spent all guesses, the owner still gets in: by the link, from a known device, by password.
#[tokio::test]
async fn a_spent_budget_keeps_nobody_out() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com").await;
    spend_budget(&gateway, "ada@example.com").await;
    for _ in 0..5 {
        gateway.next_message("ada@example.com").await;
    }
    let elsewhere = gateway.visitor();
    let challenge = elsewhere.request_sign_in_code("ada@example.com").await;
    let message = gateway.next_message("ada@example.com").await;
    elsewhere.try_sign_in_with_code(&challenge, &message.code()).await.expect_problem("TOO_MANY_ATTEMPTS");
    elsewhere.sign_in_with_link(&message.link_token()).await;
    gateway.next_message("ada@example.com").await;

    let known = &owner.visitor;
    let challenge = known.request_sign_in_code("ada@example.com").await;
    let code = gateway.next_message("ada@example.com").await.code();
    known.try_sign_in_with_code(&challenge, &other_than(&code)).await.expect_problem("CODE_INVALID");
    known.sign_in_with_code(&challenge, &code).await;
    gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;

    let stranger = gateway.visitor();
    let challenge = stranger.request_password_reset("ada@example.com").await;
    let message = gateway.next_message("ada@example.com").await;
    stranger.try_reset_by_code(&challenge, &message.code(), NEW).await.expect_problem("TOO_MANY_ATTEMPTS");
    stranger.try_reset_by_link(&message.link_token(), NEW).await.expect_done();
    gateway.visitor().sign_in("ada@example.com", NEW).await;
}

// B2: a known device has ten guesses of its own, and no more.
#[tokio::test]
async fn a_known_device_has_a_budget_of_its_own() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com").await;
    let mut looked_at = 0;
    for _ in 0..5 {
        let challenge = owner.visitor.request_sign_in_code("ada@example.com").await;
        gateway.next_message("ada@example.com").await;
        for _ in 0..3 {
            let payload = owner.visitor.try_sign_in_with_code(&challenge, "00000x").await.expect_field();
            looked_at += usize::from(payload["problems"][0]["code"] == "CODE_INVALID");
        }
    }
    assert_eq!(looked_at, 10);
    // What it spent is its own: a stranger's code still works.
    let stranger = gateway.visitor();
    let challenge = stranger.request_sign_in_code("ada@example.com").await;
    stranger.sign_in_with_code(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
}

// B2, B6: five sends an hour for a contact, existing or not; a known device's are its own.
#[tokio::test]
async fn strangers_do_not_spend_the_sends_of_a_known_device() {
    let gateway = Gateway::start().await;
    let owner = account(&gateway, "ada@example.com").await;
    // The code of the sign-up was one of the five.
    gateway.advance(HOUR);
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut waits = Vec::new();
        for n in 0..7 {
            let stranger = gateway.visitor();
            let contact = json!({"email": email});
            let answer = if n % 2 == 0 {
                stranger.try_request_sign_in_code(contact).await
            } else {
                stranger.try_request_password_reset(contact).await
            };
            waits.push(answer.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap().to_owned()));
        }
        assert_eq!(waits.iter().flatten().count(), 2, "{email}: {waits:?}");
        gateway.visitor().try_request_sign_in_code(json!({"email": email})).await.expect_error("RATE_LIMITED");
    }
    // What strangers sent.
    for _ in 0..5 {
        gateway.next_message("ada@example.com").await;
    }
    let challenge = owner.visitor.request_sign_in_code("ada@example.com").await;
    owner.visitor.sign_in_with_code(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
}

// B2: ten in 24 hours are what counts: a right code brings none back to life that is too old, and none is forgotten before its time.
#[tokio::test]
async fn a_wrong_code_counts_for_a_day_and_no_longer() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let wrong = async || {
        let stranger = gateway.visitor();
        let challenge = stranger.request_sign_in_code("ada@example.com").await;
        gateway.next_message("ada@example.com").await;
        stranger.try_sign_in_with_code(&challenge, "00000x").await.expect_field()["problems"][0].clone()
    };
    let right = async || {
        let visitor = gateway.visitor();
        let challenge = visitor.request_sign_in_code("ada@example.com").await;
        let code = gateway.next_message("ada@example.com").await.code();
        visitor.sign_in_with_code(&challenge, &code).await;
        gateway.next_message("ada@example.com").await;
    };
    for _ in 0..9 {
        assert_eq!(wrong().await["code"], "CODE_INVALID");
    }
    gateway.advance(20 * HOUR);
    right().await;
    gateway.advance(20 * HOUR);
    assert_eq!(wrong().await["code"], "CODE_INVALID");
    right().await;
    // Eight a day, for days: never ten in 24 hours.
    for _ in 0..24 {
        gateway.advance(3 * HOUR);
        assert_eq!(wrong().await["code"], "CODE_INVALID");
    }
    right().await;
    // Those of the last day, and these, are ten; that the newest are wrong does not make the others younger.
    for _ in 0..2 {
        assert_eq!(wrong().await["code"], "CODE_INVALID");
    }
    let refused = wrong().await;
    assert_eq!((&refused["code"], &refused["retryAfterSeconds"]), (&json!("TOO_MANY_ATTEMPTS"), &json!(24 * 3600)));
    gateway.advance(24 * HOUR);
    right().await;
}

// C6: five in 15 minutes lock, and not five in an hour.
#[tokio::test]
async fn five_wrong_passwords_lock_within_a_quarter_of_an_hour_alone() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..12 {
            gateway.visitor().try_sign_in(email, "not the password").await.expect_problem("CREDENTIALS_INVALID");
            gateway.advance(4 * MINUTE);
        }
        // With those of 4, 8 and 12 minutes ago.
        for _ in 0..2 {
            gateway.visitor().try_sign_in(email, "not the password").await.expect_problem("CREDENTIALS_INVALID");
        }
        gateway.visitor().try_sign_in(email, PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    }
    gateway.expect_undelivered();
}

// B2: guesses are counted for their address too, whatever the codes are for.
#[tokio::test]
async fn guesses_take_a_share_of_their_address() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    for _ in 0..10 {
        visitor.try_confirm(&challenge, "00000x").await.expect_field();
    }
    visitor.try_confirm(&challenge, "00000x").await.expect_error("RATE_LIMITED");
    gateway.expect_undelivered();
}
