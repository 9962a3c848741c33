//! A provider is one factor: whoever has a second one is asked for it, and what is to be linked waits for it too.

use entity::users;
use postern::flows::{caller::Identity, change::Change, provider_identity, second_step};
use serde_json::json;

use super::{World, change_user};
use crate::support::{Gateway, provider::Person};

const EMAIL: &str = "ann@example.com";

async fn with_totp(gateway: &Gateway, id: &str) {
    let now = gateway.clock.now();
    change_user(gateway, id, |row| row.totp_enabled_at = Some(now)).await;
}

// B13, E10
#[tokio::test]
async fn a_second_factor_is_asked_for_before_anything_is_linked() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    with_totp(&gateway, &member.user_id).await;
    let visitor = gateway.visitor();
    let person = Person::with_email("s-1", EMAIL);
    let outcome = visitor.try_sign_in_with("acme", &provider, &person).await.expect_done()["outcome"].clone();
    assert_eq!((&outcome["__typename"], &outcome["methods"]), (&json!("SecondFactorRequired"), &json!(["TOTP"])));
    assert_eq!(visitor.cookies().get("postern_access"), None);
    assert!(member.identities().await.is_empty(), "not before the second factor");

    // What waits is what the provider said, for this account; then the second step links it.
    let app = gateway.app();
    let now = gateway.clock.now();
    let token = outcome["loginToken"].as_str().unwrap();
    let (attempt, _) = gateway.inside(second_step::find(app, token, now)).await.unwrap().unwrap();
    let identity = attempt.identity.clone().unwrap();
    assert_eq!((attempt.user_id.to_string(), identity.subject.as_str()), (member.user_id.clone(), "s-1"));
    let caller = postern::flows::caller::Caller {
        request_id: "r".to_owned(),
        ip: "198.51.100.7".parse().unwrap(),
        user_agent: None,
        locale: None,
        device_token: None,
        refresh_cookie: None,
        method: "POST",
        path: "/graphql",
        params: None,
        identity: Identity::Anonymous,
    };
    let link = async || {
        let user = users::Model { id: attempt.user_id, ..users::Model::new(attempt.user_id, now) };
        let mut change = Change::begin(app, &caller, now).await.unwrap();
        let linked = provider_identity::link(app, &caller, &mut change, &user, &identity).await.unwrap();
        if linked {
            change.commit().await.unwrap();
        } else {
            change.abandon().await.unwrap();
        }
        linked
    };
    // The address was given up since the first factor: nothing is linked by it any more.
    change_user(&gateway, &member.user_id, |row| row.email = Some("moved@example.com".to_owned())).await;
    assert!(!gateway.inside(link()).await);
    change_user(&gateway, &member.user_id, |row| row.email = Some(EMAIL.to_owned())).await;
    assert!(gateway.inside(link()).await && gateway.inside(link()).await);
    assert_eq!(member.identities().await.len(), 1);
    gateway.expect_undelivered();
}

// B13
#[tokio::test]
async fn a_linked_provider_is_still_one_factor() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    with_totp(&gateway, &member.user_id).await;
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    let code = visitor.travels(&trip, &provider, &Person::new("s-1")).await.code();
    let outcome = visitor.try_complete_oauth(&code, &trip.verifier).await.expect_done()["outcome"].clone();
    assert_eq!(outcome["__typename"], "SecondFactorRequired");
    // The first factor is used up by that.
    visitor.try_complete_oauth(&code, &trip.verifier).await.expect_problem("CODE_INVALID");
}
