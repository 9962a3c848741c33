//! Contacts that an account has but never proved: imported, or given by an administrator.

use std::time::Duration;

use entity::users;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};

use super::{PROBLEMS, change_email, confirm_email, member, moves_to, other_than};
use crate::support::{Answer, Challenge, Gateway, Member, PASSWORD};

pub(super) async fn request(member: &Member, channel: &str) -> Answer {
    let query = format!(
        "mutation ($input: RequestContactVerificationInput!) {{ requestContactVerification(input: $input) {{
            challenge {{ id state purpose channel resendAt }} {PROBLEMS} }} }}"
    );
    member.graphql(&query, json!({"input": {"channel": channel}})).await
}

pub(super) async fn confirm(member: &Member, challenge: &Challenge, code: &str) -> Answer {
    let query = format!(
        "mutation ($input: ConfirmContactInput!) {{ confirmContact(input: $input) {{ user {{ emailVerifiedAt phoneVerifiedAt }} {PROBLEMS} }} }}"
    );
    member.graphql(&query, json!({"input": {"challengeId": challenge.id, "code": code}})).await
}

/// Makes an address of somebody one that was never proved, as an import does.
pub(super) async fn unprove(database: &DatabaseConnection, email: &str) {
    let unproved = users::Entity::update_many()
        .col_expr(users::Column::EmailVerifiedAt, Expr::value(Option::<entity::Timestamp>::None))
        .filter(users::Column::Email.eq(email));
    assert_eq!(unproved.exec(database).await.unwrap().rows_affected, 1);
}

pub(super) async fn user(gateway: &Gateway, id: &str) -> users::Model {
    users::Entity::find_by_id(id.parse::<uuid::Uuid>().unwrap()).one(&gateway.database().await).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_own_session_proves_a_contact_by_its_code() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    request(&ada, "EMAIL").await.expect_problem("NOT_FOUND");
    request(&ada, "SMS").await.expect_problem("NOT_FOUND");
    unprove(&gateway.database().await, "ada@example.com").await;
    let payload = request(&ada, "EMAIL").await.expect_done();
    assert_eq!(payload["challenge"]["purpose"], "CONTACT_VERIFICATION");
    let challenge: Challenge = payload.into();
    let sent = gateway.next_message("ada@example.com").await;
    assert!(sent.link.as_ref().unwrap().contains("/verify-email?token="));
    confirm(&ada, &challenge, &other_than(&sent.code())).await.expect_problem("CODE_INVALID");
    let proved = confirm(&ada, &challenge, &sent.code()).await.expect_done();
    assert_ne!(proved["user"]["emailVerifiedAt"], Value::Null);
    confirm(&ada, &challenge, &sent.code()).await.expect_problem("CODE_INVALID");
    // A14: the link of the same message is used up too.
    gateway.visitor().verify_email(&sent.link_token(), None).await.expect_problem("TOKEN_INVALID");
    assert!(user(&gateway, &ada.user_id).await.password_hash.is_some(), "it wipes nothing");
}

// A14: in the browser that asked, the link does the same; elsewhere the account could be anybody's, waiting for the address' owner.
#[tokio::test]
async fn the_link_keeps_what_is_there_only_where_it_was_asked_for() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    let database = gateway.database().await;
    unprove(&database, "ada@example.com").await;
    request(&ada, "EMAIL").await.expect_done();
    let token = gateway.next_message("ada@example.com").await.link_token();
    let payload = ada.visitor.verify_email(&token, None).await.expect_done();
    assert_eq!((&payload["email"], &payload["passwordKept"]), (&json!("ada@example.com"), &json!(true)));

    unprove(&database, "ada@example.com").await;
    request(&ada, "EMAIL").await.expect_done();
    let token = gateway.next_message("ada@example.com").await.link_token();
    gateway.visitor().verify_email(&token, Some("wrong-Password 12 xyz")).await.expect_problem("CREDENTIALS_INVALID");
    let payload = gateway.visitor().verify_email(&token, Some(PASSWORD)).await.expect_done();
    assert_eq!(payload["passwordKept"], true);

    unprove(&database, "ada@example.com").await;
    request(&ada, "EMAIL").await.expect_done();
    let token = gateway.next_message("ada@example.com").await.link_token();
    let payload = gateway.visitor().verify_email(&token, None).await.expect_done();
    assert_eq!(payload["passwordKept"], false);
    ada.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().verify_email(&token, None).await.expect_problem("TOKEN_INVALID");
}

// A9, A12: one that somebody else has proved is a decoy.
#[tokio::test]
async fn a_contact_that_another_account_proved_is_a_decoy() {
    let gateway = Gateway::start().await;
    let (ada, eve) = (member(&gateway, "ada@example.com").await, member(&gateway, "eve@example.com").await);
    let database = gateway.database().await;
    unprove(&database, "eve@example.com").await;
    let same = users::Entity::update_many()
        .col_expr(users::Column::Email, Expr::value("ada@example.com"))
        .filter(users::Column::Email.eq("eve@example.com"));
    same.exec(&database).await.unwrap();
    let challenge: Challenge = request(&eve, "EMAIL").await.expect_done().into();
    let notice = gateway.next_message("ada@example.com").await;
    assert_eq!((&notice.code, &notice.link), (&None, &None));
    for _ in 0..3 {
        confirm(&eve, &challenge, "123456").await.expect_problem("CODE_INVALID");
    }
    assert!(user(&gateway, &ada.user_id).await.email_verified_at.is_some());
}

// The rule for contacts that nobody proved: their holders lose them to whoever does; who has proved nothing else loses everything.
#[tokio::test]
async fn who_never_proved_a_contact_loses_it_to_who_does() {
    let gateway = Gateway::start().await;
    let database = gateway.database().await;
    let squatter = member(&gateway, "first@example.com").await;
    let holder = member(&gateway, "second@example.com").await;
    let ada = member(&gateway, "ada@example.com").await;
    let shared = "shared@example.com";
    for (email, phone) in [("first@example.com", None), ("second@example.com", Some("+66812345678"))] {
        let set = users::Entity::update_many()
            .col_expr(users::Column::Email, Expr::value(shared))
            .col_expr(users::Column::EmailVerifiedAt, Expr::value(Option::<entity::Timestamp>::None))
            .col_expr(users::Column::Phone, Expr::value(phone))
            .col_expr(users::Column::PhoneVerifiedAt, Expr::value(phone.map(|_| gateway.clock.now())))
            .filter(users::Column::Email.eq(email));
        assert_eq!(set.exec(&database).await.unwrap().rows_affected, 1);
    }
    moves_to(&gateway, &ada, shared).await;
    gateway.next_message(shared).await;
    for _ in 0..2 {
        gateway.next_message("ada@example.com").await;
    }
    let (wiped, lost) = (user(&gateway, &squatter.user_id).await, user(&gateway, &holder.user_id).await);
    assert_eq!((wiped.email, wiped.password_hash), (None, None));
    assert_eq!(lost.email, None);
    assert!(lost.password_hash.is_some());
    squatter.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    assert_eq!(holder.me().await["email"], Value::Null);
    gateway.visitor().try_sign_in(shared, "anything at all").await.expect_problem("CREDENTIALS_INVALID");
}

// B8: what an account sends is counted for the account, whatever strangers did to the contact.
#[tokio::test]
async fn an_account_sends_five_codes_an_hour() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    for round in 0..5 {
        change_email(&ada, &format!("new{round}@example.com")).await.expect_done();
    }
    change_email(&ada, "another@example.com").await.expect_error("RATE_LIMITED");
    gateway.expect_undelivered();
}

// B2, B6: guesses are counted for the session, and no stranger can spend them.
#[tokio::test]
async fn strangers_cannot_spend_the_guesses_of_a_session() {
    let gateway = Gateway::start_with(|config| {
        config.codes.wrong_budget = 2;
        config.rate_limits.enabled = false;
    })
    .await;
    let ada = member(&gateway, "ada@example.com").await;
    let stranger = gateway.visitor();
    let theirs = stranger.sign_up("new@example.com", PASSWORD).await;
    let code = gateway.next_message("new@example.com").await.code();
    for _ in 0..2 {
        stranger.try_confirm(&theirs, &other_than(&code)).await.expect_problem("CODE_INVALID");
    }
    stranger.try_confirm(&theirs, &code).await.expect_problem("TOO_MANY_ATTEMPTS");
    let challenge: Challenge = change_email(&ada, "new@example.com").await.expect_done().into();
    let code = gateway.next_message("new@example.com").await.code();
    confirm_email(&ada, &challenge, &other_than(&code)).await.expect_problem("CODE_INVALID");
    confirm_email(&ada, &challenge, &code).await.expect_done();
    for to in ["new@example.com", "ada@example.com", "ada@example.com"] {
        gateway.next_message(to).await;
    }
    gateway.advance(Duration::from_secs(1));
}

// A13: who signs up and proves an address takes it from an account that was given it, and from whoever waits in there.
#[tokio::test]
async fn a_sign_up_takes_an_address_that_nobody_proved() {
    let gateway = Gateway::start().await;
    let database = gateway.database().await;
    let squatter = member(&gateway, "first@example.com").await;
    let set = users::Entity::update_many()
        .col_expr(users::Column::Email, Expr::value("ada@example.com"))
        .col_expr(users::Column::EmailVerifiedAt, Expr::value(Option::<entity::Timestamp>::None));
    assert_eq!(set.exec(&database).await.unwrap().rows_affected, 1);
    let ada = member(&gateway, "ada@example.com").await;
    assert_ne!(ada.user_id, squatter.user_id);
    let wiped = user(&gateway, &squatter.user_id).await;
    assert_eq!((wiped.email, wiped.password_hash), (None, None));
    squatter.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    squatter.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    assert_eq!(gateway.app_user().sign_in("ada@example.com", PASSWORD).await.user_id, ada.user_id);
    gateway.next_message("ada@example.com").await;
}

// B2: a new session, a new challenge and another contact give no new guesses.
#[tokio::test]
async fn wrong_codes_of_one_account_are_counted_together() {
    let gateway = Gateway::start_with(|config| {
        config.codes.wrong_budget = 5;
        config.rate_limits.enabled = false;
    })
    .await;
    let first = member(&gateway, "ada@example.com").await;
    let second = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    for (session, address, guesses) in [(&first, "one@example.com", 3), (&second, "two@example.com", 2)] {
        let challenge: Challenge = change_email(session, address).await.expect_done().into();
        gateway.next_message(address).await;
        for _ in 0..guesses {
            confirm_email(session, &challenge, "00000x").await.expect_problem("CODE_INVALID");
        }
    }
    let challenge: Challenge = change_email(&second, "three@example.com").await.expect_done().into();
    let code = gateway.next_message("three@example.com").await.code();
    confirm_email(&second, &challenge, &code).await.expect_problem("TOO_MANY_ATTEMPTS");
    gateway.expect_undelivered();
}
