//! Many at once, on two instances: one state, one result, one new account.

use std::collections::HashSet;

use entity::{auth_providers, user_sessions, users};
use postern::config::ProviderKind;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;

use super::offer;
use crate::support::{
    Gateway,
    provider::{FakeProvider, Person},
};

const AT_ONCE: usize = 50;

/// Two instances on PostgreSQL and Redis where these were given, else one twice.
async fn pair() -> (Gateway, Option<Gateway>, FakeProvider) {
    let provider = FakeProvider::start(None).await;
    let gateway = Gateway::start_with(|config| offer(config, &provider, ProviderKind::Oidc)).await;
    provider.follow(&gateway.clock);
    let beside = if gateway.place.is_shared() {
        Some(gateway.start_beside_with(|config| offer(config, &provider, ProviderKind::Oidc)).await)
    } else {
        None
    };
    (gateway, beside, provider)
}

// E1: 50 callbacks with one state: one token call, one result; 50 completions of that: one session.
#[tokio::test]
async fn one_state_and_one_result_are_one() {
    let (gateway, beside, provider) = pair().await;
    let there = beside.as_ref().unwrap_or(&gateway);
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("s-1"));
    let visits = futures::future::join_all((0..AT_ONCE).map(|number| {
        let visitor = if number % 2 == 0 { visitor.clone() } else { visitor.at(there) };
        let callback = callback.clone();
        async move { visitor.visit(&callback).await }
    }))
    .await;
    let (through, lost): (Vec<_>, Vec<_>) = visits.iter().partition(|visit| visit.status == 303);
    assert_eq!((through.len(), lost.len(), provider.calls("/token")), (1, AT_ONCE - 1, 1));
    for visit in lost {
        visit.expect_lost();
    }

    let code = through[0].code();
    let answers = futures::future::join_all((0..AT_ONCE).map(|number| {
        let visitor = if number % 2 == 0 { gateway.app_user() } else { there.app_user() };
        let (code, verifier) = (code.clone(), trip.verifier.clone());
        async move { visitor.try_complete_oauth(&code, &verifier).await.expect_field() }
    }))
    .await;
    let signed_in = answers.iter().filter(|answer| answer["outcome"]["__typename"] == "SignedIn").count();
    let refused = answers.iter().filter(|answer| answer["problems"][0]["code"] == "CODE_INVALID").count();
    assert_eq!((signed_in, refused), (1, AT_ONCE - 1));
    let database = gateway.database().await;
    assert_eq!(user_sessions::Entity::find().count(&database).await.unwrap(), 1);
}

// One person who comes by many tabs at once for the first time is one account.
#[tokio::test]
async fn many_first_sign_ins_of_one_person_make_one_account() {
    let (gateway, beside, provider) = pair().await;
    let there = beside.as_ref().unwrap_or(&gateway);
    for person in [Person::new("s-1"), Person::with_email("s-2", "ann@example.com")] {
        let mut results = Vec::new();
        for number in 0..20 {
            let visitor = if number % 2 == 0 { gateway.app_user() } else { there.app_user() };
            let browser = if number % 2 == 0 { gateway.visitor() } else { there.visitor() };
            let trip = visitor.begin_oauth("acme").await;
            let callback = provider.approves(&browser.visit(&trip.url).await.location(), &person);
            results.push((visitor, browser.visit(&callback).await.code(), trip.verifier));
        }
        let outcomes =
            futures::future::join_all(results.into_iter().map(|(visitor, code, kept)| async move {
                visitor.try_complete_oauth(&code, &kept).await.expect_done()["outcome"].clone()
            }))
            .await;
        let ids: HashSet<String> = outcomes.iter().map(|outcome| outcome["user"]["id"].to_string()).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| outcome["isNewUser"] == json!(true)).count(), 1);
    }
    let database = gateway.database().await;
    assert_eq!(users::Entity::find().count(&database).await.unwrap(), 2);
    assert_eq!(auth_providers::Entity::find().count(&database).await.unwrap(), 2);
    gateway.expect_undelivered();
}

// Two people with one address that both proved at the provider: one account has it, and both get in.
#[tokio::test]
async fn an_address_is_proved_once_however_many_come_with_it() {
    let (gateway, beside, provider) = pair().await;
    let there = beside.as_ref().unwrap_or(&gateway);
    let mut results = Vec::new();
    for number in 0..10 {
        let at = if number % 2 == 0 { &gateway } else { there };
        let (visitor, browser) = (at.app_user(), at.visitor());
        let trip = visitor.begin_oauth("acme").await;
        let person = Person::with_email(&format!("s-{number}"), "ann@example.com");
        let callback = provider.approves(&browser.visit(&trip.url).await.location(), &person);
        results.push((visitor, browser.visit(&callback).await.code(), trip.verifier));
    }
    let outcomes = futures::future::join_all(
        results
            .into_iter()
            .map(|(visitor, code, kept)| async move { visitor.try_complete_oauth(&code, &kept).await.expect_done()["outcome"].clone() }),
    )
    .await;
    let ids: HashSet<String> = outcomes.iter().map(|outcome| outcome["user"]["id"].to_string()).collect();
    assert_eq!((ids.len(), auth_providers::Entity::find().count(&gateway.database().await).await.unwrap()), (1, 10));
    gateway.expect_undelivered();
}

// The last way in is kept, also where two of them are removed at once.
#[tokio::test]
async fn two_unlinks_at_once_leave_one() {
    let (gateway, beside, provider) = pair().await;
    let there = beside.as_ref().unwrap_or(&gateway);
    for round in 0..5 {
        let member = gateway.app_user().sign_in_with("acme", &provider, &Person::new(&format!("a-{round}"))).await;
        member.try_link("acme", &provider, &Person::new(&format!("b-{round}"))).await.expect_done();
        let linked = member.identities().await;
        let ids: Vec<&str> = linked.iter().map(|identity| identity["id"].as_str().unwrap()).collect();
        let elsewhere = member.at(there);
        let (one, two) = tokio::join!(member.try_unlink(ids[0]), elsewhere.try_unlink(ids[1]));
        let done = [one, two].into_iter().filter(|answer| answer.data()["unlinkIdentity"]["problems"] == json!([])).count();
        assert_eq!((done, member.identities().await.len()), (1, 1));
    }
}
