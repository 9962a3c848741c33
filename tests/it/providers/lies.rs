//! A provider that lies, in each way: nobody gets in by that, and nothing is left behind.

use std::time::Duration;

use entity::{auth_providers, user_sessions, users};
use postern::config::ProviderKind;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;

use super::World;
use crate::support::{
    Gateway,
    provider::{FakeProvider, LIES, Lie, Person, Signing},
};

async fn rows(gateway: &Gateway) -> (u64, u64, u64) {
    let database = gateway.database().await;
    (
        users::Entity::find().count(&database).await.unwrap(),
        auth_providers::Entity::find().count(&database).await.unwrap(),
        user_sessions::Entity::find().count(&database).await.unwrap(),
    )
}

// E2, E3, E4: algorithm, key, issuer, audience, party, nonce, times; by a published key.
#[tokio::test]
async fn every_lie_of_a_provider_with_keys_is_refused() {
    for kind in [ProviderKind::Oidc, ProviderKind::Google] {
        let World { gateway, provider } = World::of_kind(kind, |_| {}).await;
        let person = Person::with_email("s-1", "ann@example.com");
        for lie in LIES {
            provider.lies(Some(lie));
            let answer = gateway.visitor().try_sign_in_with("acme", &provider, &person).await;
            let problem = answer.expect_problem("PROVIDER_FAILED");
            assert!(!problem["message"].as_str().unwrap().contains("token"), "{lie:?}");
        }
        assert_eq!(rows(&gateway).await, (0, 0, 0), "{kind:?}");
        provider.lies(None);
        gateway.visitor().sign_in_with("acme", &provider, &person).await;
        gateway.next_message("ann@example.com").await;
    }
}

// E2, E12: LINE's tokens carry the channel secret's HS256, and nothing else; its published keys are not even asked for.
#[tokio::test]
async fn every_lie_of_a_provider_with_a_secret_is_refused() {
    let World { gateway, provider } = World::of_kind(ProviderKind::Line, |_| {}).await;
    provider.takes_secret_in("body");
    // What its discovery document says: ES256, and a key for it.
    gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-1")).await.expect_problem("PROVIDER_FAILED");
    provider.signs(Signing::Hs256);
    for lie in LIES.into_iter().filter(|lie| !matches!(lie, Lie::UnknownKey | Lie::Critical)) {
        provider.lies(Some(lie));
        gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-1")).await.expect_problem("PROVIDER_FAILED");
    }
    assert_eq!(rows(&gateway).await, (0, 0, 0));
    provider.lies(None);
    gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    assert_eq!(provider.calls("/keys"), 0);
}

// E2: HS256 is LINE's alone, even with the right secret.
#[tokio::test]
async fn a_shared_secret_proves_nothing_for_others() {
    for kind in [ProviderKind::Oidc, ProviderKind::Google] {
        let World { gateway, provider } = World::of_kind(kind, |_| {}).await;
        provider.signs(Signing::Hs256);
        gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-1")).await.expect_problem("PROVIDER_FAILED");
    }
}

// E3: a provider of an attacker's own that says it is ours.
#[tokio::test]
async fn the_keys_are_those_of_the_configured_issuer() {
    let World { gateway, provider } = World::new().await;
    let evil = FakeProvider::start(Some(&gateway.clock)).await;
    // Signed by the attacker, with the name of the true key and every claim as it should be.
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    let away = visitor.visit(&trip.url).await.location();
    let to_evil = away.replace(&provider.issuer, &evil.issuer);
    let code = evil.approves(&to_evil, &Person { claims: json!({"sub": "s-1", "iss": provider.issuer}) });
    let back = visitor.visit(&code).await;
    visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_problem("PROVIDER_FAILED");
    assert_eq!((evil.calls("/keys"), evil.calls("/.well-known/openid-configuration"), evil.calls("/token")), (0, 0, 0));
}

// E3: a discovery document of another issuer is none of ours, down to the last slash.
#[tokio::test]
async fn the_document_must_be_of_the_issuer() {
    let World { gateway, provider } = World::new().await;
    let input =
        json!({"provider": "acme", "redirectUri": crate::support::oauth::HOME, "codeChallenge": crate::support::oauth::challenge("x")});
    for issuer in
        [format!("{}/", provider.issuer), "https://accounts.example".to_owned(), provider.issuer.replace("127.0.0.1", "localhost")]
    {
        provider.says("issuer", json!(issuer));
        gateway.visitor().try_begin_oauth(input.clone()).await.expect_problem("PROVIDER_FAILED");
        gateway.advance(Duration::from_secs(5));
    }
    provider.says("issuer", json!(provider.issuer));
    gateway.visitor().try_begin_oauth(input).await.expect_done();
}

// E15: a key that is not known is asked for anew, but not without end.
#[tokio::test]
async fn invented_keys_cost_the_provider_nothing() {
    let World { gateway, provider } = World::new().await;
    gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    assert_eq!(provider.calls("/keys"), 1);
    provider.lies(Some(Lie::UnknownKey));
    for _ in 0..25 {
        gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-1")).await.expect_problem("PROVIDER_FAILED");
    }
    assert_eq!(provider.calls("/keys"), 2);
    gateway.advance(Duration::from_mins(1));
    gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-1")).await.expect_problem("PROVIDER_FAILED");
    assert_eq!(provider.calls("/keys"), 3);
    provider.lies(None);
    gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    assert_eq!(provider.calls("/keys"), 3);
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_the_old_one_forgotten() {
    let World { gateway, provider } = World::new().await;
    gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    provider.rotates(4711, "two");
    gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    assert_eq!(provider.calls("/keys"), 2);
}

// D15: a minute on both sides.
#[tokio::test]
async fn a_minute_is_forgiven_between_the_clocks() {
    let World { gateway, provider } = World::new().await;
    let now = gateway.clock.now().millis() / 1000;
    for (claim, at, holds) in [
        ("exp", now - 59, true),
        ("exp", now - 60, false),
        ("iat", now + 59, true),
        ("iat", now + 60, false),
        ("nbf", now + 59, true),
        ("nbf", now + 60, false),
    ] {
        let mut person = Person::new("s-1");
        person.claims[claim] = json!(at);
        let answer = gateway.visitor().try_sign_in_with("acme", &provider, &person).await;
        if holds {
            answer.expect_done();
        } else {
            answer.expect_problem("PROVIDER_FAILED");
        }
    }
}

#[tokio::test]
async fn what_is_told_beside_the_token_must_be_of_the_same_person() {
    let World { gateway, provider } = World::new().await;
    provider.tells_in_token(false);
    let person = Person::with_email("s-1", "ann@example.com");
    let member = gateway.visitor().sign_in_with("acme", &provider, &person).await;
    assert_eq!(member.me().await["email"], "ann@example.com");
    gateway.next_message("ann@example.com").await;
    for text in [
        r#"{"sub":"s-2","email":"bob@example.com","email_verified":true}"#,
        r#"{"email":"bob@example.com","email_verified":true}"#,
        "[]",
        "<html>",
    ] {
        provider.fails("/me", Some(crate::support::provider::Trouble::Text(text)));
        gateway.visitor().try_sign_in_with("acme", &provider, &person).await.expect_problem("PROVIDER_FAILED");
    }
}

#[tokio::test]
async fn subjects_that_nothing_can_hold_are_refused() {
    let World { gateway, provider } = World::new().await;
    for sub in [json!("x".repeat(256)), json!("a\u{0}b"), json!(7), json!(null), json!(["s-1"])] {
        let person = Person { claims: json!({"sub": sub}) };
        gateway.visitor().try_sign_in_with("acme", &provider, &person).await.expect_problem("PROVIDER_FAILED");
    }
    gateway.visitor().sign_in_with("acme", &provider, &Person::new(&"x".repeat(255))).await;
    gateway.visitor().sign_in_with("acme", &provider, &Person::new("ก")).await;
}
