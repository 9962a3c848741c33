//! Codes that sign in.

use std::time::Duration;

use entity::users;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use super::{MINUTE, SECOND, account, account_without_password, other_than, set_status, state_of};
use crate::support::{Challenge, Gateway, PASSWORD};

#[tokio::test]
async fn somebody_signs_in_by_a_code_from_a_device_that_is_new() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com").await;
    let elsewhere = gateway.visitor();
    let challenge = elsewhere.request_sign_in_code(" ADA@example.com").await;
    assert_eq!(
        challenge.fields,
        json!({
            "id": challenge.id, "state": "PENDING", "purpose": "SIGN_IN", "channel": "EMAIL", "destination": "a•••@example.com",
            "codeLength": 6, "attemptsLeft": 3, "expiresAt": "2026-11-20T12:10:00.000Z", "resendAt": "2026-11-20T12:01:00.000Z",
        })
    );
    assert_eq!(elsewhere.cookies().names(), ["postern_device"], "how the link will know this browser");
    let message = gateway.next_message("ada@example.com").await;
    let member = elsewhere.sign_in_with_code(&challenge, &message.code()).await;
    assert!(!member.is_new_user);
    let session = member.graphql("{ currentSession { loginMethod current } }", json!({})).await.expect_field();
    assert_eq!(session, json!({"loginMethod": "EMAIL_CODE", "current": true}));
    assert_eq!(state_of(&elsewhere, &challenge).await["state"], "DONE");
    assert!(gateway.next_message("ada@example.com").await.link.is_some(), "a new device is told, with a link that ends it");
    // B1: a code works once, and its link with it.
    elsewhere.try_sign_in_with_code(&challenge, &message.code()).await.expect_problem("CODE_INVALID");
    elsewhere.try_sign_in_with_link(&message.link_token()).await.expect_problem("TOKEN_INVALID");
}

#[tokio::test]
async fn somebody_signs_in_by_a_text_message() {
    let gateway = Gateway::start().await;
    let owner = account_without_password(&gateway, "+66812345678").await;
    let challenge: Challenge = owner.visitor.try_request_sign_in_code(json!({"phone": "+66 81 234 5678"})).await.expect_done().into();
    assert_eq!((&challenge.fields["channel"], &challenge.fields["destination"]), (&json!("SMS"), &json!("+66•••••5678")));
    let message = gateway.next_message("+66812345678").await;
    assert!(message.link.is_none());
    let member = owner.visitor.sign_in_with_code(&challenge, &message.code()).await;
    let session = member.graphql("{ currentSession { loginMethod } }", json!({})).await.expect_field();
    assert_eq!(session["loginMethod"], "PHONE_CODE");
    assert!(gateway.unread("+66812345678").await.is_empty(), "the device is known");
}

#[tokio::test]
async fn what_is_no_contact_is_refused() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    for (contact, code, field) in [(json!({"email": "ada@"}), "EMAIL_INVALID", "email"), (json!({"phone": "12"}), "PHONE_INVALID", "phone")]
    {
        let problem = visitor.try_request_sign_in_code(contact.clone()).await.expect_problem(code);
        assert_eq!(problem["path"], json!(["input", "contact", field]));
        visitor.try_request_password_reset(contact).await.expect_problem(code);
    }
}

// B1, B2
#[tokio::test]
async fn a_code_is_guessed_at_three_times_and_for_ten_minutes() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let challenge = visitor.request_sign_in_code("ada@example.com").await;
    let code = gateway.next_message("ada@example.com").await.code();
    for (wrong, left) in [(other_than(&code).as_str(), 2), ("", 1), ("12345x", 0)] {
        let problem = visitor.try_sign_in_with_code(&challenge, wrong).await.expect_problem("CODE_INVALID");
        assert_eq!((&problem["attemptsLeft"], &problem["path"]), (&json!(left), &json!(["input", "code"])));
    }
    visitor.try_sign_in_with_code(&challenge, &code).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(state_of(&visitor, &challenge).await["state"], "EXHAUSTED");

    let challenge = visitor.request_sign_in_code("ada@example.com").await;
    let code = gateway.next_message("ada@example.com").await.code();
    gateway.advance(10 * MINUTE);
    visitor.try_sign_in_with_code(&challenge, &code).await.expect_problem("CODE_EXPIRED");
}

// B2, B6: a new code, the same guesses, the same end.
#[tokio::test]
async fn a_code_that_signs_in_is_sent_again_as_a_new_one() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    for email in ["ada@example.com", "nobody@example.com"] {
        let challenge = visitor.request_sign_in_code(email).await;
        visitor.try_sign_in_with_code(&challenge, "12345x").await.expect_problem("CODE_INVALID");
        visitor.try_resend(&challenge).await.expect_problem("RESEND_TOO_SOON");
        gateway.advance(MINUTE);
        let again: Challenge = visitor.try_resend(&challenge).await.expect_done().into();
        assert_eq!(again.fields["expiresAt"], challenge.fields["expiresAt"]);
        assert_eq!((&again.fields["attemptsLeft"], &again.fields["state"]), (&json!(2), &json!("PENDING")));
        if email == "ada@example.com" {
            let (old, new) = (gateway.next_message(email).await, gateway.next_message(email).await);
            visitor.try_sign_in_with_code(&challenge, &old.code()).await.expect_problem("CODE_INVALID");
            visitor.sign_in_with_code(&challenge, &new.code()).await;
        }
    }
    assert!(gateway.unread("nobody@example.com").await.is_empty(), "nobody gets nothing");
}

// B5, C2: a code or link counts for the contact it went to, and not past a change of the password.
#[tokio::test]
async fn a_change_of_password_or_contact_ends_codes_and_links() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let stranger = gateway.visitor();
    let before = stranger.request_sign_in_code("ada@example.com").await;
    let message = gateway.next_message("ada@example.com").await;
    gateway.advance(SECOND);
    ada.try_change_password(PASSWORD, "another Kettle 48 sundial").await.expect_done();
    stranger.try_sign_in_with_code(&before, &message.code()).await.expect_problem("CODE_INVALID");
    stranger.try_sign_in_with_link(&message.link_token()).await.expect_problem("TOKEN_INVALID");

    // That of the new password.
    gateway.next_message("ada@example.com").await;
    let moved = stranger.request_sign_in_code("ada@example.com").await;
    let message = gateway.next_message("ada@example.com").await;
    let change = users::ActiveModel {
        id: Set(ada.user_id.parse().unwrap()),
        email: Set(Some("lovelace@example.com".to_owned())),
        ..Default::default()
    };
    users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
    stranger.try_sign_in_with_code(&moved, &message.code()).await.expect_problem("CODE_INVALID");
    stranger.try_sign_in_with_link(&message.link_token()).await.expect_problem("TOKEN_INVALID");
}

// A9, C17: how an account stands is told to whoever proved the contact, and to nobody else; a proof is used up by that.
#[tokio::test]
async fn the_state_of_an_account_is_told_only_after_the_right_proof() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let states = [
        (users::Status::Suspended, "ACCOUNT_SUSPENDED"),
        (users::Status::Banned, "ACCOUNT_BANNED"),
        (users::Status::Inactive, "ACCOUNT_INACTIVE"),
    ];
    for (status, told) in states {
        set_status(&gateway, &ada, status).await;
        let visitor = gateway.visitor();
        let challenge = visitor.request_sign_in_code("ada@example.com").await;
        let message = gateway.next_message("ada@example.com").await;
        visitor.try_sign_in_with_code(&challenge, &other_than(&message.code())).await.expect_problem("CODE_INVALID");
        let answer = visitor.try_sign_in_with_code(&challenge, &message.code()).await;
        assert!(!answer.headers.contains_key("set-cookie"), "no session, no cookie");
        assert_eq!(answer.data()["signInWithCode"]["outcome"], Value::Null);
        answer.expect_problem(told);
        visitor.try_sign_in_with_link(&message.link_token()).await.expect_problem("TOKEN_INVALID");
        gateway.advance(Duration::from_mins(30));
    }
    let visitor = gateway.visitor();
    visitor.request_sign_in_code("ada@example.com").await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    visitor.try_sign_in_with_link(&token).await.expect_problem("ACCOUNT_INACTIVE");
    visitor.try_sign_in_with_link(&token).await.expect_problem("TOKEN_INVALID");
}
