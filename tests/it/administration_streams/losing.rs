//! A right that is lost while somebody listens: refused and closed within a second, at every instance, and nothing is told after it.

use std::time::{Duration, Instant};

use entity::{account_events::Kind, users};
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION},
};
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};

use super::{ALL_SESSIONS, ALL_USERS, administrator, set, set_role, signs_in};
use crate::support::{Closed, Frame, Gateway, Member, Socket, until};

const FELT: Duration = Duration::from_secs(1);

/// One instance where things are done, and another where somebody listens: the same where there are no two.
async fn instances() -> (Gateway, Option<Gateway>) {
    match Gateway::start_pair().await {
        Some((one, other)) => (one, Some(other)),
        None => (Gateway::start().await, None),
    }
}

/// All that comes until the socket closes, and how.
async fn rest(socket: &mut Socket) -> (Vec<Value>, Closed) {
    let mut messages = Vec::new();
    loop {
        match socket.frame().await {
            Frame::Message(message) => messages.push(message),
            Frame::Closed(closed) => return (messages, closed),
        }
    }
}

async fn until_forbidden(member: &Member) -> Duration {
    until("it is refused", Duration::from_secs(10), async || {
        let request = member.visitor.request(Method::POST, "/graphql/stream").header(ACCEPT, "text/event-stream");
        let request = request.header(AUTHORIZATION, format!("Bearer {}", member.tokens().access));
        let status = request.json(&json!({"query": ALL_SESSIONS})).send().await.unwrap().status();
        assert!(status == 403 || status == 200, "{status}");
        status == 403
    })
    .await
}

// H22, C16: demoted at one instance while listening at the other.
#[tokio::test]
async fn a_demoted_administrator_hears_nothing_more() {
    let (one, second) = Box::pin(instances()).await;
    let other = second.as_ref().unwrap_or(&one);
    let admin = administrator(&one, "root@example.com").await;
    let there = admin.at(other);
    one.app_user().becomes_member("ann@example.com").await;
    for _ in 0..3 {
        set_role(&one, &admin, users::Role::Admin).await;
        // A cursor is given out once this instance has heard of everything before it, the role among that.
        let after = there.event_cursor().await;
        let mut sockets = [there.socket().await, there.socket().await];
        let mut operations = Vec::new();
        for (socket, query) in sockets.iter_mut().zip([ALL_SESSIONS, ALL_USERS]) {
            operations.push(socket.subscribe(query, json!({"after": after})).await);
        }
        // It listens.
        let heard = signs_in(&one, "ann@example.com").await;
        assert_eq!(sockets[0].next(&operations[0]).await["sessionId"], json!(heard.session_id));
        let mut own = there.socket().await;
        let query = "subscription ($after: String) { accountEvents(after: $after) { kind } }";
        let kept = own.subscribe(query, json!({"after": there.event_cursor().await})).await;

        set_role(&one, &admin, users::Role::User).await;
        let began = Instant::now();
        assert!(until_forbidden(&there).await < FELT);
        for (socket, id) in sockets.iter_mut().zip(&operations) {
            let (messages, closed) = rest(socket).await;
            assert_eq!(closed, Closed { code: 4403, reason: "Forbidden".to_owned() });
            // At most the event of the demotion itself could have come before it; it does not.
            assert_eq!(messages.len(), 1, "{messages:?}");
            assert_eq!((&messages[0]["id"], &messages[0]["type"]), (&json!(id), &json!("error")));
            assert_eq!(messages[0]["payload"][0]["extensions"]["code"], "FORBIDDEN");
        }
        assert!(began.elapsed() < 2 * FELT, "{:?}", began.elapsed());
        // What is the person's own goes on.
        assert_eq!(own.next(&kept).await["kind"], "ROLE_CHANGED");
    }
}

// H21: an administrator's session that is ended, and an account that is banned, at one instance.
#[tokio::test]
async fn an_ended_session_and_a_banned_account_hear_nothing_more() {
    let (one, second) = Box::pin(instances()).await;
    let other = second.as_ref().unwrap_or(&one);
    let ended = Closed { code: 4401, reason: "Unauthorized".to_owned() };
    let admin = administrator(&one, "root@example.com").await;
    let phone = signs_in(&one, "root@example.com").await.at(other);
    let mut socket = phone.socket().await;
    socket.subscribe(ALL_SESSIONS, json!({"after": phone.event_cursor().await})).await;
    let began = Instant::now();
    admin.try_revoke(&phone.session_id).await.expect_done();
    let (messages, closed) = rest(&mut socket).await;
    assert_eq!(closed, ended);
    assert!(began.elapsed() < 2 * FELT, "{:?} {messages:?}", began.elapsed());

    let there = admin.at(other);
    let mut socket = there.socket().await;
    socket.subscribe(ALL_USERS, json!({"after": there.event_cursor().await})).await;
    let banned = users::ActiveModel { status: Set(users::Status::Banned), ..Default::default() };
    let began = Instant::now();
    set(&one, &admin, Kind::StatusChanged, banned).await;
    let (messages, closed) = rest(&mut socket).await;
    assert_eq!((messages.len(), closed), (0, ended), "{messages:?}");
    assert!(began.elapsed() < 2 * FELT, "{:?}", began.elapsed());
}

// The same over server-sent events: the stream says why, and ends.
#[tokio::test]
async fn a_stream_of_events_ends_too() {
    let (one, second) = Box::pin(instances()).await;
    let other = second.as_ref().unwrap_or(&one);
    let admin = administrator(&one, "root@example.com").await;
    let there = admin.at(other);
    let request = there.visitor.request(Method::POST, "/graphql/stream").header(ACCEPT, "text/event-stream");
    let request = request.header(AUTHORIZATION, format!("Bearer {}", there.tokens().access)).json(&json!({"query": ALL_USERS}));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let began = Instant::now();
    set_role(&one, &admin, users::Role::User).await;
    let told = tokio::time::timeout(Duration::from_secs(5), response.text()).await.expect("it ends").unwrap();
    assert!(told.contains("\"FORBIDDEN\"") && told.ends_with("event: complete\ndata:\n\n"), "{told}");
    assert!(began.elapsed() < 2 * FELT, "{:?}", began.elapsed());
}
