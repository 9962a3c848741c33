//! The code that proves a contact.

use std::time::Duration;

use entity::{Channel, users};
use postern::ephemeral::challenges::{Challenge as Stored, Purpose, State};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use super::{HOUR, MINUTE, other_than, state_of};
use crate::support::{Answer, Challenge, Gateway, PASSWORD, Visitor};

async fn confirm_as(visitor: &Visitor, challenge: &Challenge, code: &str, username: &str) -> Answer {
    let query = "mutation ($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) {
        outcome { __typename ... on SignedIn { user { username } } } problems { code path } } }";
    visitor.graphql(query, json!({"input": {"challengeId": challenge.id, "code": code, "username": username}})).await
}

// B2
#[tokio::test]
async fn three_wrong_codes_end_a_challenge() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let code = gateway.next_message("ada@example.com").await.code();
    for (wrong, left) in [(other_than(&code).as_str(), 2), ("", 1), ("１２３４５６", 0)] {
        let problem = visitor.try_confirm(&challenge, wrong).await.expect_problem("CODE_INVALID");
        assert_eq!((&problem["attemptsLeft"], &problem["path"]), (&json!(left), &json!(["input", "code"])));
    }
    visitor.try_confirm(&challenge, &code).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(state_of(&visitor, &challenge).await["state"], "EXHAUSTED");
    visitor.try_resend(&challenge).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(users::Entity::find().count(&gateway.database().await).await.unwrap(), 0);
}

// B1
#[tokio::test]
async fn a_code_is_good_for_ten_minutes() {
    let gateway = Gateway::start().await;
    let (early, late) = (gateway.visitor(), gateway.visitor());
    let in_time = early.sign_up("early@example.com", PASSWORD).await;
    let too_late = late.sign_up("late@example.com", PASSWORD).await;
    let (first, second) = (gateway.next_message("early@example.com").await.code(), gateway.next_message("late@example.com").await.code());
    gateway.advance(Duration::from_millis(599_999));
    early.confirm(&in_time, &first).await;
    gateway.advance(Duration::from_millis(1));
    late.try_confirm(&too_late, &second).await.expect_problem("CODE_EXPIRED");
    assert_eq!(state_of(&late, &too_late).await["state"], "EXPIRED");
    late.try_resend(&too_late).await.expect_problem("CODE_EXPIRED");
    gateway.advance(HOUR);
    assert_eq!(state_of(&late, &too_late).await, Value::Null, "an hour after its end nobody remembers it");
}

// B1
#[tokio::test]
async fn a_code_works_once() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let message = gateway.next_message("ada@example.com").await;
    visitor.confirm(&challenge, &message.code()).await;
    visitor.try_confirm(&challenge, &message.code()).await.expect_problem("CODE_INVALID");
    visitor.verify_email(&message.link_token(), None).await.expect_problem("TOKEN_INVALID");
    assert_eq!(users::Entity::find().count(&gateway.database().await).await.unwrap(), 1);
}

// B5
#[tokio::test]
async fn a_code_for_something_else_finishes_no_sign_up() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let visitor = gateway.visitor();
    let (app, now) = (gateway.app(), gateway.clock.now());
    let others = [
        Purpose::SignIn,
        Purpose::PasswordReset,
        Purpose::EmailChange,
        Purpose::PhoneChange,
        Purpose::Reauthentication,
        Purpose::ContactVerification,
        Purpose::Risk,
    ];
    for purpose in others {
        let id = app.entropy.uuid(now);
        let stored = Stored {
            id,
            purpose,
            channel: Channel::Email,
            contact: "ada@example.com".to_owned(),
            user_id: None,
            subject: None,
            code_hash: Some(postern::crypto::keyed_hash::code_hash(&app.key_ring, id, "123456")),
            attempts_left: 3,
            state: State::Pending,
            created_at: now,
            expires_at: now + 10 * MINUTE,
            resend_at: now,
        };
        app.challenges.create(&stored, now).await.unwrap();
        let challenge = Challenge { id: id.to_string(), fields: Value::Null };
        let problem = visitor.try_confirm(&challenge, "123456").await.expect_problem("CODE_INVALID");
        assert_eq!(problem["attemptsLeft"], Value::Null, "{purpose:?}");
        assert_eq!(state_of(&visitor, &challenge).await["attemptsLeft"], 3, "{purpose:?}: it is not counted either");
    }
    for id in ["", "x", "00000000-0000-0000-0000-000000000000", "'; DROP TABLE users; --"] {
        let challenge = Challenge { id: id.to_owned(), fields: Value::Null };
        visitor.try_confirm(&challenge, "123456").await.expect_problem("CODE_INVALID");
        visitor.try_resend(&challenge).await.expect_problem("NOT_FOUND");
        assert_eq!(state_of(&visitor, &challenge).await, Value::Null);
    }
}

// B5: the code of one sign-up does not finish another one.
#[tokio::test]
async fn a_code_belongs_to_its_challenge() {
    let gateway = Gateway::start().await;
    let (ada, eve) = (gateway.visitor(), gateway.visitor());
    let hers = ada.sign_up("ada@example.com", PASSWORD).await;
    eve.sign_up("eve@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    let code = gateway.next_message("eve@example.com").await.code();
    eve.try_confirm(&hers, &code).await.expect_problem("CODE_INVALID");
}

#[tokio::test]
async fn a_taken_username_does_not_use_up_the_code() {
    let gateway = Gateway::start().await;
    let (first, second) = (gateway.visitor(), gateway.visitor());
    let input = |email: &str| json!({"contact": {"email": email}, "password": PASSWORD, "username": "Ada"});
    let earlier: Challenge = first.try_sign_up(input("ada@example.com")).await.expect_done().into();
    // A name is claimed by the confirmation, not before.
    let later: Challenge = second.try_sign_up(input("lovelace@example.com")).await.expect_done().into();
    first.confirm(&earlier, &gateway.next_message("ada@example.com").await.code()).await;
    let code = gateway.next_message("lovelace@example.com").await.code();
    for _ in 0..4 {
        second.try_confirm(&later, &code).await.expect_problem("USERNAME_TAKEN");
    }
    assert_eq!(state_of(&second, &later).await, json!({"state": "PENDING", "attemptsLeft": 3, "expiresAt": "2026-11-20T12:10:00.000Z"}));
    confirm_as(&second, &later, &code, "aDA").await.expect_problem("USERNAME_TAKEN");
    confirm_as(&second, &later, &code, "4 da").await.expect_problem("USERNAME_INVALID");
    let done = confirm_as(&second, &later, &code, "lovelace").await.expect_done();
    assert_eq!(done["outcome"]["user"]["username"], "lovelace");
}

#[tokio::test]
async fn a_code_is_sent_again_as_a_new_one() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let old = gateway.next_message("ada@example.com").await;
    visitor.try_confirm(&challenge, &other_than(&old.code())).await.expect_problem("CODE_INVALID");
    assert_eq!(visitor.try_resend(&challenge).await.expect_problem("RESEND_TOO_SOON")["retryAfterSeconds"], 60);
    gateway.advance(Duration::from_millis(59_999));
    assert_eq!(visitor.try_resend(&challenge).await.expect_problem("RESEND_TOO_SOON")["retryAfterSeconds"], 1);
    gateway.advance(Duration::from_millis(1));
    let again: Challenge = visitor.try_resend(&challenge).await.expect_done().into();
    assert_eq!(again.id, challenge.id);
    assert_eq!(again.fields["expiresAt"], challenge.fields["expiresAt"], "B6: the end does not move");
    assert_eq!(again.fields["attemptsLeft"], 2, "B2: guesses do not come back");
    assert_eq!(again.fields["resendAt"], "2026-11-20T12:02:00.000Z");
    let new = gateway.next_message("ada@example.com").await;
    assert_ne!(new.code(), old.code());
    visitor.try_confirm(&challenge, &old.code()).await.expect_problem("CODE_INVALID");
    visitor.confirm(&challenge, &new.code()).await;
    visitor.try_resend(&challenge).await.expect_problem("CODE_EXPIRED");
}
