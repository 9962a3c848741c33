//! Inputs that nobody means well with, and accounts that may not be used.

use entity::users;
use serde_json::{Value, json};

use super::{
    PROBLEMS, cancel_by_link, cancel_by_session, change_email, change_phone, confirm_email, confirm_phone, contacts_of, member, moves_to,
    remove_phone, verification,
};
use crate::{
    sign_in_by_code::{set_status, without_buckets},
    support::{Challenge, Gateway, PASSWORD},
};

// A11, B7: what is no contact is refused as such, whatever it is.
#[tokio::test]
async fn what_is_no_contact_is_refused() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    let long = format!("{}@example.com", "a".repeat(65));
    let longer = format!("a@{}example.com", "b.".repeat(20_000));
    for email in [
        "",
        " ",
        "@",
        "ada",
        "a@",
        "@example.com",
        "a@b@example.com",
        "a,b@example.com",
        "a@example.com,b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a\u{0}@example.com",
        "a@example.com\u{0}",
        "\u{202e}a@example.com",
        "a@exa mple.com",
        "<a@example.com>",
        "\"a b\"@example.com",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
        "\u{1f600}@example.com",
        &long,
        &longer,
    ] {
        let problem = change_email(&ada, email).await.expect_problem("EMAIL_INVALID");
        assert_eq!(problem["path"], json!(["input", "newEmail"]), "{email:?}");
    }
    let long = "1".repeat(40_000);
    for phone in [
        "",
        " ",
        "+",
        "12",
        "+1",
        "081",
        ".;phone-context=",
        "+dwPAA;phone-context=AA",
        "+66812345678;ext=1",
        "\u{0}",
        "+6681234\u{0}5678",
        "+๖๖๘๑๒๓๔๕๖๗๘",
        &long,
    ] {
        let problem = change_phone(&ada, phone).await.expect_problem("PHONE_INVALID");
        assert_eq!(problem["path"], json!(["input", "newPhone"]), "{phone:?}");
    }
    assert_eq!(contacts_of(&ada).await, json!({"email": "ada@example.com", "phone": null, "pendingEmail": null, "pendingPhone": null}));
}

// A11: spellings of one address are one, for the account itself and for everybody else.
#[tokio::test]
async fn spellings_of_an_address_are_one() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    for own in ["ada@example.com", "ADA@Example.COM", "  ada@example.com ", "\u{ff41}da@example.com", "ada@example\u{3002}com"] {
        let problem = change_email(&ada, own).await.expect_problem("INVALID_INPUT");
        assert_eq!(problem["path"], json!(["input", "newEmail"]), "{own:?}");
    }
    moves_to(&gateway, &ada, "ada@xn--mnchen-3ya.example").await;
    assert_eq!(contacts_of(&ada).await["email"], "ada@xn--mnchen-3ya.example");
    gateway.next_message("ada@xn--mnchen-3ya.example").await;
    let eve = member(&gateway, "eve@example.com").await;
    for taken in ["ada@XN--MNCHEN-3YA.example", "Ada@m\u{fc}nchen.example", "ada@mu\u{308}nchen.example"] {
        let payload = change_email(&eve, taken).await.expect_done();
        assert_eq!(payload["user"]["pendingEmail"]["value"], "ada@xn--mnchen-3ya.example", "{taken:?}");
        let notice = gateway.next_message("ada@xn--mnchen-3ya.example").await;
        assert_eq!((notice.code, notice.link), (None, None), "{taken:?}");
    }
    gateway.expect_undelivered();
}

// B7: a number without its country is one of the deployment's.
#[tokio::test]
async fn a_national_number_is_one_of_the_deployments_country() {
    let gateway = Gateway::start_with(|config| config.phones.default_country = Some("TH".to_owned())).await;
    let ada = member(&gateway, "ada@example.com").await;
    let payload = change_phone(&ada, "081-234 5678").await.expect_done();
    assert_eq!(payload["user"]["pendingPhone"]["value"], "+66812345678");
    let challenge: Challenge = payload.into();
    let code = gateway.next_message("+66812345678").await.code();
    assert_eq!(confirm_phone(&ada, &challenge, &code).await.expect_done()["user"]["phone"], "+66812345678");
    change_phone(&ada, "+66 (0)81 234 5678").await.expect_problem("INVALID_INPUT");
    let eve = member(&gateway, "eve@example.com").await;
    change_phone(&eve, "0812345678").await.expect_done();
    gateway.next_message("+66812345678").await;
    assert_eq!(gateway.next_message("+66812345678").await.code, None, "its owner is told");
    gateway.expect_undelivered();
}

#[tokio::test]
async fn bad_ids_codes_and_tokens_are_refused_and_cost_nothing() {
    let gateway = without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    let challenge: Challenge = change_email(&ada, "new@example.com").await.expect_done().into();
    let code = gateway.next_message("new@example.com").await.code();
    let huge = "9".repeat(50_000);
    for id in ["", "x", "\u{0}", "00000000-0000-0000-0000-000000000000", "\u{1f600}", &huge] {
        let wrong = Challenge { id: id.to_owned(), fields: Value::Null };
        for answer in [
            confirm_email(&ada, &wrong, &code).await,
            confirm_phone(&ada, &wrong, &code).await,
            verification::confirm(&ada, &wrong, &code).await,
        ] {
            assert_eq!(answer.expect_problem("CODE_INVALID")["attemptsLeft"], Value::Null, "{id:?}");
        }
        cancel_by_link(&gateway.visitor(), id).await.expect_problem("TOKEN_INVALID");
    }
    for wrong in [huge.as_str(), "\u{0}"] {
        confirm_email(&ada, &challenge, wrong).await.expect_problem("CODE_INVALID");
    }
    confirm_email(&ada, &challenge, &format!(" {code} ")).await.expect_done();
    gateway.expect_undelivered();
}

// The same address twice: the newer code counts, the older one is over.
#[tokio::test]
async fn an_address_that_is_asked_for_twice_has_one_code() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    let first: Challenge = change_email(&ada, "new@example.com").await.expect_done().into();
    let first_code = gateway.next_message("new@example.com").await.code();
    let second: Challenge = change_email(&ada, "new@example.com").await.expect_done().into();
    let second_code = gateway.next_message("new@example.com").await.code();
    confirm_email(&ada, &first, &first_code).await.expect_problem("TOO_MANY_ATTEMPTS");
    confirm_email(&ada, &second, &second_code).await.expect_done();
    change_email(&ada, "new@example.com").await.expect_problem("INVALID_INPUT");
    gateway.expect_undelivered();
}

// C17: who may not use an account changes nothing of it; its old address can still take it back, and gets no way in.
#[tokio::test]
async fn a_suspended_account_changes_no_contact() {
    let gateway = without_buckets().await;
    let database = gateway.database().await;
    let ada = member(&gateway, "ada@example.com").await;
    moves_to(&gateway, &ada, "new@example.com").await;
    let undo = gateway.next_message("ada@example.com").await.link_token();
    for to in ["ada@example.com", "new@example.com"] {
        gateway.next_message(to).await;
    }
    let waiting: Challenge = change_email(&ada, "third@example.com").await.expect_done().into();
    let code = gateway.next_message("third@example.com").await.code();
    gateway.next_message("new@example.com").await;
    let bob = member(&gateway, "bob@example.com").await;
    verification::unprove(&database, "bob@example.com").await;
    verification::request(&bob, "EMAIL").await.expect_done();
    let verify = gateway.next_message("bob@example.com").await.link_token();

    set_status(&gateway, &ada, users::Status::Suspended).await;
    set_status(&gateway, &bob, users::Status::Banned).await;
    confirm_email(&ada, &waiting, &code).await.expect_error("UNAUTHENTICATED");
    change_email(&ada, "fourth@example.com").await.expect_error("UNAUTHENTICATED");
    change_phone(&ada, "+66812345678").await.expect_error("UNAUTHENTICATED");
    remove_phone(&ada).await.expect_error("UNAUTHENTICATED");
    cancel_by_session(&ada).await.expect_error("UNAUTHENTICATED");
    bob.visitor.verify_email(&verify, None).await.expect_problem("TOKEN_INVALID");
    bob.visitor.verify_email(&verify, Some(PASSWORD)).await.expect_problem("TOKEN_INVALID");

    assert_eq!(cancel_by_link(&gateway.visitor(), &undo).await.expect_done()["cancelled"], true);
    let user = verification::user(&gateway, &ada.user_id).await;
    assert_eq!((user.email.as_deref(), user.status), (Some("ada@example.com"), users::Status::Suspended));
    gateway.next_message("new@example.com").await;
    assert!(gateway.unread("ada@example.com").await.is_empty(), "no reset");
}

#[tokio::test]
async fn a_token_of_null_is_none() {
    let gateway = Gateway::start().await;
    let query = format!("mutation {{ cancelEmailChange(input: {{token: null}}) {{ cancelled {PROBLEMS} }} }}");
    gateway.visitor().graphql(&query, json!({})).await.expect_error("UNAUTHENTICATED");
    let ada = member(&gateway, "ada@example.com").await;
    assert_eq!(ada.graphql(&query, json!({})).await.expect_done()["cancelled"], false);
}
