//! What may be a password, how it is kept, and how it is changed.

use std::time::Duration;

use entity::users;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::support::{Gateway, Member, PASSWORD};

const OTHER: &str = "green-Tortoise 93 viaduct";

async fn try_sign_up(gateway: &Gateway, email: &str, password: &str) -> Value {
    let answer = gateway.visitor().try_sign_up(json!({"contact": {"email": email}, "password": password})).await;
    let payload = answer.expect_field();
    payload["problems"][0]["code"].clone()
}

/// A new account with that password.
async fn account(gateway: &Gateway, email: &str, password: &str) -> Member {
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up(email, password).await;
    let member = visitor.confirm(&challenge, &gateway.next_message(email).await.code()).await;
    gateway.next_message(email).await;
    member
}

async fn hash_of(gateway: &Gateway, email: &str) -> String {
    let users = users::Entity::find().all(&gateway.database().await).await.unwrap();
    users.into_iter().find(|user| user.email.as_deref() == Some(email)).and_then(|user| user.password_hash).unwrap()
}

// A1, A2, A3, A4
#[tokio::test]
async fn sign_up_says_what_is_wrong_with_a_password() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let long = "a green tortoise crossed 93 viaducts ".repeat(4);
    let refused = [
        ("", "PASSWORD_TOO_SHORT"),
        ("aZ7!pq", "PASSWORD_TOO_SHORT"),
        // Code points, not bytes.
        ("あいうえおかき", "PASSWORD_TOO_SHORT"),
        (&long[..129], "PASSWORD_TOO_LONG"),
        (&"x".repeat(40_000), "PASSWORD_TOO_LONG"),
        ("password", "PASSWORD_BREACHED"),
        ("12345678", "PASSWORD_BREACHED"),
        ("password1234", "PASSWORD_TOO_WEAK"),
        ("aaaaaaaaaaaaaaaa", "PASSWORD_TOO_WEAK"),
        ("postern2026", "PASSWORD_TOO_WEAK"),
        ("lovelace-countess", "PASSWORD_TOO_WEAK"),
        ("lovelace.countess@example.com", "PASSWORD_TOO_WEAK"),
    ];
    for (password, code) in refused {
        let told = try_sign_up(&gateway, "lovelace.countess@example.com", password).await;
        // Which of the two lists a weak one is on is no promise.
        let weak = ["PASSWORD_BREACHED", "PASSWORD_TOO_WEAK"];
        assert!(told == code || weak.contains(&code) && weak.iter().any(|weak| told == **weak), "{password:?}: {told}");
    }
    let taken = [
        &long[..64],
        &long[..128],
        "aardvark banjo cobalt dynamo",
        "🦔🌲🪁🧭🐙🛶🏮🧵🪐🦜",
        "  spaced out tortoise 93  ",
        "Ünïcödé tortoise 93",
    ];
    for password in taken {
        assert_eq!(try_sign_up(&gateway, "ada@example.com", password).await, Value::Null, "{password:?}");
    }
}

// A2: to the last character, with its case and its spaces.
#[tokio::test]
async fn a_password_is_compared_whole() {
    let gateway = Gateway::start().await;
    let password = format!(" {}", &"a green tortoise crossed 93 viaducts ".repeat(4)[..127]);
    account(&gateway, "ada@example.com", &password).await;
    let changed = |at: usize| format!("{}#{}", &password[..at], &password[at + 1..]);
    let wrong = [changed(72), changed(127), password.trim().to_owned(), format!("{password} "), password.to_uppercase()];
    for wrong in &wrong[..4] {
        gateway.visitor().try_sign_in("ada@example.com", wrong).await.expect_problem("CREDENTIALS_INVALID");
    }
    gateway.visitor().sign_in("ada@example.com", &password).await;
    gateway.visitor().try_sign_in("ada@example.com", &wrong[4]).await.expect_problem("CREDENTIALS_INVALID");
    // One that is too long to be a password of ours is just wrong.
    gateway.visitor().try_sign_in("ada@example.com", &"x".repeat(50_000)).await.expect_problem("CREDENTIALS_INVALID");
}

// A3: a keyboard that composes and one that does not type the same password.
#[tokio::test]
async fn composed_and_decomposed_letters_are_the_same() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com", "cr\u{e8}me br\u{fb}l\u{e9}e tortoise").await;
    gateway.visitor().sign_in("ada@example.com", "cre\u{300}me bru\u{302}le\u{301}e tortoise").await;
    account(&gateway, "eve@example.com", "cre\u{300}me bru\u{302}le\u{301}e tortoise").await;
    gateway.visitor().sign_in("eve@example.com", "cr\u{e8}me br\u{fb}l\u{e9}e tortoise").await;
}

// A5
#[tokio::test]
async fn a_hash_follows_the_parameters_of_the_settings() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com", PASSWORD).await;
    account(&gateway, "eve@example.com", PASSWORD).await;
    let old = hash_of(&gateway, "ada@example.com").await;
    assert!(old.starts_with("$argon2id$v=19$m="), "{old}");
    assert_ne!(old, hash_of(&gateway, "eve@example.com").await, "each has a salt of its own");
    gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(hash_of(&gateway, "ada@example.com").await, old);

    let dearer = gateway.start_beside_with(|config| config.passwords.passes += 1).await;
    dearer.visitor().try_sign_in("ada@example.com", OTHER).await.expect_problem("CREDENTIALS_INVALID");
    assert_eq!(hash_of(&gateway, "ada@example.com").await, old, "only the right password is hashed anew");
    dearer.visitor().sign_in("ada@example.com", PASSWORD).await;
    let new = hash_of(&gateway, "ada@example.com").await;
    assert!(new != old && new.contains(&format!("t={},", dearer.config.passwords.passes)), "{new}");
    dearer.visitor().sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(hash_of(&gateway, "ada@example.com").await, new);
}

// C4, A8
#[tokio::test]
async fn a_changed_password_ends_every_other_session() {
    let gateway = Gateway::start().await;
    let member = account(&gateway, "ada@example.com", PASSWORD).await;
    let phone = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    let laptop = gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    for _ in 0..2 {
        gateway.next_message("ada@example.com").await;
    }
    gateway.advance(Duration::from_secs(1));
    let changed = member.try_change_password(PASSWORD, OTHER).await.expect_done();
    let mut ended: Vec<&str> = changed["revokedSessionIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let mut others = [phone.session_id.as_str(), laptop.session_id.as_str()];
    ended.sort_unstable();
    others.sort_unstable();
    assert_eq!((ended.as_slice(), &changed["revokedSessionCount"]), (others.as_slice(), &json!(2)));
    for other in [&phone, &laptop] {
        let error = other.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
        assert_eq!(error["extensions"]["reason"], "SESSION_ENDED");
    }
    phone.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    let me = member.graphql("{ me { email lastPasswordChangeAt } }", json!({})).await.expect_field();
    assert_eq!(me["lastPasswordChangeAt"], "2026-11-20T12:00:01.000Z");
    let notice = gateway.next_message("ada@example.com").await;
    assert!(notice.code.is_none() && notice.text.contains(&member.visitor.address().to_string()), "{}", notice.text);

    gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().sign_in("ada@example.com", OTHER).await;
    let statuses: Vec<Value> = member.sessions().await.into_iter().map(|session| session["status"].clone()).collect();
    assert_eq!(statuses.iter().filter(|status| *status == "ACTIVE").count(), 2, "this one and the new one: {statuses:?}");
}

#[tokio::test]
async fn a_changed_password_ends_trust_in_devices() {
    use entity::known_devices;
    use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
    let gateway = Gateway::start().await;
    let member = account(&gateway, "ada@example.com", PASSWORD).await;
    let database = gateway.database().await;
    let mut device = known_devices::Entity::find().one(&database).await.unwrap().unwrap().into_active_model();
    device.trusted_until = Set(Some(gateway.clock.now() + Duration::from_hours(720)));
    device.update(&database).await.unwrap();
    let trusted = || async { member.graphql("{ currentSession { trusted } }", json!({})).await.expect_field()["trusted"].clone() };
    assert_eq!(trusted().await, true);
    member.try_change_password(PASSWORD, OTHER).await.expect_done();
    assert_eq!(trusted().await, false);
}

// A4, A7
#[tokio::test]
async fn a_change_is_refused_for_good_reasons() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let member = account(&gateway, "lovelace.countess@example.com", PASSWORD).await;
    let mut paths = Vec::new();
    for (new, code) in [
        (PASSWORD, "PASSWORD_UNCHANGED"),
        ("aZ7!pq", "PASSWORD_TOO_SHORT"),
        (&"x".repeat(129), "PASSWORD_TOO_LONG"),
        ("password1234", "PASSWORD_BREACHED"),
        ("postern2026", "PASSWORD_TOO_WEAK"),
        ("lovelace-countess", "PASSWORD_TOO_WEAK"),
    ] {
        paths.push(member.try_change_password(PASSWORD, new).await.expect_problem(code)["path"].clone());
    }
    assert!(paths.iter().all(|path| *path == json!(["input", "newPassword"])), "{paths:?}");
    // Wrong ones count, and what is wrong with the new one is not told to who does not know the old one.
    for new in [OTHER, "password1234", PASSWORD, OTHER, OTHER] {
        let problem = member.try_change_password("not the password", new).await.expect_problem("CREDENTIALS_INVALID");
        assert_eq!(problem["path"], json!(["input", "currentPassword"]));
    }
    member.try_change_password(PASSWORD, OTHER).await.expect_problem("ACCOUNT_LOCKED");
    member.try_reauthenticate(PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.advance(Duration::from_mins(15));
    member.refresh().await;
    member.try_change_password(PASSWORD, OTHER).await.expect_done();
    gateway
        .visitor()
        .graphql("mutation { changePassword(input: {currentPassword: \"a\", newPassword: \"b\"}) { problems { code } } }", json!({}))
        .await
        .expect_error("UNAUTHENTICATED");
}

// D2
#[tokio::test]
async fn somebody_proves_again_who_is_there() {
    let gateway = Gateway::start().await;
    for visitor in [gateway.visitor(), gateway.app_user()] {
        let email = if visitor.is_browser() { "ada@example.com" } else { "eve@example.com" };
        let member = visitor.becomes_member(email).await;
        gateway.advance(Duration::from_mins(5));
        member.try_reauthenticate("not the password").await.expect_problem("CREDENTIALS_INVALID");
        let before = member.graphql("{ currentSession { authenticatedAt } }", json!({})).await.expect_field();
        let proved = member.try_reauthenticate(PASSWORD).await.expect_done();
        assert_eq!(proved["session"]["id"], member.session_id.as_str(), "the session keeps its id");
        assert_ne!(proved["session"]["authenticatedAt"], before["authenticatedAt"]);
        assert_ne!(proved["tokens"]["accessToken"], member.tokens().access.as_str());
        assert_eq!(proved["tokens"]["refreshToken"].is_null(), visitor.is_browser());
        let after =
            visitor.graphql_with("{ currentSession { authenticatedAt } }", json!({}), proved["tokens"]["accessToken"].as_str()).await;
        assert_eq!(after.expect_field()["authenticatedAt"], proved["session"]["authenticatedAt"]);
        let refreshed = visitor.try_refresh(proved["tokens"]["refreshToken"].as_str()).await.expect_done();
        assert_eq!(refreshed["session"]["id"], member.session_id.as_str());
    }
}
