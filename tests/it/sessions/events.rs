//! What is told of sessions and accounts live: by socket and by stream, from cursors, to the right people, until the session ends.

use std::time::{Duration, Instant};

use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};

use super::{app_member, second_device, works};
use crate::support::{Closed, Frame, Gateway, Member, PASSWORD, Socket};

const SESSION_EVENTS: &str =
    "subscription ($after: String) { sessionEvents(after: $after) { id cursor kind sessionId userId at session { id status } } }";
const ACCOUNT_EVENTS: &str = "subscription ($after: String) { accountEvents(after: $after) { id cursor kind userId } }";

/// A second for the end of a session to arrive; some more for a machine with much to do.
const SOON: Duration = Duration::from_secs(1);

async fn listen(member: &Member, after: &str) -> (Socket, String) {
    let mut socket = member.socket().await;
    let id = socket.subscribe(SESSION_EVENTS, json!({"after": after})).await;
    (socket, id)
}

fn is(event: &Value, kind: &str, session_id: &str) {
    assert_eq!((&event["kind"], &event["sessionId"]), (&json!(kind), &json!(session_id)), "{event}");
}

/// The code with which a cursor is refused: the only answer of its operation.
async fn refusal(socket: &mut Socket, after: &str) -> Value {
    let id = socket.subscribe(SESSION_EVENTS, json!({"after": after})).await;
    socket.errors(&id).await[0]["extensions"]["code"].take()
}

fn ended() -> Closed {
    Closed { code: 4401, reason: "Unauthorized".to_owned() }
}

// The main job: another device's sign-in and its end arrive live.
#[tokio::test]
async fn another_devices_sign_in_and_end_arrive_live() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "live@example.com").await;
    let mut socket = member.socket().await;
    let sessions = socket.subscribe(SESSION_EVENTS, json!({"after": member.event_cursor().await})).await;
    let account = socket.subscribe(ACCOUNT_EVENTS, json!({"after": member.event_cursor().await})).await;
    let phone = second_device(&gateway, "live@example.com").await;
    let event = socket.next(&sessions).await;
    is(&event, "CREATED", &phone.session_id);
    assert_eq!((&event["userId"], &event["session"]["status"]), (&json!(member.user_id), &json!("ACTIVE")));
    phone.refresh().await;
    is(&socket.next(&sessions).await, "REFRESHED", &phone.session_id);
    phone.sign_out().await;
    is(&socket.next(&sessions).await, "REVOKED", &phone.session_id);
    member.try_change_password(PASSWORD, "another-Sundial 58 kettle").await.expect_done();
    assert_eq!(socket.next(&account).await["kind"], "PASSWORD_CHANGED");
}

// Replay: from `eventCursor`, and from the cursor of each event, everything after it comes, once and in order, then what is live.
#[tokio::test]
async fn a_replay_misses_nothing() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "replay@example.com").await;
    let start = member.event_cursor().await;
    let mut expected = Vec::new();
    for _ in 0..4 {
        let other = second_device(&gateway, "replay@example.com").await;
        expected.push(("CREATED", other.session_id.clone()));
        other.sign_out().await;
        expected.push(("REVOKED", other.session_id.clone()));
    }
    let (mut socket, id) = listen(&member, &start).await;
    let mut cursors = Vec::new();
    for (kind, session_id) in &expected {
        let event = socket.next(&id).await;
        is(&event, kind, session_id);
        cursors.push(event["cursor"].as_str().unwrap().to_owned());
    }
    // Also after a restart.
    let gateway = gateway.restart().await;
    let member = member.at(&gateway);
    for (n, cursor) in cursors.iter().enumerate() {
        let (mut socket, id) = listen(&member, cursor).await;
        for (kind, session_id) in &expected[n + 1..] {
            is(&socket.next(&id).await, kind, session_id);
        }
        let other = second_device(&gateway, "replay@example.com").await;
        is(&socket.next(&id).await, "CREATED", &other.session_id);
        expected.push(("CREATED", other.session_id.clone()));
    }
}

// H22: cursors of somebody else, changed ones and old ones are refused; nobody hears of others.
#[tokio::test]
async fn a_cursor_is_for_its_reader_and_for_thirty_days() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "reader@example.com").await;
    let stranger = app_member(&gateway, "eavesdropper@example.com").await;
    let cursor = member.event_cursor().await;
    let foreign = stranger.event_cursor().await;
    let mut flipped = cursor.clone().into_bytes();
    flipped[10] = if flipped[10] == b'A' { b'B' } else { b'A' };
    let mut socket = member.socket().await;
    for wrong in [foreign.as_str(), &String::from_utf8(flipped).unwrap(), &cursor[1..], "", "x", &"A".repeat(5_000)] {
        assert_eq!(refusal(&mut socket, wrong).await, "BAD_REQUEST", "{wrong}");
    }
    let (mut listening, id) = listen(&member, &cursor).await;
    second_device(&gateway, "eavesdropper@example.com").await;
    let own = second_device(&gateway, "reader@example.com").await;
    // The first to come is one's own.
    is(&listening.next(&id).await, "CREATED", &own.session_id);

    gateway.advance(Duration::from_hours(24 * 29));
    member.refresh().await;
    let (mut socket, id) = listen(&member, &cursor).await;
    is(&socket.next(&id).await, "CREATED", &own.session_id);
    gateway.advance(Duration::from_hours(24) + Duration::from_millis(1));
    member.refresh().await;
    let mut socket = member.socket().await;
    assert_eq!(refusal(&mut socket, &cursor).await, "CURSOR_EXPIRED");
}

// H21, C4: the stream of an ended session says so, and its socket closes with 4401 within a second; so does an idle one.
#[tokio::test]
async fn an_ended_session_closes_its_sockets() {
    let gateway = Gateway::start().await;
    let email = "closing@example.com";
    let member = app_member(&gateway, email).await;
    for way in ["signOut", "revokeSession", "revokeOtherSessions", "changePassword", "theft"] {
        let other =
            if way == "changePassword" { gateway.app_user().sign_in(email, PASSWORD).await } else { second_device(&gateway, email).await };
        let before = other.tokens().refresh.unwrap();
        let (mut listening, id) = listen(&other, &other.event_cursor().await).await;
        let mut idle = other.socket().await;
        let mut began = Instant::now();
        match way {
            "signOut" => other.sign_out().await,
            "revokeSession" => drop(member.try_revoke(&other.session_id).await.expect_done()),
            "revokeOtherSessions" => drop(member.revoke_others().await),
            "changePassword" => drop(member.try_change_password(PASSWORD, "another-Sundial 58 kettle").await.expect_done()),
            _ => {
                // Told before the end comes: that goes ahead of what other databases of the server hold back.
                for _ in 0..2 {
                    other.refresh().await;
                    is(&listening.next(&id).await, "REFRESHED", &other.session_id);
                }
                began = Instant::now();
                other.visitor.try_refresh(Some(&before)).await.expect_problem("REFRESH_TOKEN_REUSED");
            }
        }
        let event = listening.next(&id).await;
        is(&event, "REVOKED", &other.session_id);
        assert_eq!(event["session"]["status"], "REVOKED");
        assert_eq!(listening.closed().await, ended(), "{way}");
        assert_eq!(idle.closed().await, ended(), "{way}");
        assert!(began.elapsed() < 2 * SOON, "{way}: {:?}", began.elapsed());
        assert!(!works(&other, &other.tokens().access).await);
        if way == "theft" {
            break;
        }
        if way == "changePassword" {
            // Back to the password of every test.
            member.try_change_password("another-Sundial 58 kettle", PASSWORD).await.expect_done();
        }
    }
    gateway.expect_undelivered();
}

// H21, D5: a session that expires says so and closes its sockets, though nobody does anything.
#[tokio::test]
async fn an_expired_session_closes_its_sockets() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "expiring@example.com").await;
    let (mut listening, _) = listen(&member, &member.event_cursor().await).await;
    let mut idle = member.socket().await;
    // An access token's end is none of a socket's.
    gateway.advance(Duration::from_hours(1));
    let other = second_device(&gateway, "expiring@example.com").await;
    assert!(
        matches!(listening.frame().await, Frame::Message(message) if message["payload"]["data"]["sessionEvents"]["sessionId"] == other.session_id)
    );
    gateway.advance(Duration::from_hours(24 * 30));
    let mut last = serde_json::Value::Null;
    let closed = loop {
        match listening.frame().await {
            Frame::Message(message) if message["type"] == "next" => last = message["payload"]["data"]["sessionEvents"].clone(),
            Frame::Message(_) => {}
            Frame::Closed(closed) => break closed,
        }
    };
    is(&last, "EXPIRED", &member.session_id);
    assert_eq!(closed, ended());
    assert_eq!(idle.closed().await, ended());
}

// An expired access token at the beginning: refresh and come again.
#[tokio::test]
async fn an_expired_token_is_told_to_refresh() {
    use reqwest::header::HeaderMap;

    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "stale@example.com").await;
    gateway.advance(Duration::from_mins(10));
    let close_of = async |token: &str| {
        let mut socket = Socket::open(gateway.door(), HeaderMap::new()).await.unwrap();
        socket.send(json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}})).await;
        socket.closed().await.code
    };
    assert_eq!(close_of(&member.tokens().access).await, 4403);
    assert_eq!(close_of("forged").await, 4401);
    member.refresh().await;
    let token = member.tokens().access;
    member.sign_out().await;
    assert_eq!(close_of(&token).await, 4401);
}

// H18: another site's page gets no socket, and one that hides where it comes from none of its cookies.
#[tokio::test]
async fn a_foreign_origin_gets_no_socket() {
    use reqwest::header::{COOKIE, HeaderMap, ORIGIN};

    let gateway = Gateway::start().await;
    let browser = gateway.visitor().becomes_member("tabs@example.com").await;
    let cookies = browser.visitor.cookies().header().unwrap();
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let headers = HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap()), (COOKIE, cookies.parse().unwrap())]);
        assert_eq!(Socket::open(gateway.door(), headers).await.err(), Some(403), "{origin}");
    }
    let mut socket = Socket::open(gateway.door(), HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())])).await.unwrap();
    socket.send(json!({"type": "connection_init"})).await;
    socket.frame().await;
    let id = socket.subscribe(SESSION_EVENTS, json!({})).await;
    match socket.frame().await {
        Frame::Message(message) => {
            assert_eq!((&message["id"], &message["type"]), (&json!(id), &json!("error")), "{message}");
            assert_eq!(message["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
        }
        Frame::Closed(closed) => assert_eq!(closed.code, 4401),
    }
    // With its own origin the cookie is enough.
    let mut socket = browser.visitor.socket().await;
    let id = socket.subscribe(SESSION_EVENTS, json!({"after": browser.event_cursor().await})).await;
    browser.visitor.try_refresh(None).await.expect_done();
    is(&socket.next(&id).await, "REFRESHED", &browser.session_id);
}

// The same by server-sent events: live, replayed, and over with the session.
#[tokio::test]
async fn a_stream_tells_the_same() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "sse@example.com").await;
    let body = json!({"query": SESSION_EVENTS, "variables": {"after": member.event_cursor().await}});
    let request = member.visitor.request(Method::POST, "/graphql/stream").bearer_auth(member.tokens().access);
    let mut response = request.header(ACCEPT, "text/event-stream").json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut text = String::new();
    let mut read_to = async |words: &str| {
        while !text.contains(words) {
            let chunk = tokio::time::timeout(Duration::from_secs(5), response.chunk()).await.expect("something comes");
            text.push_str(std::str::from_utf8(&chunk.unwrap().expect("it goes on")).unwrap());
        }
        text.clone()
    };
    let phone = second_device(&gateway, "sse@example.com").await;
    read_to(&phone.session_id).await;
    member.sign_out().await;
    let told = read_to("event: complete").await;
    let kinds: Vec<&str> =
        told.match_indices("\"kind\":\"").map(|(at, found)| told[at + found.len()..].split('"').next().unwrap()).collect();
    assert_eq!(kinds, ["CREATED", "REVOKED"], "{told}");
}
