//! What counts as recent where the second step is on, and what the tokens say of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{MINUTE, Protected, protected, recovery, totp, without_buckets};
use crate::support::{AuthenticatorApp, Member, PASSWORD, until};

/// What the access token says.
fn claims(member: &Member) -> Value {
    let token = member.tokens().access;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

async fn methods(member: &Member) -> Value {
    let session = member.graphql("{ currentSession { reauthenticationMethods } }", json!({})).await.expect_field();
    session["reauthenticationMethods"].clone()
}

// B15: refreshing never makes a session recent, and where the second step is on, neither does a password.
#[tokio::test]
async fn only_a_second_factor_makes_a_session_recent_again() {
    let gateway = without_buckets().await;
    let visitor = gateway.app_user();
    let member = visitor.becomes_member("ada@example.com").await;
    assert_eq!(methods(&member).await, json!(["PASSWORD"]));
    assert_eq!(claims(&member)["acr"], "aal1");
    let (app, codes) = member.enable_totp(&gateway.clock).await;
    assert_eq!(methods(&member).await, json!(["TOTP", "RECOVERY_CODE"]));
    member.refresh().await;
    assert_eq!((claims(&member)["acr"].clone(), claims(&member)["amr"].clone()), (json!("aal2"), json!(["otp", "mfa"])));
    gateway.advance(11 * MINUTE);
    member.refresh().await;
    member.try_disable_totp().await.expect_error("REAUTHENTICATION_REQUIRED");
    member.try_reauthenticate(PASSWORD).await.expect_problem("METHOD_DISABLED");
    let wrong = json!({"totpCode": app.wrong_code(&gateway.clock)});
    member.try_reauthenticate_with(wrong).await.expect_problem("SECOND_FACTOR_INVALID");
    member.try_request_reauthentication_code("EMAIL").await.expect_problem("METHOD_DISABLED");
    member.try_disable_totp().await.expect_error("REAUTHENTICATION_REQUIRED");
    let before = member.session_id.clone();
    let renewed = member.try_reauthenticate_with(json!({"totpCode": app.code(&gateway.clock)})).await.expect_done();
    assert_eq!((renewed["session"]["id"].as_str(), &renewed["session"]["secondFactor"]), (Some(before.as_str()), &json!("TOTP")));
    let now = gateway.clock.now().seconds();
    assert!((now - claims(&member)["auth_time"].as_i64().unwrap()).abs() <= 1, "{}", claims(&member));
    member.try_regenerate_recovery_codes().await.expect_done();
    gateway.advance(11 * MINUTE);
    member.refresh().await;
    member.try_reauthenticate_with(json!({"recoveryCode": codes[0]})).await.expect_problem("SECOND_FACTOR_INVALID");
    member.try_reauthenticate_with(json!({"totpCode": app.code(&gateway.clock)})).await.expect_done();
    let anew = member.try_regenerate_recovery_codes().await.expect_done();
    gateway.advance(11 * MINUTE);
    member.refresh().await;
    member.try_reauthenticate_with(json!({"recoveryCode": anew["recoveryCodes"][0]})).await.expect_done();
    member.try_disable_totp().await.expect_done();
    assert_eq!(methods(&member).await, json!(["PASSWORD"]));
    gateway.read_all("ada@example.com").await;
}

// An account without a password proves itself by code, until it has something better.
#[tokio::test]
async fn a_code_by_mail_counts_only_where_there_is_nothing_better() {
    let gateway = without_buckets().await;
    let visitor = gateway.app_user();
    let challenge = visitor.try_sign_up(json!({"contact": {"email": "ada@example.com"}})).await.expect_done().into();
    let member = visitor.confirm(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
    assert_eq!(methods(&member).await, json!(["EMAIL_CODE"]));
    let (app, _) = member.enable_totp(&gateway.clock).await;
    assert_eq!(methods(&member).await, json!(["TOTP", "RECOVERY_CODE"]));
    member.try_request_reauthentication_code("EMAIL").await.expect_problem("METHOD_DISABLED");
    member.try_reauthenticate_with(json!({"totpCode": app.code(&gateway.clock)})).await.expect_done();
    gateway.read_all("ada@example.com").await;
}

// D2: the second step gives a session of its own, with all that was proved in its token.
#[tokio::test]
async fn the_token_of_two_factors_says_so() {
    let gateway = without_buckets().await;
    let Protected { app, recovery_codes, .. } = protected(&gateway, "ada@example.com").await;
    let visitor = gateway.app_user();
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    let member = visitor.second_factor(&token, totp(&app.code(&gateway.clock))).await;
    assert_eq!((claims(&member)["acr"].clone(), claims(&member)["amr"].clone()), (json!("aal2"), json!(["pwd", "otp", "mfa"])));
    member.try_regenerate_recovery_codes().await.expect_done();
    AuthenticatorApp::wait(&gateway.clock);
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    let other = visitor.try_second_factor(&token, recovery(&recovery_codes[0])).await.expect_problem("SECOND_FACTOR_INVALID");
    assert_eq!(other["attemptsLeft"], 4);
    let other = visitor.second_factor(&token, totp(&app.code(&gateway.clock))).await;
    assert_ne!(other.session_id, member.session_id);
    gateway.read_all("ada@example.com").await;
}

// C5 and the rotation of secrets: seeds that an older secret sealed are sealed anew, and codes go on.
#[tokio::test]
async fn seeds_outlive_a_rotation_of_secrets() {
    use sea_orm::EntityTrait as _;
    let gateway = without_buckets().await;
    let Protected { member, app, .. } = protected(&gateway, "ada@example.com").await;
    let sealed = async || {
        let database = gateway.database().await;
        let row = entity::users::Entity::find().one(&database).await.unwrap().unwrap();
        database.close().await.unwrap();
        row.totp_secret_sealed.unwrap()
    };
    let before = sealed().await;
    let rotated =
        gateway.start_beside_with(|config| config.secret.insert(0, "a new secret that is long enough to be one".to_owned().into())).await;
    until("it is sealed anew", std::time::Duration::from_secs(10), async || sealed().await != before).await;
    let visitor = member.visitor.at(&rotated);
    let token = visitor.first_factor("ada@example.com", PASSWORD).await;
    visitor.second_factor(&token, totp(&app.code(&gateway.clock))).await;
}
