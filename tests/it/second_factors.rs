//! Authenticator apps, recovery codes, trusted devices and the step-up that they bring.

mod gate;
mod guessing;
mod step_up;

use std::time::Duration;

use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{AuthenticatorApp, Gateway, Member, PASSWORD, login_token};

const MINUTE: Duration = Duration::from_mins(1);

/// Somebody with an account, an authenticator app and recovery codes, whose messages were read.
struct Protected {
    member: Member,
    app: AuthenticatorApp,
    recovery_codes: Vec<String>,
}

/// Guessing takes more tries than the leaky buckets let through.
async fn without_buckets() -> Gateway {
    Gateway::start_with(|config| config.rate_limits.enabled = false).await
}

async fn protected(gateway: &Gateway, email: &str) -> Protected {
    let member = gateway.visitor().becomes_member(email).await;
    let (app, recovery_codes) = member.enable_totp(&gateway.clock).await;
    gateway.read_all(email).await;
    Protected { member, app, recovery_codes }
}

fn totp(code: &str) -> Value {
    json!({"totpCode": code})
}

fn recovery(code: &str) -> Value {
    json!({"recoveryCode": code})
}

// B8, B10: the seed is shown once, has 20 bytes, and counts only once a code of it was given.
#[tokio::test]
async fn an_app_is_set_up_by_its_first_code() {
    let gateway = Gateway::start().await;
    let member = gateway.visitor().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    let begun = member.try_begin_totp().await.expect_done();
    let secret = begun["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 32, "20 bytes in base 32");
    assert!(begun["uri"].as_str().unwrap().contains(secret), "{begun}");
    assert!(begun["qrCode"].as_str().unwrap().starts_with("data:image/svg+xml;base64,"), "{begun}");
    let app = AuthenticatorApp::of(secret);
    member.try_confirm_totp(&app.wrong_code(&gateway.clock)).await.expect_problem("CODE_INVALID");
    for nonsense in ["", "12345", "abcdef", "1234567", "\u{0}"] {
        member.try_confirm_totp(nonsense).await.expect_problem("CODE_INVALID");
    }
    assert_eq!(member.graphql("{ me { totpEnabled recoveryCodesLeft } }", json!({})).await.expect_field()["totpEnabled"], false);
    gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;

    let confirmed = member.try_confirm_totp(&app.code(&gateway.clock)).await.expect_done();
    assert_eq!(confirmed["user"], json!({"id": member.user_id, "totpEnabled": true, "recoveryCodesLeft": 10}));
    let codes = confirmed["recoveryCodes"].as_array().unwrap();
    assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), 10);
    assert!(codes.iter().all(|code| code.as_str().unwrap().len() == 19), "{codes:?}");
    // A8: its owner is told.
    let notice = gateway.next_message("ada@example.com").await;
    assert!(notice.subject.as_deref().unwrap_or_default().contains("second step"), "{notice:?}");
    member.try_begin_totp().await.expect_problem("TOTP_ALREADY_ENABLED");
    member.try_confirm_totp(&app.code_in(&gateway.clock, 1)).await.expect_problem("TOTP_ALREADY_ENABLED");
    // Neither the seed nor a code lies in the database in clear.
    let database = gateway.database().await;
    let row = entity::users::Entity::find().one(&database).await.unwrap().unwrap();
    assert!(row.totp_secret_sealed.is_some_and(|sealed| sealed.len() > 40));
    let rows = entity::recovery_codes::Entity::find().all(&database).await.unwrap();
    assert!(rows.iter().all(|row| row.code_hash.len() == 32) && rows.len() == 10);
    database.close().await.unwrap();
}

#[tokio::test]
async fn an_enrolment_that_waits_too_long_is_over() {
    let gateway = Gateway::start().await;
    let member = gateway.visitor().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    member.try_confirm_totp("123456").await.expect_problem("CODE_EXPIRED");
    let first = AuthenticatorApp::of(member.try_begin_totp().await.expect_done()["secret"].as_str().unwrap());
    let second = AuthenticatorApp::of(member.try_begin_totp().await.expect_done()["secret"].as_str().unwrap());
    // The newer one takes the place of the older.
    member.try_confirm_totp(&first.code(&gateway.clock)).await.expect_problem("CODE_INVALID");
    gateway.advance(11 * MINUTE);
    let member = gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    member.try_confirm_totp(&second.code(&gateway.clock)).await.expect_problem("CODE_EXPIRED");
}

// B9: each step once, and only upwards.
#[tokio::test]
async fn a_code_of_the_app_is_used_once() {
    let gateway = without_buckets().await;
    let Protected { app, .. } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let code = app.code(&gateway.clock);
    let earlier = app.code_in(&gateway.clock, -1);
    let first = visitor.first_factor("ada@example.com", PASSWORD).await;
    let member = visitor.second_factor(&first, totp(&code)).await;
    let session = member.graphql("{ currentSession { secondFactor loginMethod trusted } }", json!({})).await.expect_field();
    assert_eq!(session, json!({"secondFactor": "TOTP", "loginMethod": "PASSWORD", "trusted": false}));
    for used in [&code, &earlier] {
        let token = visitor.first_factor("ada@example.com", PASSWORD).await;
        visitor.try_second_factor(&token, totp(used)).await.expect_problem("SECOND_FACTOR_INVALID");
    }
    // B14: nor does the login token work twice.
    AuthenticatorApp::wait(&gateway.clock);
    visitor.try_second_factor(&first, totp(&app.code(&gateway.clock))).await.expect_problem("TOKEN_INVALID");
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    visitor.second_factor(&token, totp(&app.code(&gateway.clock))).await;
    gateway.read_all("ada@example.com").await;
}

// B12
#[tokio::test]
async fn recovery_codes_stand_in_once_each() {
    let gateway = without_buckets().await;
    let Protected { member, recovery_codes, app } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let answer = visitor.try_sign_in("ada@example.com", PASSWORD).await;
    let methods = answer.data()["signIn"]["outcome"]["methods"].clone();
    assert_eq!(methods, json!(["TOTP", "RECOVERY_CODE"]));
    let typed = recovery_codes[0].to_uppercase().replace('-', " ");
    let recovered = visitor.second_factor(&login_token(&answer), recovery(&typed)).await;
    let session = recovered.graphql("{ currentSession { secondFactor } me { recoveryCodesLeft } }", json!({})).await.expect_data();
    assert_eq!(session, json!({"currentSession": {"secondFactor": "RECOVERY_CODE"}, "me": {"recoveryCodesLeft": 9}}));
    let told: Vec<String> = [gateway.next_message("ada@example.com").await, gateway.next_message("ada@example.com").await]
        .iter()
        .filter_map(|message| message.subject.clone())
        .collect();
    assert!(told.iter().any(|subject| subject.contains("recovery code")), "{told:?}");
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    visitor.try_second_factor(&token, recovery(&recovery_codes[0])).await.expect_problem("SECOND_FACTOR_INVALID");
    for nonsense in ["", "zzzz", "zzzz-zzzz-zzzz-zzzz"] {
        visitor.try_second_factor(&token, recovery(nonsense)).await.expect_problem("SECOND_FACTOR_INVALID");
    }
    // New ones end the old ones. The session has a second factor, so it may ask.
    let anew = member.try_regenerate_recovery_codes().await.expect_done();
    assert_eq!(anew["user"]["recoveryCodesLeft"], 10);
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    visitor.try_second_factor(&token, recovery(&recovery_codes[1])).await.expect_problem("SECOND_FACTOR_INVALID");
    visitor.second_factor(&token, recovery(anew["recoveryCodes"][0].as_str().unwrap())).await;
    // Who got back in can set up another app.
    AuthenticatorApp::wait(&gateway.clock);
    recovered.try_disable_totp().await.expect_done();
    recovered.enable_totp(&gateway.clock).await;
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    visitor.try_second_factor(&token, totp(&app.code(&gateway.clock))).await.expect_problem("SECOND_FACTOR_INVALID");
    gateway.read_all("ada@example.com").await;
}

#[tokio::test]
async fn without_the_app_there_is_no_second_step() {
    let gateway = Gateway::start().await;
    let Protected { member, app, recovery_codes } = protected(&gateway, "ada@example.com").await;
    let off = member.try_disable_totp().await.expect_done();
    assert_eq!(off["user"], json!({"totpEnabled": false, "recoveryCodesLeft": 0}));
    assert!(gateway.next_message("ada@example.com").await.subject.unwrap().contains("switched off"));
    member.try_disable_totp().await.expect_problem("TOTP_NOT_ENABLED");
    member.try_regenerate_recovery_codes().await.expect_problem("TOTP_NOT_ENABLED");
    let proof = json!({"totpCode": app.code(&gateway.clock)});
    member.try_reauthenticate_with(proof).await.expect_problem("TOTP_NOT_ENABLED");
    member.try_reauthenticate_with(json!({"recoveryCode": recovery_codes[0]})).await.expect_problem("TOTP_NOT_ENABLED");
    member.visitor.sign_in("ada@example.com", PASSWORD).await;
}

// Each act leaves its row, and who listens is told.
#[tokio::test]
async fn every_act_is_told_and_written_down() {
    use entity::user_audit_log::Status::{Failure, Pending, Success};
    let gateway = Gateway::start().await;
    let member = gateway.visitor().becomes_member("ada@example.com").await;
    let mut socket = member.socket().await;
    let events = "subscription ($after: String) { accountEvents(after: $after) { kind } }";
    let events = socket.subscribe(events, json!({"after": member.event_cursor().await})).await;
    let (app, codes) = member.enable_totp(&gateway.clock).await;
    assert_eq!(socket.next(&events).await["kind"], "SECOND_FACTOR_CHANGED");
    member.try_regenerate_recovery_codes().await.expect_done();
    assert_eq!(socket.next(&events).await["kind"], "SECOND_FACTOR_CHANGED");
    member.try_reauthenticate_with(json!({"totpCode": app.code(&gateway.clock)})).await.expect_done();
    member.try_reauthenticate_with(json!({"recoveryCode": codes[0]})).await.expect_problem("SECOND_FACTOR_INVALID");
    member.try_trust(&member.session_id, true).await.expect_done();
    member.try_trust(&member.session_id, false).await.expect_done();
    assert_eq!(socket.next(&events).await["kind"], "UPDATED");
    member.try_disable_totp().await.expect_done();
    assert_eq!(socket.next(&events).await["kind"], "SECOND_FACTOR_CHANGED");
    let database = gateway.database().await;
    let rows = entity::user_audit_log::Entity::find().all(&database).await.unwrap();
    database.close().await.unwrap();
    let of = |event_type: &str, status| rows.iter().filter(|row| row.event_type == event_type && row.status == status).count();
    assert_eq!((of("totp_enabled", Pending), of("totp_enabled", Success)), (1, 1));
    for event_type in ["recovery_codes_replaced", "device_trusted", "device_trust_ended", "totp_disabled"] {
        assert_eq!(of(event_type, Success), 1, "{event_type}");
    }
    assert_eq!((of("reauthentication", Success), of("reauthentication", Failure)), (1, 1));
    let proved = rows.iter().find(|row| row.event_type == "reauthentication" && row.status == Success).unwrap();
    assert_eq!(proved.metadata["method"], "totp");
    gateway.read_all("ada@example.com").await;
}
