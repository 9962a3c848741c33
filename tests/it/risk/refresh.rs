//! A refresh asks nobody: what changed is scored, marks the session, and ends what was proved before.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ADA, HOUR, MINUTE, is_recent, is_warning, location, look, looks, member, moved, with_places};
use crate::support::{
    AuthenticatorApp, Member, PASSWORD,
    places::{BANGKOK, CHIANG_MAI, HIDDEN_IN_BERLIN, LONDON},
};

const SECOND: Duration = Duration::from_secs(1);

async fn is_trusted(member: &Member) -> Value {
    member.graphql("{ currentSession { trusted } }", json!({})).await.expect_field()["trusted"].clone()
}

#[tokio::test]
async fn where_nothing_changed_nothing_is_scored() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    for _ in 0..2 {
        ada.refresh().await;
        assert_eq!(looks(&ada).await, look(0, &[]));
    }
    // Another town within reach, and a newer browser.
    gateway.advance(HOUR);
    let ada = moved(&ada, CHIANG_MAI);
    ada.refresh().await;
    let newer = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0";
    let ada = ada.held_by(ada.visitor.with_user_agent(newer));
    ada.refresh().await;
    assert_eq!(looks(&ada).await, look(0, &[]));
    assert_eq!(location(&ada).await["city"], "Chiang Mai");
    assert!(!is_recent(&ada).await, "an hour is not recent");
}

// The session is marked at once: recency and trust end, its owner is told once, and a new proof makes it recent again.
#[tokio::test]
async fn a_risky_refresh_marks_the_session() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    ada.try_trust(&ada.session_id, true).await.expect_done();
    assert!(is_recent(&ada).await && is_trusted(&ada).await == true);
    let before = ada.event_cursor().await;
    let thief = moved(&ada, LONDON);
    let answer = thief.try_refresh().await.expect_done();
    assert_eq!(answer["session"]["status"], "SUSPICIOUS");
    thief.hold_tokens_of(&answer);
    assert_eq!(looks(&thief).await, look(70, &["NEW_COUNTRY", "IMPOSSIBLE_TRAVEL"]));
    assert_eq!(location(&thief).await["city"], "London");
    assert!(!is_recent(&thief).await && is_trusted(&thief).await == false);
    let mut socket = thief.socket().await;
    let events =
        socket.subscribe("subscription ($after: String) { sessionEvents(after: $after) { kind } }", json!({"after": before})).await;
    for kind in ["REFRESHED", "MARKED_SUSPICIOUS"] {
        assert_eq!(socket.next(&events).await["kind"], kind);
    }
    let warning = gateway.next_message(ADA).await;
    assert!(is_warning(&warning) && warning.text.contains(LONDON), "{warning:?}");
    // From now on it is there; what changes again is marked again, and told no more.
    thief.refresh().await;
    let elsewhere = moved(&thief, HIDDEN_IN_BERLIN);
    elsewhere.refresh().await;
    assert_eq!(looks(&elsewhere).await, look(100, &["NEW_COUNTRY", "IMPOSSIBLE_TRAVEL", "ANONYMOUS_NETWORK"]));
    let activity = elsewhere.graphql("{ me { activity { nodes { type } } } }", json!({})).await.expect_field();
    let rows = activity["activity"]["nodes"].as_array().unwrap();
    let of = |kind: &str| rows.iter().filter(|row| row["type"] == kind).count();
    assert_eq!((of("session_marked_suspicious"), of("device_trust_ended")), (2, 1), "{rows:?}");
    assert!(gateway.unread(ADA).await.is_empty());
    // It was its owner all the time: they say so.
    gateway.advance(SECOND);
    let answer = elsewhere.try_reauthenticate(PASSWORD).await.expect_done();
    elsewhere.hold_tokens_of(&answer);
    assert!(is_recent(&elsewhere).await);
    assert_eq!(looks(&elsewhere).await["status"], "SUSPICIOUS", "worth a look all the same");
    // Whoever was not ends it with the link of the message.
    gateway.visitor().try_disown(&warning.link_token()).await.expect_done();
    elsewhere.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
}

// A token that is given out once more, for its answer may have been lost, is given to nobody unseen.
#[tokio::test]
async fn the_parent_of_a_token_is_looked_at_too() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let parent = ada.tokens().refresh.unwrap();
    let answer = ada.try_refresh().await.expect_done();
    let again = moved(&ada, LONDON).visitor.try_refresh(Some(&parent)).await.expect_done();
    assert_eq!(again["tokens"]["refreshToken"], answer["tokens"]["refreshToken"]);
    assert_eq!(again["session"]["status"], "SUSPICIOUS");
    ada.hold_tokens_of(&answer);
    assert_eq!(looks(&ada).await, look(70, &["NEW_COUNTRY", "IMPOSSIBLE_TRAVEL"]));
    assert!(!is_recent(&ada).await && is_warning(&gateway.next_message(ADA).await));
}

// One change by itself is no alarm; the score is kept all the same, and the highest stays.
#[tokio::test]
async fn one_change_is_no_alarm() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let other = ada.held_by(ada.visitor.with_user_agent("curl/8.5.0"));
    other.refresh().await;
    assert_eq!(looks(&other).await, look(25, &["USER_AGENT_CHANGED"]));
    gateway.advance(13 * HOUR);
    let away = moved(&other, LONDON);
    away.refresh().await;
    assert_eq!(looks(&away).await, look(30, &["NEW_COUNTRY"]));
    let back = away.held_by(ada.visitor.clone());
    gateway.advance(13 * HOUR);
    moved(&back, LONDON).refresh().await;
    assert_eq!(looks(&back).await, look(30, &["NEW_COUNTRY"]), "25 is less");
    gateway.advance(2 * HOUR);
    let hidden = back.held_by(other.visitor.from_address(HIDDEN_IN_BERLIN));
    hidden.refresh().await;
    let all = ["NEW_COUNTRY", "USER_AGENT_CHANGED", "ANONYMOUS_NETWORK"];
    assert_eq!(looks(&hidden).await, look(85, &all));
    gateway.read_all(ADA).await;
}

// B15: where the second step is on, what was voided was the second factor, and only one makes it recent again.
#[tokio::test]
async fn a_second_factor_is_voided_too() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let (app, _) = ada.enable_totp(&gateway.clock).await;
    assert!(is_recent(&ada).await);
    let away = moved(&ada, LONDON);
    away.refresh().await;
    assert!(!is_recent(&away).await);
    AuthenticatorApp::wait(&gateway.clock);
    away.try_reauthenticate_with(json!({"totpCode": app.code(&gateway.clock)})).await.expect_done();
    assert!(is_recent(&away).await);
    // A proof given elsewhere than the last refresh is a proof.
    gateway.advance(11 * MINUTE);
    away.refresh().await;
    let home = moved(&away, BANGKOK);
    home.try_reauthenticate_with(json!({"totpCode": app.code(&gateway.clock)})).await.expect_done();
    assert!(is_recent(&home).await);
    assert_eq!(location(&home).await["city"], "Bangkok");
    gateway.read_all(ADA).await;
}

// D3: a theft is the highest score there is.
#[tokio::test]
async fn a_reused_token_has_the_highest_score() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let stolen = ada.tokens().refresh.unwrap();
    for _ in 0..2 {
        ada.refresh().await;
        ada.me().await;
    }
    gateway.advance(MINUTE);
    ada.visitor.try_refresh(Some(&stolen)).await.expect_problem("REFRESH_TOKEN_REUSED");
    let owner = ada.visitor.sign_in(ADA, PASSWORD).await;
    let query = "{ me { sessions(filter: {status: [REVOKED]}) { nodes { suspicious riskScore riskSignals } } } }";
    let me = owner.graphql(query, json!({})).await.expect_field();
    let expected = json!([{"suspicious": true, "riskScore": 100, "riskSignals": ["REFRESH_TOKEN_REUSED"]}]);
    assert_eq!(me["sessions"]["nodes"], expected);
    gateway.read_all(ADA).await;
}
