//! How many codes are sent, and how many may be guessed.

use serde_json::json;

use super::{HOUR, MINUTE, other_than};
use crate::support::{Gateway, PASSWORD};

// C13, B6: five codes an hour for a contact, existing or not.
#[tokio::test]
async fn codes_for_a_contact_are_limited() {
    let gateway = Gateway::start().await;
    gateway.visitor().becomes_member("ada@example.com").await;
    gateway.advance(2 * HOUR);
    for contact in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            gateway.visitor().sign_up(contact, PASSWORD).await;
        }
        let limited = gateway.visitor().try_sign_up(json!({"contact": {"email": contact}})).await;
        assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (429, "720"), "{contact}");
        assert_eq!(limited.expect_error("RATE_LIMITED")["extensions"]["retryAfterSeconds"], 720);
    }
    gateway.advance(12 * MINUTE);
    gateway.visitor().sign_up("ada@example.com", PASSWORD).await;
}

// C10, C13
#[tokio::test]
async fn sign_ups_of_an_address_are_limited() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor().from_address("2001:db8::1");
    for number in 0..20 {
        let challenge = visitor.try_sign_up(json!({"contact": {"email": format!("a{number}@example.com")}})).await;
        challenge.expect_done();
    }
    let neighbour = visitor.from_address("2001:db8::ffff:1");
    neighbour.try_sign_up(json!({"contact": {"email": "b@example.com"}})).await.expect_error("RATE_LIMITED");
    visitor.from_address("2001:db8:0:1::1").sign_up("b@example.com", PASSWORD).await;
}

// B2: a new challenge brings no new guesses, whether or not the contact is registered.
#[tokio::test]
async fn ten_wrong_codes_a_day_are_all_that_a_contact_gets() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    gateway.visitor().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    let visitor = gateway.visitor();
    for contact in ["ada@example.com", "eve@example.com"] {
        let mut wrong = 0;
        let last = loop {
            let challenge = visitor.sign_up(contact, PASSWORD).await;
            let code = gateway.next_message(contact).await.code.unwrap_or_else(|| "123456".to_owned());
            if wrong == 10 {
                break (challenge, code);
            }
            for _ in 0..3.min(10 - wrong) {
                visitor.try_confirm(&challenge, &other_than(&code)).await.expect_problem("CODE_INVALID");
                wrong += 1;
            }
        };
        visitor.try_confirm(&last.0, &last.1).await.expect_problem("TOO_MANY_ATTEMPTS");
    }
    // Links have a budget of their own.
    visitor.sign_up("eve@example.com", PASSWORD).await;
    let message = gateway.next_message("eve@example.com").await;
    visitor.verify_email(&message.link_token(), None).await.expect_done();
}

#[tokio::test]
async fn the_budget_of_a_contact_comes_back_after_a_day() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.codes.attempts = 10;
    })
    .await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let code = gateway.next_message("ada@example.com").await.code();
    for _ in 0..9 {
        visitor.try_confirm(&challenge, &other_than(&code)).await.expect_problem("CODE_INVALID");
    }
    // Right ones cost nothing.
    visitor.confirm(&challenge, &code).await;

    let challenge = visitor.sign_up("eve@example.com", PASSWORD).await;
    for _ in 0..10 {
        visitor.try_confirm(&challenge, "").await.expect_problem("CODE_INVALID");
    }
    gateway.next_message("eve@example.com").await;
    gateway.advance(24 * HOUR);
    let challenge = visitor.sign_up("eve@example.com", PASSWORD).await;
    visitor.confirm(&challenge, &gateway.next_message("eve@example.com").await.code()).await;
}
