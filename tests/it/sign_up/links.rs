//! The link that proves an address, here or on another device.

use std::time::Duration;

use entity::pending_sign_ups;
use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use super::{HOUR, MINUTE, state_of};
use crate::support::{Challenge, Gateway, PASSWORD};

#[tokio::test]
async fn the_link_keeps_the_password_in_the_browser_that_began() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let message = gateway.next_message("ada@example.com").await;
    // A15: looking uses nothing up.
    let link = url::Url::parse(message.link.as_ref().unwrap()).unwrap();
    for method in [Method::HEAD, Method::GET, Method::HEAD, Method::GET] {
        visitor.request(method, &format!("{}?{}", link.path(), link.query().unwrap())).send().await.unwrap();
    }
    let verified = visitor.verify_email(&message.link_token(), None).await.expect_done();
    assert_eq!(
        verified,
        json!({"email": "ada@example.com", "verifiedAt": "2026-11-20T12:00:00.000Z", "passwordKept": true, "problems": []})
    );
    let me = visitor.graphql("{ me { id } }", json!({})).await.expect_field();
    assert_eq!(me, Value::Null, "a link signs nobody in");
    assert_eq!(state_of(&visitor, &challenge).await["state"], "DONE", "a waiting tab sees it");
    visitor.try_confirm(&challenge, &message.code()).await.expect_problem("CODE_INVALID");
    visitor.verify_email(&message.link_token(), None).await.expect_problem("TOKEN_INVALID");
    visitor.sign_in("ada@example.com", PASSWORD).await;
}

// A13: whoever set the password may not be who owns the address.
#[tokio::test]
async fn on_another_device_the_link_asks_for_the_password() {
    let gateway = Gateway::start().await;
    let (here, elsewhere) = (gateway.visitor(), gateway.visitor());
    here.sign_up("ada@example.com", PASSWORD).await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    let wrong = elsewhere.verify_email(&token, Some("not the password")).await;
    wrong.expect_problem("CREDENTIALS_INVALID");
    let kept = elsewhere.verify_email(&token, Some(PASSWORD)).await.expect_done();
    assert_eq!(kept["passwordKept"], true);
    here.sign_in("ada@example.com", PASSWORD).await;

    here.sign_up("eve@example.com", PASSWORD).await;
    let token = gateway.next_message("eve@example.com").await.link_token();
    let dropped = elsewhere.verify_email(&token, None).await.expect_done();
    assert_eq!(dropped["passwordKept"], false);
    here.try_sign_in("eve@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
}

// C8: guesses at the page behind a link are counted like sign-ins.
#[tokio::test]
async fn guesses_behind_a_link_lock() {
    let gateway = Gateway::start().await;
    let (here, elsewhere) = (gateway.visitor(), gateway.visitor());
    here.sign_up("ada@example.com", PASSWORD).await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    for _ in 0..5 {
        elsewhere.verify_email(&token, Some("not the password")).await.expect_problem("CREDENTIALS_INVALID");
    }
    let locked = elsewhere.verify_email(&token, Some(PASSWORD)).await.expect_problem("ACCOUNT_LOCKED");
    assert_eq!(locked["retryAfterSeconds"], 900);
    gateway.advance(15 * MINUTE);
    elsewhere.verify_email(&token, Some(PASSWORD)).await.expect_done();
}

// A14
#[tokio::test]
async fn a_link_ends_after_a_day_and_only_three_are_live() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let mut tokens = Vec::new();
    for _ in 0..4 {
        visitor.sign_up("ada@example.com", PASSWORD).await;
        tokens.push(gateway.next_message("ada@example.com").await.link_token());
        gateway.advance(Duration::from_secs(1));
    }
    visitor.verify_email(&tokens[0], None).await.expect_problem("TOKEN_INVALID");
    let database = gateway.database().await;
    assert_eq!(pending_sign_ups::Entity::find().count(&database).await.unwrap(), 3);
    visitor.verify_email(&tokens[2], None).await.expect_done();
    for token in &tokens {
        visitor.verify_email(token, None).await.expect_problem("TOKEN_INVALID");
    }

    visitor.sign_up("late@example.com", PASSWORD).await;
    let late = gateway.next_message("late@example.com").await.link_token();
    gateway.advance(24 * HOUR);
    visitor.verify_email(&late, None).await.expect_problem("TOKEN_EXPIRED");
    for garbage in ["", "x", &late[1..], &format!("{late}A"), &late.to_uppercase(), "../../etc/passwd", &"A".repeat(43)] {
        visitor.verify_email(garbage, None).await.expect_problem("TOKEN_INVALID");
    }
}

#[tokio::test]
async fn a_taken_username_does_not_use_up_the_link() {
    let gateway = Gateway::start().await;
    let (first, second) = (gateway.visitor(), gateway.visitor());
    let input = |email: &str| json!({"contact": {"email": email}, "password": PASSWORD, "username": "ada"});
    let earlier: Challenge = first.try_sign_up(input("ada@example.com")).await.expect_done().into();
    second.try_sign_up(input("eve@example.com")).await.expect_done();
    first.confirm(&earlier, &gateway.next_message("ada@example.com").await.code()).await;
    let token = gateway.next_message("eve@example.com").await.link_token();
    second.verify_email(&token, None).await.expect_problem("USERNAME_TAKEN");
    let query = "mutation ($input: VerifyEmailInput!) { verifyEmail(input: $input) { passwordKept problems { code } } }";
    second.graphql(query, json!({"input": {"token": token, "username": "ada"}})).await.expect_problem("USERNAME_TAKEN");
    second.graphql(query, json!({"input": {"token": token, "username": "!"}})).await.expect_problem("USERNAME_INVALID");
    second.graphql(query, json!({"input": {"token": token, "username": "eve"}})).await.expect_done();
    second.sign_in("eve", PASSWORD).await;
}

// A16: where a link leads comes from the settings alone, whatever a request says of itself.
#[tokio::test]
async fn no_header_changes_where_a_link_leads() {
    let gateway = Gateway::start().await;
    let lies = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "666"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-host", "evil.example"),
    ];
    for (number, (name, value)) in lies.into_iter().enumerate() {
        let email = format!("a{number}@example.com");
        let query = "mutation ($email: String!) { signUp(input: {contact: {email: $email}}) { challenge { id } problems { code } } }";
        let body = json!({ "query": query, "variables": { "email": email } });
        let request = gateway.visitor().request(Method::POST, "/graphql").header(name, value).json(&body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
        let message = gateway.next_message(&email).await;
        let link = url::Url::parse(message.link.as_ref().unwrap()).unwrap();
        assert_eq!(link.origin(), gateway.config.http.public_url.origin(), "{name}");
        assert!(!message.text.contains("evil.example"), "{name}");
    }
}
