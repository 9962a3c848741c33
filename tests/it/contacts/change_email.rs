//! The change of an address, step by step.

use std::time::Duration;

use serde_json::{Value, json};

use super::{cancel_by_link, cancel_by_session, change_email, confirm_email, contacts_of, member, moves_to, other_than};
use crate::{
    sign_in_by_code::without_buckets,
    support::{Answer, Challenge, Gateway, PASSWORD},
};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn an_address_changes_once_the_new_one_is_proved() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    let payload = change_email(&ada, " Lovelace@EXAMPLE.com ").await.expect_done();
    assert_eq!(payload["user"]["email"], "ada@example.com", "the old one goes on");
    assert_eq!(payload["user"]["pendingEmail"]["value"], "lovelace@example.com");
    assert_eq!(payload["user"]["pendingEmail"]["challenge"], json!({"id": payload["challenge"]["id"], "state": "PENDING"}));
    assert_eq!((&payload["challenge"]["purpose"], &payload["challenge"]["channel"]), (&json!("EMAIL_CHANGE"), &json!("EMAIL")));
    let warning = gateway.next_message("ada@example.com").await;
    assert!(warning.code.is_none() && warning.link.unwrap().contains("/cancel-email-change?token="));
    let sent = gateway.next_message("lovelace@example.com").await;
    assert_eq!(sent.link, None);

    let challenge: Challenge = payload.into();
    let wrong = confirm_email(&ada, &challenge, &other_than(&sent.code())).await.expect_problem("CODE_INVALID");
    assert_eq!((&wrong["attemptsLeft"], &wrong["path"]), (&json!(2), &json!(["input", "code"])));
    let user = confirm_email(&ada, &challenge, &sent.code()).await.expect_done()["user"].clone();
    assert_eq!((&user["email"], &user["pendingEmail"]), (&json!("lovelace@example.com"), &Value::Null));
    assert_ne!(user["emailVerifiedAt"], Value::Null);
    assert_eq!(contacts_of(&ada).await["email"], "lovelace@example.com", "the session goes on");
    let (old, new) = (gateway.next_message("ada@example.com").await, gateway.next_message("lovelace@example.com").await);
    assert!(old.link.is_some() && new.link.is_none(), "only the old one can undo it");
    gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().sign_in("lovelace@example.com", PASSWORD).await;
    gateway.next_message("lovelace@example.com").await;
    confirm_email(&ada, &challenge, &sent.code()).await.expect_problem("CODE_INVALID");
}

/// An answer without what differs from one request to the next.
fn likeness(answer: &Answer) -> (u16, Value, Vec<(String, String)>) {
    fn mask(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match name.as_str() {
                        "id" | "value" | "destination" | "email" => *field = json!(field.as_str().map(str::len)),
                        _ => mask(field),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(mask),
            _ => {}
        }
    }
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    let mut body = answer.body.clone();
    mask(&mut body);
    (answer.status, body, headers)
}

// A9: nobody learns from a change who else has an account; the owner is told.
#[tokio::test]
async fn a_taken_address_is_answered_alike_and_its_owner_is_told() {
    let gateway = without_buckets().await;
    member(&gateway, "taken@example.com").await;
    gateway.visitor().sign_up("begun@example.com", PASSWORD).await;
    gateway.next_message("begun@example.com").await;
    let mut seen = Vec::new();
    let mut asked = Vec::new();
    for (number, wanted) in ["fresh@example.com", "taken@example.com", "begun@example.com"].into_iter().enumerate() {
        let mover = member(&gateway, &format!("mover{number}@example.com")).await;
        let change = change_email(&mover, wanted).await;
        let mut answers =
            vec![likeness(&change), likeness(&mover.graphql("{ me { email pendingEmail { value expiresAt } } }", json!({})).await)];
        let challenge: Challenge = change.expect_done().into();
        for _ in 0..4 {
            answers.push(likeness(&confirm_email(&mover, &challenge, "00000x").await));
            answers.push(likeness(&mover.graphql(STATE, json!({"id": challenge.id})).await));
        }
        seen.push(answers);
        let again: Challenge = change_email(&mover, wanted).await.expect_done().into();
        asked.push((mover, again));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    for _ in 0..2 {
        let notice = gateway.next_message("taken@example.com").await;
        assert_eq!((&notice.code, &notice.link), (&None, &None));
        assert!(gateway.next_message("fresh@example.com").await.code.is_some());
    }
    gateway.advance(MINUTE);
    let mut seen = Vec::new();
    for (mover, challenge) in asked {
        let resent = mover.graphql(RESEND, json!({"id": challenge.id})).await;
        seen.push((likeness(&resent), likeness(&mover.graphql(RESEND, json!({"id": challenge.id})).await)));
        resent.expect_done();
        cancel_by_session(&mover).await.expect_done();
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert!(gateway.next_message("fresh@example.com").await.code.is_some());
    assert!(gateway.unread("taken@example.com").await.is_empty(), "the code is sent to nobody");
    gateway.expect_undelivered();
}

const STATE: &str = "query ($id: ID!) { challenge(id: $id) { state attemptsLeft purpose channel expiresAt resendAt } }";
const RESEND: &str = "mutation ($id: ID!) { resendChallenge(input: {challengeId: $id}) { challenge { id state } problems { code } } }";

#[tokio::test]
async fn what_is_no_other_address_is_refused() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    for email in ["", "ada", "a@x.com\r\nBcc: b@x.com"] {
        assert_eq!(change_email(&ada, email).await.expect_problem("EMAIL_INVALID")["path"], json!(["input", "newEmail"]), "{email:?}");
    }
    change_email(&ada, "ADA@example.com").await.expect_problem("INVALID_INPUT");
}

// D12: step-up; E: a change needs a recent proof.
#[tokio::test]
async fn a_change_needs_a_recent_proof() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    gateway.advance(Duration::from_mins(10));
    ada.refresh().await;
    change_email(&ada, "new@example.com").await.expect_error("REAUTHENTICATION_REQUIRED");
    super::change_phone(&ada, "+66812345678").await.expect_error("REAUTHENTICATION_REQUIRED");
    super::remove_phone(&ada).await.expect_error("REAUTHENTICATION_REQUIRED");
}

// B5: a challenge is its owner's, and of its purpose.
#[tokio::test]
async fn a_code_counts_for_its_own_account_alone() {
    let gateway = Gateway::start().await;
    let (ada, eve) = (member(&gateway, "ada@example.com").await, member(&gateway, "eve@example.com").await);
    let challenge: Challenge = change_email(&ada, "new@example.com").await.expect_done().into();
    let code = gateway.next_message("new@example.com").await.code();
    gateway.next_message("ada@example.com").await;
    let problem = confirm_email(&eve, &challenge, &code).await.expect_problem("CODE_INVALID");
    assert_eq!(problem["attemptsLeft"], Value::Null, "it is not counted either");
    super::confirm_phone(&ada, &challenge, &code).await.expect_problem("CODE_INVALID");
    gateway.advance(MINUTE);
    eve.visitor.try_resend(&challenge).await.expect_error("UNAUTHENTICATED");
    let resend = |member: &crate::support::Member| {
        let member = member.clone();
        let id = challenge.id.clone();
        async move { member.graphql(RESEND, json!({"id": id})).await }
    };
    resend(&eve).await.expect_problem("NOT_FOUND");
    resend(&ada).await.expect_done();
    let second = gateway.next_message("new@example.com").await.code();
    if second != code {
        confirm_email(&ada, &challenge, &code).await.expect_problem("CODE_INVALID");
    }
    confirm_email(&ada, &challenge, &second).await.expect_done();
    gateway.next_message("new@example.com").await;
    gateway.next_message("ada@example.com").await;
}

// A14: of two changes the later one counts; a stopped or late one counts no more.
#[tokio::test]
async fn only_the_newest_change_counts_and_only_in_time() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    let first: Challenge = change_email(&ada, "first@example.com").await.expect_done().into();
    let first_code = gateway.next_message("first@example.com").await.code();
    let second: Challenge = change_email(&ada, "second@example.com").await.expect_done().into();
    let second_code = gateway.next_message("second@example.com").await.code();
    confirm_email(&ada, &first, &first_code).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(cancel_by_session(&ada).await.expect_done()["cancelled"], true);
    assert_eq!(contacts_of(&ada).await["pendingEmail"], Value::Null);
    confirm_email(&ada, &second, &second_code).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(cancel_by_session(&ada).await.expect_done()["cancelled"], false, "there is nothing any more");
    let third: Challenge = change_email(&ada, "third@example.com").await.expect_done().into();
    let third_code = gateway.next_message("third@example.com").await.code();
    gateway.advance(Duration::from_mins(10));
    ada.refresh().await;
    confirm_email(&ada, &third, &third_code).await.expect_problem("CODE_EXPIRED");
    assert_eq!(contacts_of(&ada).await["pendingEmail"], Value::Null, "its time is over");
    gateway.visitor().graphql("mutation { cancelEmailChange { cancelled } }", json!({})).await.expect_error("UNAUTHENTICATED");
    for _ in 0..3 {
        let link = gateway.next_message("ada@example.com").await.link_token();
        let refused = cancel_by_link(&gateway.visitor(), &link).await.expect_field()["problems"][0]["code"].clone();
        assert!(refused == "TOKEN_INVALID" || refused == "TOKEN_EXPIRED", "{refused}");
    }
}

// A14: links to an address end with it.
#[tokio::test]
async fn trust_in_devices_ends_with_a_change() {
    use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    let database = gateway.database().await;
    let until = gateway.clock.now() + Duration::from_hours(24);
    let trust = entity::known_devices::Entity::update_many().col_expr(entity::known_devices::Column::TrustedUntil, Expr::value(until));
    assert_eq!(trust.exec(&database).await.unwrap().rows_affected, 1);
    moves_to(&gateway, &ada, "new@example.com").await;
    let trusted = entity::known_devices::Entity::find().filter(entity::known_devices::Column::TrustedUntil.is_not_null());
    assert_eq!(trusted.count(&database).await.unwrap(), 0);
    for _ in 0..2 {
        gateway.next_message("ada@example.com").await;
    }
    gateway.next_message("new@example.com").await;
}
