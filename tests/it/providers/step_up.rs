//! Proving again by a provider that is linked.

use serde_json::json;

use super::{World, change_user};
use crate::support::{
    oauth::verifier,
    provider::{Person, read},
};

const EMAIL: &str = "ann@example.com";

#[tokio::test]
async fn a_linked_provider_makes_a_session_recent() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.app_user().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    member.try_begin_oauth("acme", "REAUTHENTICATE", &verifier("x")).await.expect_problem("METHOD_DISABLED");
    assert_eq!(member.reauthentication_methods().await, json!(["PASSWORD"]));
    member.try_link("acme", &provider, &Person::new("s-1")).await.expect_done();
    gateway.next_message(EMAIL).await;
    assert_eq!(member.reauthentication_methods().await, json!(["PASSWORD", "OAUTH"]));

    gateway.advance(gateway.config.sessions.recent);
    member.refresh().await;
    member.try_export_account().await.expect_error("REAUTHENTICATION_REQUIRED");
    let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &Person::new("s-1")).await;
    let done = member.try_reauthenticate_by_oauth(&code, &kept).await.expect_done();
    assert_eq!(done["session"]["id"], json!(member.session_id));
    member.try_export_account().await.expect_done();
    member.try_reauthenticate_by_oauth(&code, &kept).await.expect_problem("CODE_INVALID");
}

// B15
#[tokio::test]
async fn only_this_session_and_this_identity_prove_it() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.app_user().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    let stranger = gateway.app_user().sign_in_with("acme", &provider, &Person::new("s-2")).await;
    let elsewhere = gateway.app_user().sign_in_with("acme", &provider, &Person::new("s-1")).await;

    let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &Person::new("s-2")).await;
    member.try_reauthenticate_by_oauth(&code, &kept).await.expect_problem("IDENTITY_CONFLICT");
    let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &Person::new("s-3")).await;
    member.try_reauthenticate_by_oauth(&code, &kept).await.expect_problem("IDENTITY_CONFLICT");
    for other in [&stranger, &elsewhere] {
        let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &Person::new("s-1")).await;
        other.try_reauthenticate_by_oauth(&code, &kept).await.expect_problem("CODE_INVALID");
    }
    let trip = verifier("denied");
    let url = member.try_begin_oauth("acme", "REAUTHENTICATE", &trip).await.expect_done()["authorizationUrl"].as_str().unwrap().to_owned();
    let away = member.visitor.visit(&url).await.location();
    let back = gateway.visitor().visit(&provider.refuses(&away, "access_denied")).await;
    back.expect_lost();
}

// B15: where a second factor is on, a provider is not enough.
#[tokio::test]
async fn a_second_factor_cannot_be_stepped_over() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.app_user().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &Person::new("s-1")).await;
    let now = gateway.clock.now();
    change_user(&gateway, &member.user_id, |row| row.totp_enabled_at = Some(now)).await;
    member.try_reauthenticate_by_oauth(&code, &kept).await.expect_problem("METHOD_DISABLED");
    gateway.app().live_sessions.invalidate_user(member.user_id.parse().unwrap());
    assert_eq!(member.reauthentication_methods().await, json!(["TOTP"]));
    member.try_begin_oauth("acme", "REAUTHENTICATE", &verifier("x")).await.expect_problem("METHOD_DISABLED");
}

// Recent means recent at the provider too, where that can be asked for.
#[tokio::test]
async fn a_proof_of_long_ago_at_the_provider_is_none() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.app_user().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    let now = gateway.clock.now().millis() / 1000;
    let url = member.try_begin_oauth("acme", "REAUTHENTICATE", &verifier("y")).await.expect_done()["authorizationUrl"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(read(&gateway.visitor().visit(&url).await.location()).1["max_age"], "600");
    // Asked for it, a provider has to tell; and nobody has been there already in a minute's time.
    for (auth_time, holds) in [(json!(now - 30), true), (json!(now - 700), false), (json!(now + 120), false), (json!(null), false)] {
        let person = Person { claims: json!({"sub": "s-1", "auth_time": auth_time}) };
        let (code, kept) = member.travels_for("REAUTHENTICATE", "acme", &provider, &person).await;
        let answer = member.try_reauthenticate_by_oauth(&code, &kept).await;
        if holds {
            answer.expect_done();
        } else {
            answer.expect_problem("PROVIDER_FAILED");
        }
    }
}
