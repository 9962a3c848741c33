//! The whole matrix: each code, right as it is, at every operation that takes codes.

use std::collections::BTreeSet;

use entity::users;
use postern::ephemeral::challenges::{Challenge as Stored, Purpose, State};
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::json;

use super::{change_email, change_phone, confirm_email, confirm_phone, verification};
use crate::{
    sign_in_by_code::{MINUTE, account_without_password, state_of, without_buckets},
    support::{Answer, Challenge, Gateway, Member},
};

const OPERATIONS: [&str; 7] =
    ["confirmSignUp", "signInWithCode", "resetPassword", "reauthenticate", "confirmContact", "confirmEmailChange", "confirmPhoneChange"];

async fn answer(member: &Member, operation: &str, challenge: &Challenge, code: &str) -> Answer {
    let visitor = &member.visitor;
    match operation {
        "confirmSignUp" => visitor.try_confirm(challenge, code).await,
        "signInWithCode" => visitor.try_sign_in_with_code(challenge, code).await,
        "resetPassword" => visitor.try_reset_by_code(challenge, code, "another Kettle 48 sundial").await,
        "reauthenticate" => member.try_reauthenticate_by_code(challenge, code).await,
        "confirmContact" => verification::confirm(member, challenge, code).await,
        "confirmEmailChange" => confirm_email(member, challenge, code).await,
        _ => confirm_phone(member, challenge, code).await,
    }
}

/// One challenge of each purpose, each about the same person, with its right code.
async fn one_of_each(gateway: &Gateway, ada: &Member) -> Vec<(&'static str, Challenge, String)> {
    let visitor = &ada.visitor;
    let mut all = Vec::new();
    all.push(("confirmSignUp", visitor.sign_up("other@example.com", crate::support::PASSWORD).await, "other@example.com"));
    all.push(("signInWithCode", visitor.request_sign_in_code("ada@example.com").await, "ada@example.com"));
    let mut sent = Vec::new();
    for (operation, challenge, to) in all {
        sent.push((operation, challenge, gateway.next_message(to).await.code()));
    }
    let reset = visitor.request_password_reset("ada@example.com").await;
    sent.push(("resetPassword", reset, gateway.next_message("ada@example.com").await.code()));
    let again: Challenge = ada.try_request_reauthentication_code("EMAIL").await.expect_done().into();
    sent.push(("reauthenticate", again, gateway.next_message("ada@example.com").await.code()));
    let contact: Challenge = verification::request(ada, "SMS").await.expect_done().into();
    sent.push(("confirmContact", contact, gateway.next_message("+66812345678").await.code()));
    let phone: Challenge = change_phone(ada, "+66812345679").await.expect_done().into();
    sent.push(("confirmPhoneChange", phone, gateway.next_message("+66812345679").await.code()));
    let email: Challenge = change_email(ada, "new@example.com").await.expect_done().into();
    sent.push(("confirmEmailChange", email, gateway.next_message("new@example.com").await.code()));
    sent
}

// B5: every code, right as it is, is refused everywhere but at its own operation, and costs nothing there.
#[tokio::test]
async fn a_code_is_good_for_its_own_operation_alone() {
    let gateway = without_buckets().await;
    let ada = account_without_password(&gateway, "ada@example.com").await;
    let unproved = users::Entity::update_many().col_expr(users::Column::Phone, Expr::value("+66812345678"));
    unproved.exec(&gateway.database().await).await.unwrap();
    let sent = one_of_each(&gateway, &ada).await;
    assert_eq!(sent.iter().map(|(own, ..)| *own).collect::<BTreeSet<_>>(), OPERATIONS.into());
    for (own, challenge, code) in &sent {
        for operation in OPERATIONS.into_iter().filter(|operation| operation != own) {
            let problem = answer(&ada, operation, challenge, code).await.expect_problem("CODE_INVALID");
            assert!(problem["attemptsLeft"].is_null(), "{own} at {operation}: {problem}");
        }
        let untouched = json!({"state": "PENDING", "attemptsLeft": 3});
        assert_eq!(state_of(&ada.visitor, challenge).await, untouched, "{own}: none of them is counted");
    }
    // In an order in which none ends the others; the new password of the reset would.
    for own in ["reauthenticate", "confirmContact", "confirmPhoneChange", "signInWithCode", "confirmEmailChange", "confirmSignUp"] {
        let (_, challenge, code) = sent.iter().find(|(operation, ..)| *operation == own).unwrap();
        answer(&ada, own, challenge, code).await.expect_done();
    }
    gateway.expect_undelivered();
}

// B5: nor does any of them take the code of a sign-in that looked risky.
#[tokio::test]
async fn a_code_that_a_risk_asked_for_is_good_for_none_of_them() {
    let gateway = without_buckets().await;
    let ada = account_without_password(&gateway, "ada@example.com").await;
    let (app, now) = (gateway.app(), gateway.clock.now());
    let id = app.entropy.uuid(now);
    let stored = Stored {
        id,
        purpose: Purpose::Risk,
        channel: entity::Channel::Email,
        contact: "ada@example.com".to_owned(),
        user_id: Some(ada.user_id.parse().unwrap()),
        subject: Some(ada.session_id.parse().unwrap()),
        code_hash: Some(postern::crypto::keyed_hash::code_hash(&app.key_ring, id, "123456")),
        attempts_left: 3,
        state: State::Pending,
        created_at: now,
        expires_at: now + 10 * MINUTE,
        resend_at: now,
    };
    gateway.inside(app.challenges.create(&stored, now)).await.unwrap();
    let challenge = Challenge { id: id.to_string(), fields: serde_json::Value::Null };
    for operation in OPERATIONS {
        let problem = answer(&ada, operation, &challenge, "123456").await.expect_problem("CODE_INVALID");
        assert!(problem["attemptsLeft"].is_null(), "{operation}: {problem}");
    }
    assert_eq!(state_of(&ada.visitor, &challenge).await, json!({"state": "PENDING", "attemptsLeft": 3}));
}
