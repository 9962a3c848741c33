//! What was sent before a new password, or before its owner left, proves nothing any more.

use entity::users;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};

use super::{MINUTE, NEW, SECOND, account, account_without_password, state_of, without_buckets};
use crate::support::{Answer, Challenge, Gateway, Member, PASSWORD};

const EMAIL: &str = "ada@example.com";
const PROBLEMS: &str = "problems { code }";

async fn ask(member: &Member, mutation: &str, input: Value) -> Answer {
    let input_type = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let result = if mutation.starts_with("confirm") { "user { id }" } else { "challenge { id }" };
    let query = format!("mutation ($input: {input_type}!) {{ {mutation}(input: $input) {{ {result} {PROBLEMS} }} }}");
    member.graphql(&query, json!({"input": input})).await
}

/// How a password is set.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Reset,
    Change,
    First,
}

async fn set_password(gateway: &Gateway, member: &Member, by: By) -> Member {
    match by {
        By::Reset => {
            let visitor = gateway.app_user();
            visitor.try_request_password_reset(json!({"phone": "+66812345678"})).await.expect_done();
            let challenge = visitor.try_request_password_reset(json!({"email": EMAIL})).await.expect_done().into();
            let code = latest_code(gateway, EMAIL).await;
            visitor.try_reset_by_code(&challenge, &code, NEW).await.expect_done();
            visitor.sign_in(EMAIL, NEW).await
        }
        By::Change => {
            member.try_change_password(PASSWORD, NEW).await.expect_done();
            member.clone()
        }
        By::First => {
            member.try_set_password(NEW).await.expect_done();
            member.clone()
        }
    }
}

/// The code of the newest message to somebody, once it is there.
async fn latest_code(gateway: &Gateway, to: &str) -> String {
    loop {
        if let Some(code) = gateway.next_message(to).await.code
            && gateway.unread(to).await.is_empty()
        {
            return code;
        }
    }
}

// C4, A14: with a new password every change of a contact that waits, and every proof that is out, is over.
#[tokio::test]
async fn a_new_password_ends_everything_that_waits_for_a_proof() {
    for by in [By::Reset, By::Change, By::First] {
        let gateway = without_buckets().await;
        let ada = if by == By::First { account_without_password(&gateway, EMAIL).await } else { account(&gateway, EMAIL).await };
        let give =
            users::Entity::update_many().col_expr(users::Column::Phone, Expr::value("+66812345678")).filter(users::Column::Email.eq(EMAIL));
        give.exec(&gateway.database().await).await.unwrap();
        let email: Challenge = ask(&ada, "changeEmail", json!({"newEmail": "new@example.com"})).await.expect_done().into();
        let of_email = gateway.next_message("new@example.com").await.code();
        let phone: Challenge = ask(&ada, "changePhone", json!({"newPhone": "+66812345679"})).await.expect_done().into();
        let of_phone = gateway.next_message("+66812345679").await.code();
        let contact: Challenge = ask(&ada, "requestContactVerification", json!({"channel": "SMS"})).await.expect_done().into();
        let of_contact = gateway.next_message("+66812345678").await.code();
        gateway.advance(SECOND);
        let ada = set_password(&gateway, &ada, by).await;
        for (mutation, challenge, code) in [
            ("confirmEmailChange", &email, &of_email),
            ("confirmPhoneChange", &phone, &of_phone),
            ("confirmContact", &contact, &of_contact),
        ] {
            let answer = ask(&ada, mutation, json!({"challengeId": challenge.id, "code": code})).await.expect_field();
            let problem = answer["problems"][0]["code"].as_str().unwrap().to_owned();
            assert!(["CODE_INVALID", "TOO_MANY_ATTEMPTS"].contains(&problem.as_str()), "{by:?} {mutation}: {problem}");
        }
        let query = "mutation ($input: ResendChallengeInput!) { resendChallenge(input: $input) { problems { code } } }";
        gateway.advance(MINUTE);
        for challenge in [&email, &phone, &contact] {
            ada.graphql(query, json!({"input": {"challengeId": challenge.id}})).await.expect_problem("TOO_MANY_ATTEMPTS");
        }
        for challenge in [&email, &phone] {
            assert_eq!(state_of(&ada.visitor, challenge).await["state"], "EXHAUSTED", "{by:?}");
        }
        let me =
            ada.graphql("{ me { email phoneVerifiedAt pendingEmail { value } pendingPhone { value } } }", json!({})).await.expect_field();
        assert_eq!(me, json!({"email": EMAIL, "phoneVerifiedAt": null, "pendingEmail": null, "pendingPhone": null}), "{by:?}");
        gateway.expect_undelivered();
    }
}

// C4: the link that proves an address of the account is over too.
#[tokio::test]
async fn a_new_password_ends_the_link_that_proves_an_address() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, EMAIL).await;
    let unprove = users::Entity::update_many()
        .col_expr(users::Column::EmailVerifiedAt, Expr::value(Option::<entity::Timestamp>::None))
        .filter(users::Column::Email.eq(EMAIL));
    unprove.exec(&gateway.database().await).await.unwrap();
    let mut links = Vec::new();
    // The first of them is pushed out by the newer ones, and its code is not.
    for _ in 0..4 {
        let challenge: Challenge = ask(&ada, "requestContactVerification", json!({"channel": "EMAIL"})).await.expect_done().into();
        let message = gateway.next_message(EMAIL).await;
        links.push((challenge, message.code(), message.link_token()));
    }
    gateway.advance(SECOND);
    ada.try_change_password(PASSWORD, NEW).await.expect_done();
    for (challenge, code, token) in links {
        ada.visitor.verify_email(&token, Some(NEW)).await.expect_problem("TOKEN_INVALID");
        let answer = ask(&ada, "confirmContact", json!({"challengeId": challenge.id, "code": code})).await.expect_field();
        assert_ne!(answer["problems"], json!([]));
    }
}

// C4, C17: who leaves leaves no code behind, whatever way it was sent and however many were sent after it.
#[tokio::test]
async fn who_leaves_leaves_no_code_behind() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.sms.per_number.count = 100;
    })
    .await;
    for contact in [EMAIL, "+66812345678"] {
        let ada = account_without_password(&gateway, contact).await;
        let kind = if contact.contains('@') { "email" } else { "phone" };
        let mut sent: Vec<(Challenge, Challenge)> = Vec::new();
        let mut codes = Vec::new();
        for _ in 0..4 {
            let visitor = gateway.visitor();
            let sign_in = visitor.try_request_sign_in_code(json!({kind: contact})).await.expect_done().into();
            let of_sign_in = gateway.next_message(contact).await.code();
            gateway.advance(MINUTE);
            let reset = visitor.try_request_password_reset(json!({kind: contact})).await.expect_done().into();
            codes.push((of_sign_in, gateway.next_message(contact).await.code()));
            sent.push((sign_in, reset));
        }
        gateway.advance(SECOND);
        ada.try_delete_account().await.expect_done();
        let visitor = gateway.visitor();
        for ((sign_in, reset), (of_sign_in, of_reset)) in sent.iter().zip(&codes) {
            for answer in [visitor.try_sign_in_with_code(sign_in, of_sign_in).await, visitor.try_reset_by_code(reset, of_reset, NEW).await]
            {
                let problem = answer.expect_field()["problems"][0]["code"].as_str().unwrap().to_owned();
                assert!(["CODE_INVALID", "TOO_MANY_ATTEMPTS"].contains(&problem.as_str()), "{contact}: {problem}");
            }
        }
        // What is asked for from now on counts: the owner may change their mind.
        gateway.next_message(contact).await;
        gateway.advance(MINUTE);
        let challenge: Challenge = visitor.try_request_sign_in_code(json!({kind: contact})).await.expect_done().into();
        let back = visitor.sign_in_with_code(&challenge, &gateway.next_message(contact).await.code()).await;
        back.try_cancel_account_deletion().await.expect_done();
    }
    gateway.expect_undelivered();
}
