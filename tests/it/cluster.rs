//! Two instances on one PostgreSQL and one Redis; and what becomes of either when something is killed.

mod killed_deletions;
mod kills;
mod outages;
mod postgres_process;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Closed, Gateway, Member, PASSWORD, until};

const SESSION_EVENTS: &str = "subscription ($after: String) { sessionEvents(after: $after) { cursor kind sessionId } }";

/// A second, the bar for what one instance does to be felt at the other.
const FELT: Duration = Duration::from_secs(1);

async fn lives(member: &Member) -> bool {
    member.graphql("{ me { id } }", json!({})).await.errors().is_empty()
}

/// How long it takes until a session is over where it is asked for.
async fn until_over(member: &Member) -> Duration {
    until("it ends", Duration::from_secs(10), async || !lives(member).await).await
}

// One deployment: tokens, codes, keys, limits and cursors of one are those of the other.
#[tokio::test]
async fn two_instances_are_one_deployment() {
    let Some((one, other)) = Gateway::start_pair().await else { return };
    let visitor = one.app_user();
    let challenge = visitor.sign_up("both@example.com", PASSWORD).await;
    let code = other.next_message("both@example.com").await.code();
    let member = visitor.at(&other).confirm(&challenge, &code).await;
    let here = member.at(&one);
    assert_eq!(here.me().await, member.me().await);
    let jwks = async |gateway: &Gateway| -> Value {
        let url = format!("http://{}/.well-known/jwks.json", gateway.address);
        gateway.client.get(url).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(jwks(&one).await, jwks(&other).await);
    // D4: a lost answer of one is given again by the other; D3: and its use here is known there.
    let first = member.tokens().refresh.unwrap();
    let lost = here.visitor.try_refresh(Some(&first)).await.expect_done()["tokens"].take();
    let again = member.visitor.try_refresh(Some(&first)).await.expect_done()["tokens"].take();
    assert_eq!(lost["refreshToken"], again["refreshToken"]);
    let used = here.visitor.graphql_with("{ me { id } }", json!({}), lost["accessToken"].as_str()).await;
    assert!(used.errors().is_empty(), "{}", used.body);
    one.advance(Duration::from_secs(10));
    member.visitor.try_refresh(Some(&first)).await.expect_problem("REFRESH_TOKEN_REUSED");
    until_over(&here).await;
}

// H21, D6: felt at once here and within a second there, on warm caches; by sockets with listeners and idle ones alike.
#[tokio::test]
async fn a_revocation_is_felt_within_a_second() {
    let Some((one, other)) = Gateway::start_pair().await else { return };
    let email = "everywhere@example.com";
    let member = one.app_user().becomes_member(email).await;
    for _ in 0..5 {
        let phone = one.app_user().sign_in(email, PASSWORD).await;
        let (here, there) = (phone.at(&one), phone.at(&other));
        assert!(lives(&here).await && lives(&there).await);
        let mut listening = there.socket().await;
        let id = listening.subscribe(SESSION_EVENTS, json!({"after": there.event_cursor().await})).await;
        let mut idle = there.socket().await;
        member.try_revoke(&phone.session_id).await.expect_done();
        let began = Instant::now();
        assert!(!lives(&here).await, "at once");
        assert!(until_over(&there).await < FELT);
        let event = listening.next(&id).await;
        assert_eq!((&event["kind"], &event["sessionId"]), (&json!("REVOKED"), &json!(phone.session_id)));
        let ended = Closed { code: 4401, reason: "Unauthorized".to_owned() };
        assert_eq!(listening.closed().await, ended);
        assert_eq!(idle.closed().await, ended);
        assert!(began.elapsed() < 2 * FELT, "{:?}", began.elapsed());
    }
}

// Events of one instance arrive live at the other, and a cursor of one goes on at the other.
#[tokio::test]
async fn events_cross_instances() {
    let Some((one, other)) = Gateway::start_pair().await else { return };
    let email = "events@example.com";
    let member = one.app_user().becomes_member(email).await;
    let mut socket = member.at(&other).socket().await;
    let id = socket.subscribe(SESSION_EVENTS, json!({"after": member.event_cursor().await})).await;
    let mut expected = Vec::new();
    for n in 0..6 {
        let gateway = if n % 2 == 0 { &one } else { &other };
        expected.push(gateway.app_user().sign_in(email, PASSWORD).await.session_id);
    }
    let mut cursors = Vec::new();
    for session_id in &expected {
        let event = socket.next(&id).await;
        assert_eq!((&event["kind"], &event["sessionId"]), (&json!("CREATED"), &json!(session_id)));
        cursors.push(event["cursor"].clone());
    }
    for (n, cursor) in cursors.iter().enumerate() {
        let mut socket = member.socket().await;
        let id = socket.subscribe(SESSION_EVENTS, json!({"after": cursor})).await;
        for session_id in &expected[n + 1..] {
            assert_eq!(&socket.next(&id).await["sessionId"], session_id);
        }
    }
}
