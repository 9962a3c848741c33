//! From the first passkey to signing in with it.

use serde_json::{Value, json};

use super::{claims, with_security_key, without_buckets};
use crate::{
    sign_in_by_code::{MINUTE, account},
    support::Gateway,
};

// F1, F2, F4, F6
#[tokio::test]
async fn a_passkey_is_made_and_signs_in() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let begun = ada.try_begin_passkey_registration().await.expect_done();
    let options = &begun["options"];
    assert_eq!(options["rp"], json!({"id": "localhost", "name": "Postern"}));
    assert_eq!((&options["user"]["name"], &options["user"]["displayName"]), (&json!("ada@example.com"), &json!("ada@example.com")));
    let mut phone = ada.visitor.phone();
    let credential = phone.create(options);
    let handle = phone.user_handle.clone().unwrap();
    assert_eq!(handle, uuid::Uuid::parse_str(&ada.user_id).unwrap().as_bytes());
    let selection = json!({"residentKey": "required", "requireResidentKey": true, "userVerification": "required"});
    assert_eq!(options["authenticatorSelection"], selection);
    assert_eq!((&options["attestation"], &options["excludeCredentials"]), (&json!("none"), &json!([])));
    assert_eq!(begun["expiresAt"], (gateway.clock.now() + 5 * MINUTE).to_string());

    let finished = ada.try_finish_passkey_registration(&credential, Some("  my phone ")).await.expect_done();
    let passkey = &finished["passkey"];
    assert_eq!(
        (&passkey["name"], &passkey["deviceType"], &passkey["backedUp"]),
        (&json!("my phone"), &json!("MULTI_DEVICE"), &json!(true))
    );
    assert_eq!((&passkey["transports"], &passkey["lastUsedAt"]), (&json!(["hybrid", "internal"]), &Value::Null));
    assert_eq!(finished["user"]["passkeys"], json!([{"id": passkey["id"]}]));
    let notice = gateway.next_message("ada@example.com").await;
    assert!(notice.text.contains("passkey"), "{}", notice.text);

    // The next registration is told of it.
    let again = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    let known = json!([{"type": "public-key", "id": credential["id"], "transports": ["hybrid", "internal"]}]);
    assert_eq!(again["excludeCredentials"], known);

    // On a new device, with nothing typed.
    let there = gateway.app_user();
    let ceremony = there.begin_passkey_sign_in().await;
    let asked = &ceremony.options;
    assert_eq!(
        (&asked["rpId"], &asked["userVerification"], &asked["allowCredentials"]),
        (&json!("localhost"), &json!("required"), &json!([]))
    );
    let outcome = there.try_sign_in_with_passkey(&ceremony.login_token, &phone.get(asked)).await.expect_done()["outcome"].clone();
    assert_eq!((&outcome["user"]["id"], &outcome["isNewUser"]), (&json!(ada.user_id), &json!(false)));
    assert_eq!(outcome["session"]["loginMethod"], "PASSKEY");
    assert_ne!(outcome["session"]["id"], ada.session_id);
    let claims = claims(outcome["tokens"]["accessToken"].as_str().unwrap());
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["swk", "user", "mfa"]), &json!("aal2")));
    gateway.next_message("ada@example.com").await;
    let used = &ada.passkeys().await[0];
    assert_eq!(used["lastUsedAt"], gateway.clock.now().to_string());
}

#[tokio::test]
async fn a_passkey_is_named_by_the_device_and_by_its_owner() {
    let gateway = Gateway::start().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let passkey = ada.passkeys().await[0].clone();
    let id = passkey["id"].as_str().unwrap();
    assert_eq!(
        (&passkey["name"], &passkey["deviceType"], &passkey["backedUp"]),
        (&json!("Firefox on Windows"), &json!("SINGLE_DEVICE"), &json!(false))
    );
    assert_eq!(ada.try_rename_passkey(id, " the blue key\u{2009}").await.expect_done()["passkey"]["name"], "the blue key");
    for wrong in ["", "   ", "a\nb", &"x".repeat(101)] {
        ada.try_rename_passkey(id, wrong).await.expect_problem("INVALID_INPUT");
    }
    assert_eq!(ada.passkeys().await[0]["name"], "the blue key");
    // Naming it does not take a fresh proof.
    gateway.advance(11 * MINUTE);
    ada.refresh().await;
    ada.try_rename_passkey(id, "old key").await.expect_done();
    ada.try_delete_passkey(id).await.expect_error("REAUTHENTICATION_REQUIRED");
    ada.try_begin_passkey_registration().await.expect_error("REAUTHENTICATION_REQUIRED");
    let claims = claims(&gateway.app_user().sign_in_with_passkey(&mut key).await.tokens().access);
    assert_eq!(claims["amr"], json!(["hwk", "user", "mfa"]));
    gateway.next_message("ada@example.com").await;
}

// A wrong name uses up nothing.
#[tokio::test]
async fn a_wrong_name_can_be_corrected() {
    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let options = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    let credential = ada.visitor.security_key().create(&options);
    let refused = ada.try_finish_passkey_registration(&credential, Some(" ")).await.expect_problem("INVALID_INPUT");
    assert_eq!(refused["path"], json!(["input", "name"]));
    ada.try_finish_passkey_registration(&credential, Some("key")).await.expect_done();
    gateway.next_message("ada@example.com").await;
}

#[tokio::test]
async fn a_deployment_tells_that_it_takes_passkeys() {
    let query = "{ authConfig { loginMethods } }";
    let gateway = Gateway::start().await;
    let methods = gateway.visitor().graphql(query, json!({})).await.expect_field()["loginMethods"].clone();
    assert!(methods.as_array().unwrap().contains(&json!("PASSKEY")), "{methods}");
    let nameless = Gateway::start_with(|config| config.passkeys.rp_id = None).await;
    let methods = nameless.visitor().graphql(query, json!({})).await.expect_field()["loginMethods"].clone();
    assert!(!methods.as_array().unwrap().contains(&json!("PASSKEY")), "{methods}");
    nameless.visitor().try_begin_passkey_sign_in(None).await.expect_problem("METHOD_DISABLED");
    let ada = account(&nameless, "ada@example.com").await;
    ada.try_begin_passkey_registration().await.expect_problem("METHOD_DISABLED");
}

// A locked password keeps nobody out who has a passkey. C7
#[tokio::test]
async fn a_lock_of_the_password_does_not_count() {
    let gateway = without_buckets().await;
    let (_, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let stranger = gateway.app_user();
    for _ in 0..5 {
        stranger.try_sign_in("ada@example.com", "wrong password here").await.expect_problem("CREDENTIALS_INVALID");
    }
    stranger.try_sign_in("ada@example.com", crate::support::PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.app_user().sign_in_with_passkey(&mut key).await;
    gateway.expect_undelivered();
}

// Behind `passkeys.rp_id`, and for as many as anybody has.
#[tokio::test]
async fn an_account_has_fifty_passkeys_at_most() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    for _ in 0..50 {
        ada.add_passkey(&mut ada.visitor.security_key()).await;
    }
    assert_eq!(ada.passkeys().await.len(), 50);
    ada.try_begin_passkey_registration().await.expect_problem("METHOD_DISABLED");
    gateway.expect_undelivered();
}

// Beginning takes room in the store: an address gets so much of it.
#[tokio::test]
async fn an_address_begins_sixty_a_minute() {
    let gateway = Gateway::start().await;
    let visitor = gateway.app_user();
    for _ in 0..60 {
        visitor.begin_passkey_sign_in().await;
    }
    visitor.try_begin_passkey_sign_in(None).await.expect_error("RATE_LIMITED");
    gateway.app_user().begin_passkey_sign_in().await;
    gateway.advance(MINUTE);
    visitor.begin_passkey_sign_in().await;
}
