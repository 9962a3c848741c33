//! What guessing at a password costs, and whom.

use std::time::Duration;

use serde_json::json;

use super::{MINUTE, WRONG, account, guess, without_buckets};
use crate::support::{PASSWORD, Visitor};

const HOUR: Duration = Duration::from_hours(1);

// C6
#[tokio::test]
async fn failures_lock_twice_as_long_each_time() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com", "ada").await;
    for identifier in ["ada@example.com", "nobody@example.com"] {
        let visitor = gateway.visitor();
        for minutes in [15_u32, 30, 60, 120, 240, 480, 960, 1440, 1440] {
            guess(&visitor, identifier, 5).await;
            let locked = visitor.try_sign_in(identifier, PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
            assert_eq!(locked["retryAfterSeconds"], minutes * 60, "{identifier}");
            gateway.advance(Duration::from_secs(u64::from(minutes) * 60 - 1));
            let locked = visitor.try_sign_in(identifier, PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
            assert_eq!(locked["retryAfterSeconds"], 1, "{identifier}: tries while it is locked prolong nothing");
            gateway.advance(Duration::from_secs(1));
        }
    }
    // A success starts all anew.
    gateway.visitor().sign_in("ada", PASSWORD).await;
    let visitor = gateway.visitor();
    guess(&visitor, "ada", 5).await;
    assert_eq!(visitor.try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED")["retryAfterSeconds"], 900);
}

#[tokio::test]
async fn failures_are_forgotten_after_a_quarter_of_an_hour() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com", "ada").await;
    let visitor = gateway.visitor();
    for _ in 0..3 {
        guess(&visitor, "ada", 4).await;
        gateway.advance(15 * MINUTE);
    }
    guess(&visitor, "ada", 4).await;
    visitor.sign_in("ada", PASSWORD).await;
}

// C9
#[tokio::test]
async fn failures_sum_up_over_all_identifiers_of_an_account() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com", "ada").await;
    for identifier in ["ada", "ada@example.com", "ADA", " Ada@Example.com", "aDa"] {
        guess(&gateway.visitor(), identifier, 1).await;
    }
    gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    for identifier in ["Nobody@example.com", "nobody@example.com ", "NOBODY@EXAMPLE.COM", "nobody@example.com", "nobody@Example.com"] {
        guess(&gateway.visitor(), identifier, 1).await;
    }
    gateway.visitor().try_sign_in("nobody@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
}

// C7: nobody can lock a person out from afar.
#[tokio::test]
async fn a_known_device_keeps_its_own_allowance() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com", "ada").await;
    let attacker = gateway.visitor();
    guess(&attacker, "ada", 5).await;
    attacker.try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    let notice = gateway.next_message("ada@example.com").await;
    assert!(notice.text.contains("2026") || notice.text.contains("12:15"), "{}", notice.text);
    owner.visitor.sign_in("ada", PASSWORD).await;
    attacker.try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");

    let me = owner.graphql("{ me { lockedUntil failedSignInAttempts } }", json!({})).await.expect_field();
    assert_eq!(me, json!({"lockedUntil": "2026-11-20T12:15:00.000Z", "failedSignInAttempts": 5}));
    // And what happens on that device locks nobody else.
    gateway.advance(15 * MINUTE);
    guess(&owner.visitor, "ada", 5).await;
    owner.visitor.try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.visitor().sign_in("ada", PASSWORD).await;
    // A device known to one account is a stranger to another.
    account(&gateway, "eve@example.com", "eve").await;
    guess(&attacker, "eve", 5).await;
    owner.visitor.try_sign_in("eve", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
}

// C6: after a hundred in a row only a known device may try.
#[tokio::test]
async fn a_hundred_failures_in_a_row_close_sign_in_from_unknown_devices() {
    let gateway = without_buckets().await;
    let owner = account(&gateway, "ada@example.com", "ada").await;
    let attacker = gateway.visitor();
    for _ in 0..20 {
        guess(&attacker, "ada", 5).await;
        gateway.advance(24 * HOUR);
    }
    gateway.advance(1000 * HOUR);
    attacker.try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    owner.visitor.sign_in("ada", PASSWORD).await;
    attacker.try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.visitor().try_sign_in("nobody", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
}

// C8, B4: the count is taken before the check, and holds after a restart.
#[tokio::test]
async fn parallel_guesses_are_counted_before_they_are_checked() {
    let gateway = without_buckets().await;
    account(&gateway, "ada@example.com", "ada").await;
    let visitors: Vec<Visitor> = (0..40).map(|_| gateway.visitor()).collect();
    let guesses = visitors.iter().map(|visitor| visitor.try_sign_in("ada", WRONG));
    let answers = futures::future::join_all(guesses).await;
    let checked = answers.iter().filter(|answer| answer.data()["signIn"]["problems"][0]["code"] == "CREDENTIALS_INVALID").count();
    let locked = answers.iter().filter(|answer| answer.data()["signIn"]["problems"][0]["code"] == "ACCOUNT_LOCKED").count();
    assert_eq!((checked, locked), (5, 35));
    gateway.next_message("ada@example.com").await;
    assert!(gateway.unread("ada@example.com").await.is_empty(), "one lock, one message");
    let visitor = gateway.visitor();
    let gateway = gateway.restart().await;
    visitor.at(&gateway).try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
}
