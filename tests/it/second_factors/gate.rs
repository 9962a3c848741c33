//! One gate for the second step: after every first factor, and nothing behind it before.

use serde_json::{Value, json};

use super::{MINUTE, Protected, protected, totp, without_buckets};
use crate::{
    pages::browser::Browser,
    support::{AuthenticatorApp, Challenge, Gateway, PASSWORD, login_token},
};

// B13: password, code, link; and a reset takes no factor away.
#[tokio::test]
async fn every_first_factor_is_asked_for_the_second() {
    let gateway = without_buckets().await;
    let Protected { app, .. } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let mut tokens = vec![visitor.first_factor("ada@example.com", PASSWORD).await];
    let challenge = visitor.request_sign_in_code("ada@example.com").await;
    let code = gateway.next_message("ada@example.com").await.code();
    tokens.push(login_token(&visitor.try_sign_in_with_code(&challenge, &code).await));
    gateway.advance(MINUTE);
    visitor.request_sign_in_code("ada@example.com").await;
    let link = gateway.next_message("ada@example.com").await.link_token();
    tokens.push(login_token(&visitor.try_sign_in_with_link(&link).await));
    // What proved the contact is used up by the first step.
    visitor.try_sign_in_with_link(&link).await.expect_problem("TOKEN_INVALID");
    visitor.try_sign_in_with_code(&challenge, &code).await.expect_problem("CODE_INVALID");
    assert!(visitor.cookies().header().is_none_or(|cookies| !cookies.contains("access")), "no session yet");
    for (token, method) in tokens.iter().zip(["PASSWORD", "EMAIL_CODE", "MAGIC_LINK"]) {
        let member = visitor.second_factor(token, totp(&app.code(&gateway.clock))).await;
        let session = member.graphql("{ currentSession { loginMethod secondFactor } }", json!({})).await.expect_field();
        assert_eq!(session, json!({"loginMethod": method, "secondFactor": "TOTP"}));
        AuthenticatorApp::wait(&gateway.clock);
    }
    let stranger = gateway.visitor();
    let challenge = stranger.request_password_reset("ada@example.com").await;
    gateway.read_all("ada@example.com").await;
    let message = gateway.inbox("ada@example.com").await.into_iter().find(|message| message.code.is_some()).unwrap();
    stranger.try_reset_by_code(&challenge, &message.code(), "another Kettle 48 sundial").await.expect_done();
    let token = stranger.first_factor("ada@example.com", "another Kettle 48 sundial").await;
    stranger.second_factor(&token, totp(&app.code(&gateway.clock))).await;
    gateway.read_all("ada@example.com").await;
}

// B14: nothing but the second step answers to a login token.
#[tokio::test]
async fn a_login_token_opens_nothing_else() {
    let gateway = without_buckets().await;
    protected(&gateway, "ada@example.com").await;
    let visitor = gateway.app_user();
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    visitor.graphql_with("{ me { id } }", json!({}), Some(&token)).await.expect_error("UNAUTHENTICATED");
    visitor.graphql_with("{ currentSession { id } }", json!({}), Some(&token)).await.expect_error("UNAUTHENTICATED");
    visitor.try_refresh(Some(&token)).await.expect_problem("REFRESH_TOKEN_INVALID");
    visitor.verify_email(&token, None).await.expect_problem("TOKEN_INVALID");
    visitor.try_sign_in_with_link(&token).await.expect_problem("TOKEN_INVALID");
    visitor.try_reset_by_link(&token, "another Kettle 48 sundial").await.expect_problem("TOKEN_INVALID");
    visitor.try_unlock(&token).await.expect_problem("TOKEN_INVALID");
    visitor.try_disown(&token).await.expect_problem("TOKEN_INVALID");
    let answer = visitor.graphql_with("mutation { signOut { sessionId problems { code } } }", json!({}), Some(&token)).await;
    assert_eq!(answer.expect_done()["sessionId"], Value::Null);
    // And what opens other things is no login token.
    for other in ["", "x", &"A".repeat(43), &token[..42]] {
        visitor.try_second_factor(other, totp("123456")).await.expect_problem("TOKEN_INVALID");
    }
}

#[tokio::test]
async fn a_login_token_lives_for_five_minutes_and_dies_with_the_password() {
    let gateway = without_buckets().await;
    let Protected { member, app, .. } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    gateway.advance(5 * MINUTE);
    visitor.try_second_factor(&token, totp(&app.code(&gateway.clock))).await.expect_problem("TOKEN_INVALID");
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    gateway.advance(std::time::Duration::from_millis(5));
    member.try_change_password(PASSWORD, "another Kettle 48 sundial").await.expect_done();
    visitor.try_second_factor(&token, totp(&app.code(&gateway.clock))).await.expect_problem("TOKEN_INVALID");
    gateway.read_all("ada@example.com").await;
}

// C17: a suspended account is told so only after both factors, and gets no session.
#[tokio::test]
async fn an_account_that_was_suspended_meanwhile_stays_out() {
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, sea_query::Expr};
    let gateway = without_buckets().await;
    let Protected { member, app, .. } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    let database = gateway.database().await;
    entity::users::Entity::update_many()
        .col_expr(entity::users::Column::Status, Expr::value(entity::users::Status::Suspended))
        .filter(entity::users::Column::Id.eq(uuid::Uuid::parse_str(&member.user_id).unwrap()))
        .exec(&database)
        .await
        .unwrap();
    database.close().await.unwrap();
    visitor.try_second_factor(&token, totp(&app.wrong_code(&gateway.clock))).await.expect_problem("SECOND_FACTOR_INVALID");
    visitor.try_second_factor(&token, totp(&app.code(&gateway.clock))).await.expect_problem("ACCOUNT_SUSPENDED");
}

#[tokio::test]
async fn a_trusted_device_skips_the_second_step_for_thirty_days() {
    let gateway = without_buckets().await;
    let Protected { member, app, .. } = protected(&gateway, "ada@example.com").await;
    let phone = gateway.app_user();
    let token = phone.first_factor("ada@example.com", PASSWORD).await;
    let answer = phone.try_second_factor_with(&token, totp(&app.code(&gateway.clock)), true).await;
    let on_phone = phone.signed_in_by(answer);
    let trusted = on_phone.graphql("{ currentSession { trusted } }", json!({})).await.expect_field();
    assert_eq!(trusted["trusted"], true);
    on_phone.sign_out().await;
    let again = phone.sign_in("ada@example.com", PASSWORD).await;
    let session = again.graphql("{ currentSession { secondFactor trusted } }", json!({})).await.expect_field();
    assert_eq!(session, json!({"secondFactor": null, "trusted": true}), "trust outlives the sign-out, and is no factor");
    // It does not count as a proof.
    again.try_regenerate_recovery_codes().await.expect_error("REAUTHENTICATION_REQUIRED");
    // Another device of the same person is asked.
    gateway.app_user().first_factor("ada@example.com", PASSWORD).await;
    gateway.advance(std::time::Duration::from_hours(30 * 24));
    phone.first_factor("ada@example.com", PASSWORD).await;
    // Its end by hand, from another session; and only the own one can be trusted.
    let token = phone.first_factor("ada@example.com", PASSWORD).await;
    let answer = phone.try_second_factor_with(&token, totp(&app.code(&gateway.clock)), true).await;
    let on_phone = phone.signed_in_by(answer);
    AuthenticatorApp::wait(&gateway.clock);
    let visitor = member.visitor.clone();
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    let member = visitor.second_factor(&token, totp(&app.code(&gateway.clock))).await;
    member.try_trust(&on_phone.session_id, true).await.expect_problem("INVALID_INPUT");
    member.try_trust("nonsense", false).await.expect_problem("SESSION_NOT_FOUND");
    member.try_trust(&on_phone.session_id, false).await.expect_done();
    phone.first_factor("ada@example.com", PASSWORD).await;
    gateway.read_all("ada@example.com").await;
}

// Trust ends with a change of password, of a factor, and with a reset.
#[tokio::test]
async fn trust_ends_with_what_it_stood_on() {
    let gateway = without_buckets().await;
    let Protected { member, app, .. } = protected(&gateway, "ada@example.com").await;
    let mut password = PASSWORD.to_owned();
    for change in ["codes", "password", "reset"] {
        let phone = gateway.app_user();
        AuthenticatorApp::wait(&gateway.clock);
        let token = phone.first_factor("ada@example.com", &password).await;
        let answer = phone.try_second_factor_with(&token, totp(&app.code(&gateway.clock)), true).await;
        let on_phone = phone.signed_in_by(answer);
        phone.sign_in("ada@example.com", &password).await;
        let new = format!("another Kettle {change} sundial");
        match change {
            "codes" => drop(member.try_regenerate_recovery_codes().await.expect_done()),
            "password" => {
                on_phone.try_change_password(&password, &new).await.expect_done();
                password = new;
            }
            _ => {
                gateway.read_all("ada@example.com").await;
                let challenge: Challenge = gateway.visitor().request_password_reset("ada@example.com").await;
                let code = gateway.next_message("ada@example.com").await.code();
                gateway.visitor().try_reset_by_code(&challenge, &code, &new).await.expect_done();
                password = new;
            }
        }
        phone.first_factor("ada@example.com", &password).await;
        gateway.read_all("ada@example.com").await;
    }
}

// The hosted page of a magic link asks as well, without script.
#[tokio::test]
async fn the_page_of_a_link_asks_for_the_second_step() {
    let gateway = Gateway::start().await;
    let Protected { app, recovery_codes, .. } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code("ada@example.com").await;
    let link = gateway.next_message("ada@example.com").await.link_token();
    let browser = Browser::of(&visitor);
    let page = browser.open(&format!("/sign-in?token={link}")).await;
    let page = browser.press(&page, &[]).await.expect(200, "One more step");
    let page = browser.press(&page, &[("code", &app.wrong_code(&gateway.clock))]).await.expect(422, "One more step");
    browser.press(&page, &[("code", &recovery_codes[3])]).await.expect(200, "You are signed in");
    assert_eq!(visitor.graphql("{ me { email } }", json!({})).await.expect_field()["email"], "ada@example.com");
    gateway.read_all("ada@example.com").await;
}

// A passkey answers the second step too: of this very account, for this very sign-in, once.
#[tokio::test]
async fn a_passkey_answers_the_second_step() {
    let gateway = without_buckets().await;
    let Protected { member, .. } = protected(&gateway, "ada@example.com").await;
    let (mut key, mut strangers) = (member.visitor.security_key(), member.visitor.security_key());
    member.add_passkey(&mut key).await;
    let stranger = gateway.visitor().becomes_member("eve@example.com").await;
    stranger.add_passkey(&mut strangers).await;
    let visitor = gateway.visitor();
    let answer = visitor.try_sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(answer.data()["signIn"]["outcome"]["methods"], json!(["TOTP", "RECOVERY_CODE", "PASSKEY"]));
    let token = login_token(&answer);
    // F6, B14: neither somebody else's passkey nor a ceremony of its own.
    let begun = visitor.try_begin_passkey_sign_in(Some(&token)).await.expect_done();
    assert_eq!(begun["loginToken"], token.as_str());
    let free = visitor.begin_passkey_sign_in().await;
    for wrong in [strangers.get(&free.options), key.get(&free.options)] {
        visitor.try_second_factor(&token, json!({"passkey": wrong})).await.expect_problem("SECOND_FACTOR_INVALID");
    }
    visitor.try_sign_in_with_passkey(&token, &key.get(&begun["options"])).await.expect_problem("TOKEN_INVALID");
    let begun = visitor.try_begin_passkey_sign_in(Some(&token)).await.expect_done();
    let assertion = key.get(&begun["options"]);
    let signed_in = visitor.second_factor(&token, json!({"passkey": assertion})).await;
    let session = signed_in.graphql("{ currentSession { secondFactor loginMethod } }", json!({})).await.expect_field();
    assert_eq!(session, json!({"secondFactor": "PASSKEY", "loginMethod": "PASSWORD"}));
    visitor.try_second_factor(&token, json!({"passkey": assertion})).await.expect_problem("TOKEN_INVALID");
    signed_in.try_regenerate_recovery_codes().await.expect_done();
    for email in ["ada@example.com", "eve@example.com"] {
        gateway.read_all(email).await;
    }
}
