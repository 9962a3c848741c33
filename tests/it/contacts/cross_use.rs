//! Codes of contacts count for nothing else, and no other code counts for them.

use entity::users;
use sea_orm::{EntityTrait, sea_query::Expr};

use super::{change_email, change_phone, confirm_email, confirm_phone, verification};
use crate::{
    sign_in_by_code::{account_without_password, without_buckets},
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
    let of_contacts = ["confirmContact", "confirmEmailChange", "confirmPhoneChange"];
    for (own, challenge, code) in &sent {
        for operation in OPERATIONS.into_iter().filter(|operation| operation != own) {
            if of_contacts.contains(own) || of_contacts.contains(&operation) {
                let problem = answer(&ada, operation, challenge, code).await.expect_problem("CODE_INVALID");
                assert!(problem["attemptsLeft"].is_null(), "{own} at {operation}: {problem}");
            }
        }
    }
    for own in of_contacts {
        let (_, challenge, code) = sent.iter().find(|(operation, ..)| *operation == own).unwrap();
        answer(&ada, own, challenge, code).await.expect_done();
    }
    gateway.expect_undelivered();
}
