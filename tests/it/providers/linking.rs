//! Linking and unlinking: by whoever is signed in and has just proved it, and never somebody else's.

use std::time::Duration;

use entity::known_devices;
use sea_orm::{EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;

use super::{World, change_user};
use crate::support::{
    PASSWORD,
    oauth::verifier,
    provider::{FakeProvider, Person},
};

const EMAIL: &str = "ann@example.com";

// E13: linking takes a recent proof at both ends, in the same session.
#[tokio::test]
async fn a_link_takes_the_same_recent_session_at_both_ends() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.app_user().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    let person = Person::new("s-1");
    let kept = verifier("x");

    // Whoever is not signed in, and who proved it too long ago, as the guard says it.
    gateway.visitor().try_begin_oauth(json!({"provider": "acme", "redirectUri": crate::support::oauth::HOME, "codeChallenge": crate::support::oauth::challenge(&kept), "intent": "LINK"})).await.expect_error("UNAUTHENTICATED");
    gateway.visitor().try_begin_oauth(json!({"provider": "acme", "redirectUri": crate::support::oauth::HOME, "codeChallenge": crate::support::oauth::challenge(&kept), "intent": "REAUTHENTICATE"})).await.expect_error("UNAUTHENTICATED");
    gateway.advance(gateway.config.sessions.recent);
    member.refresh().await;
    member.try_begin_oauth("acme", "LINK", &kept).await.expect_error("REAUTHENTICATION_REQUIRED");

    let tokens = member.try_reauthenticate(PASSWORD).await.expect_done();
    let member = gateway.app_user().sign_in(EMAIL, PASSWORD).await;
    drop(tokens);
    gateway.next_message(EMAIL).await;
    let (code, kept) = member.travels_for("LINK", "acme", &provider, &person).await;
    // Another session of the same user, and nobody.
    let elsewhere = gateway.app_user().sign_in(EMAIL, PASSWORD).await;
    gateway.next_message(EMAIL).await;
    member.visitor.try_complete_oauth(&code, &kept).await.expect_error("UNAUTHENTICATED");
    elsewhere.try_complete_oauth(&code, &kept).await.expect_problem("CODE_INVALID");
    // That used it up.
    member.try_complete_oauth(&code, &kept).await.expect_problem("CODE_INVALID");
    assert!(member.identities().await.is_empty());

    // Too late at the end: nothing is used up, and it goes on after a proof.
    gateway.advance(gateway.config.sessions.recent.saturating_sub(Duration::from_secs(30)));
    member.refresh().await;
    let (code, kept) = member.travels_for("LINK", "acme", &provider, &person).await;
    gateway.advance(Duration::from_secs(40));
    member.try_complete_oauth(&code, &kept).await.expect_error("REAUTHENTICATION_REQUIRED");
    member.try_reauthenticate(PASSWORD).await.expect_done();
    let outcome = member.try_complete_oauth(&code, &kept).await.expect_done()["outcome"].clone();
    assert_eq!((&outcome["__typename"], &outcome["user"]["id"]), (&json!("IdentityLinked"), &json!(member.user_id)));
    assert_eq!((&outcome["identity"]["provider"], &outcome["identity"]["lastUsedAt"]), (&json!("acme"), &json!(null)));
    assert!(gateway.next_message(EMAIL).await.text.contains("The acme"));

    let signed_in = gateway.visitor().sign_in_with("acme", &provider, &person).await;
    assert_eq!(signed_in.user_id, member.user_id);
    gateway.next_message(EMAIL).await;
}

// E1: what was begun for one thing is good for nothing else.
#[tokio::test]
async fn an_intent_is_kept_to() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    member.try_link("acme", &provider, &Person::new("s-1")).await.expect_done();
    gateway.next_message(EMAIL).await;
    for (intent, outcome) in [("SIGN_IN", "CODE_INVALID"), ("LINK", "CODE_INVALID")] {
        let (code, kept) = member.travels_for(intent, "acme", &provider, &Person::new("s-1")).await;
        member.try_reauthenticate_by_oauth(&code, &kept).await.expect_problem(outcome);
    }
    let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &Person::new("s-1")).await;
    member.try_complete_oauth(&code, &kept).await.expect_problem("CODE_INVALID");
    let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &Person::new("s-1")).await;
    gateway.visitor().try_complete_oauth(&code, &kept).await.expect_problem("CODE_INVALID");
    // Signed in or not, to sign in is to sign in.
    let (code, kept) = member.travels_for("SIGN_IN", "acme", &provider, &Person::new("s-9")).await;
    let outcome = member.try_complete_oauth(&code, &kept).await.expect_done()["outcome"].clone();
    assert_eq!((&outcome["__typename"], &outcome["isNewUser"]), (&json!("SignedIn"), &json!(true)));
    assert_ne!(member.me().await["id"], json!(member.user_id), "the browser is somebody else now");
}

// E7: a second account at the provider is not the first.
#[tokio::test]
async fn an_identity_belongs_to_one_account() {
    let World { gateway, provider } = World::new().await;
    let ann = gateway.visitor().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    let bob = gateway.visitor().sign_in_with("acme", &provider, &Person::new("bobs")).await;
    ann.try_link("acme", &provider, &Person::new("bobs")).await.expect_problem("IDENTITY_CONFLICT");
    assert!(ann.identities().await.is_empty());
    let first = ann.try_link("acme", &provider, &Person::new("anns")).await.expect_done()["outcome"]["identity"].clone();
    gateway.next_message(EMAIL).await;
    let again = ann.try_link("acme", &provider, &Person::new("anns")).await.expect_done()["outcome"]["identity"].clone();
    assert_eq!(again, first, "linking again changes nothing");
    assert!(gateway.unread(EMAIL).await.is_empty());
    bob.try_link("acme", &provider, &Person::new("anns")).await.expect_problem("IDENTITY_CONFLICT");
    assert_eq!((bob.identities().await.len(), ann.identities().await.len()), (1, 1));
}

// E5: the same subject at two issuers is two people.
#[tokio::test]
async fn a_subject_counts_at_its_issuer_alone() {
    let other = FakeProvider::start(None).await;
    let World { gateway, provider } =
        World::with(|config| config.providers.push(other.settings("other", postern::config::ProviderKind::Oidc))).await;
    other.follow(&gateway.clock);
    let one = gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    let two = gateway.visitor().sign_in_with("other", &other, &Person::new("s-1")).await;
    assert_ne!(one.user_id, two.user_id);
}

// E13, C16
#[tokio::test]
async fn unlinking_takes_a_recent_proof_and_leaves_a_way_in() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.app_user().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    let linked = member.try_link("acme", &provider, &Person::new("s-1")).await.expect_done()["outcome"]["identity"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    gateway.next_message(EMAIL).await;
    let bob = gateway.app_user().sign_in_with("acme", &provider, &Person::new("s-2")).await;
    let bobs = bob.identities().await[0]["id"].as_str().unwrap().to_owned();

    for wrong in [bobs.as_str(), "x", "", "00000000-0000-0000-0000-000000000000"] {
        let problem = member.try_unlink(wrong).await.expect_problem("NOT_FOUND");
        assert_eq!(problem["path"], json!(["input", "identityId"]));
    }
    bob.try_unlink(&bobs).await.expect_problem("LAST_SIGN_IN_METHOD");
    assert_eq!(bob.identities().await.len(), 1);

    gateway.advance(gateway.config.sessions.recent);
    member.refresh().await;
    member.try_unlink(&linked).await.expect_error("REAUTHENTICATION_REQUIRED");
    let member = gateway.app_user().sign_in(EMAIL, PASSWORD).await;
    gateway.next_message(EMAIL).await;
    let trust = known_devices::Entity::update_many()
        .col_expr(known_devices::Column::TrustedUntil, Expr::value(gateway.clock.now() + Duration::from_hours(24)))
        .filter(sea_orm::ColumnTrait::eq(&known_devices::Column::UserId, member.user_id.parse::<uuid::Uuid>().unwrap()));
    trust.exec(&gateway.database().await).await.unwrap();
    let left = member.try_unlink(&linked).await.expect_done();
    assert_eq!(left["user"]["identities"], json!([]));
    assert!(gateway.next_message(EMAIL).await.text.contains("The acme"));
    let devices = known_devices::Entity::find().all(&gateway.database().await).await.unwrap();
    assert!(devices.iter().all(|device| device.trusted_until.is_none()), "trust ends");
    member.try_unlink(&linked).await.expect_problem("NOT_FOUND");
    let stranger = gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    assert!(stranger.is_new_user && stranger.user_id != member.user_id);
}

#[tokio::test]
async fn the_last_way_in_is_kept_whatever_it_is() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    let first = member.identities().await[0]["id"].as_str().unwrap().to_owned();
    member.try_link("acme", &provider, &Person::new("s-2")).await.expect_done();
    member.try_unlink(&first).await.expect_done();
    let second = member.identities().await[0]["id"].as_str().unwrap().to_owned();
    member.try_unlink(&second).await.expect_problem("LAST_SIGN_IN_METHOD");
    // A name and a password are a way in, but an account needs a contact or a provider.
    change_user(&gateway, &member.user_id, |row| row.username = Some("ann".to_owned())).await;
    member.try_set_password(PASSWORD).await.expect_done();
    member.try_unlink(&second).await.expect_problem("CONTACT_REQUIRED");
    // And a provider lets go of the number.
    let phone = Some("+66812345678".to_owned());
    change_user(&gateway, &member.user_id, |row| {
        (row.phone, row.phone_verified_at, row.password_hash) = (phone, Some(row.created_at), None);
    })
    .await;
    member.graphql("mutation { removePhone { problems { code } } }", json!({})).await.expect_done();
    gateway.expect_undelivered();
}

// E10: a provider that is configured no more is no way in.
#[tokio::test]
async fn a_provider_that_is_gone_counts_for_nothing() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.app_user().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    member.try_link("acme", &provider, &Person::new("s-1")).await.expect_done();
    gateway.next_message(EMAIL).await;
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("s-1"));
    let second = visitor.begin_oauth("acme").await;
    let code = visitor.travels(&second, &provider, &Person::new("s-1")).await.code();

    let without = gateway.start_beside_with(|config| config.rate_limits.enabled = false).await;
    visitor.at(&without).visit(&callback).await.expect_lost();
    visitor.at(&without).visit(&trip.url).await.expect_lost();
    if gateway.place.is_shared() {
        visitor.at(&without).try_complete_oauth(&code, &second.verifier).await.expect_problem("PROVIDER_FAILED");
    }
    let member = member.at(&without);
    assert_eq!(member.reauthentication_methods().await, json!(["PASSWORD"]));
    // Its row can be removed all the same.
    let linked = member.identities().await[0]["id"].as_str().unwrap().to_owned();
    member.try_unlink(&linked).await.expect_done();
    assert!(gateway.next_message(EMAIL).await.text.contains("acme"));
}
