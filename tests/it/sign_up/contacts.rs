//! Contacts as they are typed, and what is answered about those that are taken.

use entity::pending_sign_ups;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use super::{HOUR, MINUTE, other_than, state_of};
use crate::support::{Answer, Challenge, Gateway, PASSWORD};

/// An answer without what differs from one request to the next.
fn likeness(answer: &Answer) -> (u16, Value, Vec<(String, String)>) {
    let mut body = answer.body.clone();
    if let Some(id) = body.pointer_mut("/data/signUp/challenge/id") {
        *id = json!("id");
    }
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "set-cookie", "x-request-id"].contains(&name.as_str()));
    let cookies = answer.headers.get_all("set-cookie").iter().map(|line| {
        let line = line.to_str().unwrap();
        ("set-cookie".to_owned(), format!("{}{}", line.split('=').next().unwrap(), line.split_once(';').map_or("", |(_, rest)| rest)))
    });
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).chain(cookies).collect();
    headers.sort();
    (answer.status, body, headers)
}

// B7: also what once made parsers panic.
#[tokio::test]
async fn what_is_no_phone_number_is_refused() {
    let gateway = Gateway::start().await;
    for phone in [".;phone-context=", "+dwPAA;phone-context=AA", "+1", "081", "+66812345678;ext=1", "", "+999999999999999999999", "\u{0}"] {
        let answer = gateway.visitor().try_sign_up(json!({"contact": {"phone": phone}})).await;
        assert_eq!(answer.expect_problem("PHONE_INVALID")["path"], json!(["input", "contact", "phone"]), "{phone}");
    }
    for contact in [json!({}), json!({"email": "a@example.com", "phone": "+66812345678"}), json!({"email": null})] {
        gateway.visitor().try_sign_up(json!({"contact": contact})).await.expect_error("BAD_REQUEST");
    }
}

// A9: nobody learns from sign-up who has an account.
#[tokio::test]
async fn a_registered_contact_is_answered_alike_and_its_owner_is_told() {
    let gateway = Gateway::start().await;
    gateway.visitor().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;

    let (stranger, newcomer) = (gateway.visitor(), gateway.visitor());
    let known = stranger.try_sign_up(json!({"contact": {"email": "ada@example.com"}, "password": PASSWORD})).await;
    let unknown = newcomer.try_sign_up(json!({"contact": {"email": "abe@example.com"}, "password": PASSWORD})).await;
    assert_eq!(likeness(&known), likeness(&unknown));
    let notice = gateway.next_message("ada@example.com").await;
    assert_eq!((&notice.code, &notice.link), (&None, &None), "{notice:?}");

    // No code is ever right, and the wrong ones are answered alike.
    let real = gateway.next_message("abe@example.com").await;
    let (known, unknown): (Challenge, Challenge) = (known.expect_done().into(), unknown.expect_done().into());
    for left in [2, 1, 0] {
        let wrong = other_than(&real.code());
        let decoy = stranger.try_confirm(&known, &wrong).await;
        let genuine = newcomer.try_confirm(&unknown, &wrong).await;
        assert_eq!(likeness(&decoy), likeness(&genuine));
        assert_eq!(decoy.expect_problem("CODE_INVALID")["attemptsLeft"], left);
    }
    assert_eq!(state_of(&stranger, &known).await, state_of(&newcomer, &unknown).await);
    assert_eq!(likeness(&stranger.try_confirm(&known, "000000").await), likeness(&newcomer.try_confirm(&unknown, &real.code()).await));

    // Sent again, it is answered alike too, and nothing comes.
    gateway.advance(HOUR);
    let known: Challenge = stranger.sign_up("ada@example.com", PASSWORD).await;
    let unknown: Challenge = newcomer.sign_up("abe@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    gateway.next_message("abe@example.com").await;
    gateway.advance(MINUTE);
    let known = stranger.try_resend(&known).await.expect_done();
    let unknown = newcomer.try_resend(&unknown).await.expect_done();
    assert_eq!(known["challenge"]["resendAt"], unknown["challenge"]["resendAt"]);
    gateway.next_message("abe@example.com").await;
    assert!(gateway.unread("ada@example.com").await.is_empty());
}

// A11
#[tokio::test]
async fn an_address_is_one_however_it_is_written() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("  Ada@EXAMPLE.com ", PASSWORD).await;
    let member = visitor.confirm(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
    assert_eq!(member.me().await["email"], "ada@example.com");
    gateway.next_message("ada@example.com").await;
    gateway.visitor().sign_up("ADA@example.com", PASSWORD).await;
    assert_eq!(gateway.next_message("ada@example.com").await.code, None, "it is taken");
    for email in
        ["", "ada", "@example.com", "ada@", "a@b@c", "a@x.com\r\nBcc: b@x.com", "a@x.com,b@x.com", "a b@x.com", "<a@x.com>", "a@-x.com"]
    {
        let answer = gateway.visitor().try_sign_up(json!({"contact": {"email": email}})).await;
        assert_eq!(answer.expect_problem("EMAIL_INVALID")["path"], json!(["input", "contact", "email"]), "{email}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let gateway = Gateway::start().await;
    let input =
        json!({"contact": {"email": "ada"}, "password": "short", "username": "1", "profile": {"locale": "???", "displayName": "x\u{0}y"}});
    let payload = gateway.visitor().try_sign_up(input).await.expect_field();
    assert_eq!(payload["challenge"], Value::Null);
    let codes: Vec<_> = payload["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    assert!(codes.starts_with(&["EMAIL_INVALID", "PASSWORD_TOO_SHORT", "USERNAME_INVALID", "INVALID_INPUT"]), "{codes:?}");
    // Fields that are nobody's to set do not exist.
    for extra in [json!({"role": "ADMIN"}), json!({"emailVerifiedAt": "2026-01-01T00:00:00Z"}), json!({"id": "1"})] {
        let mut input = json!({"contact": {"email": "ada@example.com"}});
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        gateway.visitor().try_sign_up(input).await.expect_error("BAD_REQUEST");
    }
    assert_eq!(pending_sign_ups::Entity::find().count(&gateway.database().await).await.unwrap(), 0);
}
