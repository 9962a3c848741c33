//! What was sent to an address that is the account's no more, and where links lead.

use reqwest::Method;
use serde_json::json;

use super::{PROBLEMS, cancel_by_link, change_email, confirm_email, member, moves_to, verification};
use crate::{
    sign_in_by_code::{SECOND, without_buckets},
    support::{Challenge, Gateway, PASSWORD},
};

const NEW: &str = "another Kettle 48 sundial";

// A14, C2: links and codes to the old address end with the change, all alike.
#[tokio::test]
async fn what_was_sent_to_the_old_address_ends_with_it() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let reset = visitor.request_password_reset("ada@example.com").await;
    let reset_message = gateway.next_message("ada@example.com").await;
    let sign_in = visitor.request_sign_in_code("ada@example.com").await;
    let sign_in_message = gateway.next_message("ada@example.com").await;
    gateway.advance(SECOND);
    moves_to(&gateway, &ada, "new@example.com").await;
    visitor.try_reset_by_link(&reset_message.link_token(), NEW).await.expect_problem("TOKEN_INVALID");
    visitor.try_reset_by_code(&reset, &reset_message.code(), NEW).await.expect_problem("CODE_INVALID");
    visitor.try_sign_in_with_link(&sign_in_message.link_token()).await.expect_problem("TOKEN_INVALID");
    visitor.try_sign_in_with_code(&sign_in, &sign_in_message.code()).await.expect_problem("CODE_INVALID");
    gateway.app_user().sign_in("new@example.com", PASSWORD).await;
}

// A14: the link of an address that was never proved ends with it too.
#[tokio::test]
async fn the_link_of_an_unproved_address_ends_with_it() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    verification::unprove(&gateway.database().await, "ada@example.com").await;
    let challenge: Challenge = verification::request(&ada, "EMAIL").await.expect_done().into();
    let message = gateway.next_message("ada@example.com").await;
    let change: Challenge = change_email(&ada, "new@example.com").await.expect_done().into();
    confirm_email(&ada, &change, &gateway.next_message("new@example.com").await.code()).await.expect_done();
    gateway.visitor().verify_email(&message.link_token(), None).await.expect_problem("TOKEN_INVALID");
    ada.visitor.verify_email(&message.link_token(), None).await.expect_problem("TOKEN_INVALID");
    verification::confirm(&ada, &challenge, &message.code()).await.expect_problem("CODE_INVALID");
    assert_eq!(verification::user(&gateway, &ada.user_id).await.email.as_deref(), Some("new@example.com"));
}

// A14: three links live, and looking at one uses nothing up.
#[tokio::test]
async fn of_four_links_to_verify_the_first_is_over() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    verification::unprove(&gateway.database().await, "ada@example.com").await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        verification::request(&ada, "EMAIL").await.expect_done();
        tokens.push(gateway.next_message("ada@example.com").await.link_token());
        gateway.advance(SECOND);
    }
    ada.visitor.verify_email(&tokens[0], None).await.expect_problem("TOKEN_INVALID");
    ada.visitor.verify_email(&tokens[2], None).await.expect_done();
    for token in &tokens {
        ada.visitor.verify_email(token, None).await.expect_problem("TOKEN_INVALID");
    }
}

// A16: where a link leads comes from the settings alone.
#[tokio::test]
async fn no_header_changes_where_the_links_of_contacts_lead() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    let lies = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "666"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-host", "evil.example"),
    ];
    for (name, value) in lies {
        let query = format!("mutation {{ changeEmail(input: {{newEmail: \"new@example.com\"}}) {{ {PROBLEMS} }} }}");
        let request = ada.visitor.request(Method::POST, "/graphql").bearer_auth(ada.tokens().access);
        let answer = request.header(name, value).json(&json!({ "query": query })).send().await.unwrap();
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
        let message = gateway.next_message("ada@example.com").await;
        let link = url::Url::parse(message.link.as_ref().unwrap()).unwrap();
        assert_eq!((link.origin(), link.path()), (gateway.config.http.public_url.origin(), "/cancel-email-change"), "{name}");
        assert!(!message.text.contains("evil.example"), "{name}");
    }
    gateway.expect_undelivered();
}

// B5: a link is for its own purpose.
#[tokio::test]
async fn no_link_does_what_another_one_is_for() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    visitor.request_password_reset("ada@example.com").await;
    let reset = gateway.next_message("ada@example.com").await.link_token();
    visitor.request_sign_in_code("ada@example.com").await;
    let magic = gateway.next_message("ada@example.com").await.link_token();
    change_email(&ada, "new@example.com").await.expect_done();
    let stop = gateway.next_message("ada@example.com").await.link_token();
    for token in [&reset, &magic] {
        cancel_by_link(&visitor, token).await.expect_problem("TOKEN_INVALID");
    }
    visitor.try_reset_by_link(&stop, NEW).await.expect_problem("TOKEN_INVALID");
    visitor.try_sign_in_with_link(&stop).await.expect_problem("TOKEN_INVALID");
    visitor.verify_email(&stop, None).await.expect_problem("TOKEN_INVALID");
    visitor.try_unlock(&stop).await.expect_problem("TOKEN_INVALID");
    visitor.try_disown(&stop).await.expect_problem("TOKEN_INVALID");
    assert_eq!(cancel_by_link(&visitor, &stop).await.expect_done()["cancelled"], true);
    gateway.expect_undelivered();
}
