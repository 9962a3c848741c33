//! Whether somebody has signed up meanwhile is told by no challenge that a stranger began before.

use serde_json::Value;

use super::{MINUTE, state_of};
use crate::support::{Answer, Challenge, Gateway, PASSWORD, Visitor};

/// What a stranger sees of a challenge, to its end.
async fn seen(gateway: &Gateway, stranger: &Visitor, challenge: &Challenge) -> Vec<Value> {
    let told = |answer: Answer| {
        let mut payload = answer.expect_field();
        if let Some(fields) = payload.get_mut("challenge").and_then(Value::as_object_mut) {
            for field in ["id", "destination", "resendAt", "expiresAt"] {
                fields.remove(field);
            }
        }
        payload
    };
    let mut all = Vec::new();
    for _ in 0..2 {
        all.push(state_of(stranger, challenge).await["state"].clone());
        gateway.advance(MINUTE);
        all.push(told(stranger.try_resend(challenge).await));
    }
    for _ in 0..4 {
        all.push(told(stranger.try_confirm(challenge, "00000x").await));
        all.push(state_of(stranger, challenge).await["state"].clone());
    }
    all
}

// A9, A12
#[tokio::test]
async fn a_strangers_challenge_does_not_tell_that_the_owner_has_signed_up() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    for by_link in [false, true] {
        let before = if by_link { "ada@example.com" } else { "eve@example.com" };
        let registered = if by_link { "bob@example.com" } else { "joe@example.com" };
        gateway.visitor().becomes_member(registered).await;
        let stranger = gateway.visitor();
        let early = stranger.sign_up(before, "stranger Kettle 47 sundial").await;
        let code_of_stranger = gateway.next_message(before).await.code();
        let owner = gateway.visitor();
        let own = owner.sign_up(before, PASSWORD).await;
        let message = gateway.next_message(before).await;
        if by_link {
            owner.verify_email(&message.link_token(), None).await.expect_done();
        } else {
            owner.confirm(&own, &message.code()).await;
        }
        let late = stranger.sign_up(registered, "stranger Kettle 47 sundial").await;
        // Who has the right code reads the owner's mail, and may know.
        let right = gateway.visitor().try_confirm(&early, &code_of_stranger).await;
        right.expect_problem("EMAIL_TAKEN");
        let (of_early, of_late) = (seen(&gateway, &stranger, &early).await, seen(&gateway, &stranger, &late).await);
        assert_eq!(of_early, of_late);
        assert_eq!(of_early[0], "PENDING");
    }
    gateway.expect_undelivered();
}
