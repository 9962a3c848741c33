//! What is particular about LINE, Apple and Google.

use postern::config::{ClientKey, ProviderKind};
use serde_json::{Value, json};

use super::World;
use crate::support::{
    Gateway,
    oauth::HOME,
    provider::{FakeProvider, Person, Signing, apples_key, read},
};

// E12: LINE: HS256 with the channel secret, an address or none, and never a proved one.
#[tokio::test]
async fn line_brings_people_with_or_without_an_address() {
    let World { gateway, provider } = World::of_kind(ProviderKind::Line, |_| {}).await;
    provider.signs(Signing::Hs256);
    provider.takes_secret_in("body");
    let owner = gateway.visitor().becomes_member("ann@example.com").await;
    gateway.next_message("ann@example.com").await;
    let without = gateway.visitor().sign_in_with("acme", &provider, &Person::new("U1")).await;
    assert_eq!(without.me().await["email"], Value::Null);
    let told = Person { claims: json!({"sub": "U2", "email": "ann@example.com", "name": "Ann"}) };
    let with = gateway.visitor().sign_in_with("acme", &provider, &told).await;
    assert!(with.is_new_user && with.user_id != owner.user_id);
    assert_eq!((with.me().await["email"].clone(), with.identities().await[0]["email"].clone()), (Value::Null, json!("ann@example.com")));
    assert!(gateway.unread("ann@example.com").await.is_empty(), "an unproved address tells nobody anything");
    // It is not asked for more than the token says, and knows how to exchange without a second try.
    assert_eq!((provider.calls("/me"), provider.calls("/keys"), provider.calls("/token")), (0, 0, 2));
}

async fn apple() -> (Gateway, FakeProvider) {
    let provider = FakeProvider::start(None).await;
    provider.is_apple("TEAM123456", "KEY1234567");
    let mut settings = provider.settings("apple", ProviderKind::Apple);
    settings.key =
        ClientKey::Apple { team_id: "TEAM123456".to_owned(), key_id: "KEY1234567".to_owned(), private_key: apples_key().0.into() };
    "Apple".clone_into(&mut settings.name);
    let gateway = Gateway::start_with(|config| {
        config.providers.push(settings);
        config.oauth.redirect_uris = vec![HOME.to_owned()];
    })
    .await;
    provider.follow(&gateway.clock);
    (gateway, provider)
}

// E12: Apple: posts its answer, takes a secret that is signed anew, says "true", and tells the name once, in the form.
#[tokio::test]
async fn apple_posts_its_answer_and_the_name_once() {
    let (gateway, provider) = apple().await;
    let visitor = gateway.visitor();
    let person = Person {
        claims: json!({"sub": "001.a", "email": "x7@privaterelay.appleid.example", "email_verified": "true", "is_private_email": "true"}),
    };
    let trip = visitor.begin_oauth("apple").await;
    let away = visitor.visit(&trip.url).await.location();
    assert_eq!(read(&away).1["response_mode"], "form_post");
    let name = r#"{"name":{"firstName":"Ann","lastName":"Lee"},"email":"evil@example.com"}"#;
    let back = visitor.post_back(&provider.approves(&away, &person), &[("user", name)]).await;
    assert_eq!(back.status, 303);
    let outcome = visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_done()["outcome"].clone();
    assert_eq!((&outcome["user"]["email"], &outcome["user"]["fullName"]), (&json!("x7@privaterelay.appleid.example"), &json!("Ann Lee")));
    gateway.next_message("x7@privaterelay.appleid.example").await;
    let first = provider.last_exchange()["client_secret"].clone();

    // Again without a name, and with one that somebody made up: the profile stays as it is.
    gateway.advance(std::time::Duration::from_secs(1));
    let again = gateway.visitor();
    let trip = again.begin_oauth("apple").await;
    let callback = provider.approves(&again.visit(&trip.url).await.location(), &person);
    let back = again.post_back(&callback, &[("user", r#"{"name":{"firstName":"Mallory"}}"#)]).await;
    let outcome = again.try_complete_oauth(&back.code(), &trip.verifier).await.expect_done()["outcome"].clone();
    assert_eq!((&outcome["isNewUser"], &outcome["user"]["fullName"]), (&json!(false), &json!("Ann Lee")));
    assert_ne!(provider.last_exchange()["client_secret"], first, "signed anew");
    gateway.next_message("x7@privaterelay.appleid.example").await;
}

// E1, E12: a form from elsewhere is as good as none without the cookie; rubbish in it stays rubbish.
#[tokio::test]
async fn apples_form_is_held_to_state_and_cookie() {
    let (gateway, provider) = apple().await;
    let (visitor, stranger) = (gateway.visitor(), gateway.visitor());
    let trip = visitor.begin_oauth("apple").await;
    let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("001.a"));
    stranger.post_back(&callback, &[]).await.expect_lost();
    visitor.post_back(&callback, &[]).await.expect_lost();

    for user in ["", "{", "[]", "null", r#"{"name":"x"}"#, r#"{"name":{"firstName":7,"lastName":null}}"#, &"x".repeat(5000)] {
        let trip = visitor.begin_oauth("apple").await;
        let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new(&format!("002.{}", user.len())));
        let back = visitor.post_back(&callback, &[("user", user)]).await;
        visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_done();
    }
    let trip = visitor.begin_oauth("apple").await;
    let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("003"));
    assert_eq!(visitor.post_back(&callback, &[("user", &"x".repeat(20_000))]).await.status, 413);
    let trip = visitor.begin_oauth("apple").await;
    let denied = provider.refuses(&visitor.visit(&trip.url).await.location(), "user_cancelled_authorize");
    let back = visitor.post_back(&denied, &[]).await;
    visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_problem("PROVIDER_DENIED");
}

// E6, E12: the text "true" is a proof at Apple alone.
#[tokio::test]
async fn apples_true_is_apples() {
    let (gateway, provider) = apple().await;
    let owner = gateway.visitor().becomes_member("ann@example.com").await;
    gateway.next_message("ann@example.com").await;
    let says = |verified: &str| Person { claims: json!({"sub": verified, "email": "ann@example.com", "email_verified": verified}) };
    for (verified, is_owner) in [("false", false), ("True", false), ("true", true)] {
        let visitor = gateway.visitor();
        let trip = visitor.begin_oauth("apple").await;
        let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &says(verified));
        let back = visitor.post_back(&callback, &[]).await;
        let outcome = visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_done()["outcome"].clone();
        assert_eq!(outcome["user"]["id"] == json!(owner.user_id), is_owner, "{verified}");
    }
    gateway.expect_undelivered();
}

#[tokio::test]
async fn several_of_a_kind_stand_side_by_side() {
    let (one, two) = (FakeProvider::start(None).await, FakeProvider::start(None).await);
    let gateway = Gateway::start_with(|config| {
        config.providers.push(one.settings("work", ProviderKind::Oidc));
        config.providers.push(two.settings("school", ProviderKind::Oidc));
        config.oauth.redirect_uris = vec![HOME.to_owned()];
    })
    .await;
    for provider in [&one, &two] {
        provider.follow(&gateway.clock);
    }
    let member = gateway.visitor().sign_in_with("work", &one, &Person::new("s-1")).await;
    gateway.advance(std::time::Duration::from_secs(1));
    member.try_link("school", &two, &Person::new("s-1")).await.expect_done();
    let linked: Vec<Value> = member.identities().await.iter().map(|identity| identity["provider"].clone()).collect();
    assert_eq!(linked, ["work", "school"]);
    let back = gateway.visitor().sign_in_with("school", &two, &Person::new("s-1")).await;
    assert_eq!(back.user_id, member.user_id);
}
