//! Locks that administrators end, and factors that they take off.

use entity::account_events::Kind;
use serde_json::{Value, json};

use super::{NOBODY, PASSWORD, account, audited, ended, id_of, next_notice, told, without_buckets};
use crate::support::AuthenticatorApp;

#[tokio::test]
async fn a_locked_account_is_opened_again() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    let (app, _) = ada.enable_totp(&gateway.clock).await;
    gateway.next_message("ada@example.com").await;
    let stranger = gateway.app_user();
    for _ in 0..5 {
        stranger.try_sign_in("ada@example.com", "wrong-Guess 7 lantern").await.expect_problem("CREDENTIALS_INVALID");
    }
    stranger.try_sign_in("ada@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    let seen = async || {
        let query = "query ($id: ID!) { user(id: $id) { lockedUntil failedSignInAttempts } }";
        admin.graphql(query, json!({"id": ada.user_id})).await.expect_field()
    };
    assert!(seen().await["lockedUntil"].is_string() && seen().await["failedSignInAttempts"] == 5);
    assert_eq!(admin.emails(json!({"filter": {"locked": true}})).await, ["ada@example.com"]);
    assert_eq!(admin.emails(json!({"filter": {"locked": false}})).await, ["root@example.com"]);
    let payload = admin.try_unlock(&ada.user_id).await.expect_done();
    assert_eq!(payload["user"]["lockedUntil"], Value::Null);
    assert_eq!(seen().await, json!({"lockedUntil": null, "failedSignInAttempts": 0}));
    assert_eq!(admin.emails(json!({"filter": {"locked": true}})).await, Vec::<Value>::new());
    let link = loop {
        let message = gateway.next_message("ada@example.com").await;
        if message.link.as_deref().is_some_and(|link| link.contains("/unlock")) {
            break message.link_token();
        }
    };
    stranger.try_unlock(&link).await.expect_problem("TOKEN_INVALID");
    stranger.first_factor("ada@example.com", PASSWORD).await;
    // Once more, and for somebody who never was locked.
    admin.try_unlock(&ada.user_id).await.expect_done();
    admin.try_unlock(&admin.user_id).await.expect_done();
    admin.try_unlock(NOBODY).await.expect_problem("USER_NOT_FOUND");
    let was_locked: Vec<_> =
        audited(&gateway, "account_unlocked").await.into_iter().filter(|row| row.actor_user_id == Some(id_of(&admin))).collect();
    let was_locked: Vec<_> = was_locked.iter().map(|row| row.metadata["wasLocked"].clone()).collect();
    assert_eq!(was_locked, [json!(true), json!(false), json!(false), Value::Null]);
    let kinds = told(&gateway, id_of(&ada)).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Unlocked).count(), 1);

    // The second step has a counter of its own.
    AuthenticatorApp::wait(&gateway.clock);
    for _ in 0..3 {
        let token = stranger.first_factor("ada@example.com", PASSWORD).await;
        for _ in 0..5 {
            stranger.try_second_factor(&token, json!({"totpCode": app.wrong_code(&gateway.clock)})).await.expect_field();
        }
    }
    let right = async || {
        let token = stranger.first_factor("ada@example.com", PASSWORD).await;
        stranger.try_second_factor(&token, json!({"totpCode": app.code(&gateway.clock)})).await
    };
    right().await.expect_problem("TOO_MANY_ATTEMPTS");
    admin.try_unlock(&ada.user_id).await.expect_done();
    right().await.expect_done();
    gateway.read_all("ada@example.com").await;
    gateway.expect_undelivered();
}

// A8, H21: whoever has the lost phone is out too, and the owner is told.
#[tokio::test]
async fn lost_factors_are_taken_off() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    let mut key = ada.visitor.security_key();
    ada.add_passkey(&mut key).await;
    let (app, codes) = ada.enable_totp(&gateway.clock).await;
    gateway.read_all("ada@example.com").await;
    let phone = gateway.app_user();
    let token = phone.first_factor("ada@example.com", PASSWORD).await;
    let answer = phone.try_second_factor_with(&token, json!({"totpCode": app.code(&gateway.clock)}), true).await;
    let trusted = phone.signed_in_by(answer);
    gateway.next_message("ada@example.com").await;
    let waiting = gateway.app_user().first_factor("ada@example.com", PASSWORD).await;
    let mut socket = ada.socket().await;

    let payload = admin.try_reset_factors(&ada.user_id).await.expect_done();
    let user = &payload["user"];
    assert_eq!((&user["totpEnabled"], &user["recoveryCodesLeft"], &user["passkeys"]), (&json!(false), &json!(0), &json!([])));
    let mut notices = [next_notice(&gateway, "ada@example.com").await, next_notice(&gateway, "ada@example.com").await];
    notices.sort();
    assert!(notices[0].contains("passkey was removed") && notices[1].contains("second step"), "{notices:?}");
    for message in gateway.inbox("ada@example.com").await.iter().take(2) {
        let html = message.html.as_deref().unwrap();
        let administrators = admin.visitor.address().to_string();
        assert!(
            !message.text.contains(&administrators) && !html.contains(&administrators),
            "where the administrator sits is nobody's to know"
        );
    }
    assert_eq!(socket.closed().await, ended());
    trusted.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    phone.try_passkey(&mut key).await.expect_problem("PASSKEY_INVALID");
    for factor in [json!({"totpCode": app.code(&gateway.clock)}), json!({"recoveryCode": codes[0]})] {
        let payload = phone.try_second_factor(&waiting, factor).await.expect_field();
        assert_eq!(payload["outcome"], Value::Null, "{payload}");
    }
    // The password alone is enough again, and a new app can be set up.
    let back = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    back.enable_totp(&gateway.clock).await;
    // Trust does not come back with it.
    phone.first_factor("ada@example.com", PASSWORD).await;
    gateway.read_all("ada@example.com").await;

    let kinds = told(&gateway, id_of(&ada)).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::PasskeyChanged).count(), 2);
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::SecondFactorChanged).count(), 3);
    let rows = audited(&gateway, "second_factors_reset").await;
    let facts = json!({"totp": true, "passkeys": 1, "reason": "lost the phone", "sessionsEnded": 2});
    assert_eq!((rows.len(), &rows[0].metadata, rows[0].actor_user_id), (1, &facts, Some(id_of(&admin))));
    gateway.expect_undelivered();
}

#[tokio::test]
async fn who_has_no_factors_stays_signed_in() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    admin.try_reset_factors(&ada.user_id).await.expect_done();
    assert_eq!(ada.me().await["email"], "ada@example.com");
    assert_eq!(gateway.unread("ada@example.com").await.len(), 0);
    admin.try_reset_factors(NOBODY).await.expect_problem("USER_NOT_FOUND");
    for reason in ["", " \n", &"x".repeat(501)] {
        let answer = admin.act("resetSecondFactors", json!({"userId": ada.user_id, "reason": reason}), "").await;
        assert_eq!(answer.expect_problem("INVALID_INPUT")["path"], json!(["input", "reason"]));
    }
}
