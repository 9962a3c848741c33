//! Subscriptions as server-sent events: graphql-sse's distinct connections.

use std::time::Duration;

use serde_json::json;

use crate::{
    support::until,
    transport::{Plan, Reply, Server},
};

/// Reads a whole stream.
async fn events(request: reqwest::RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    tokio::time::timeout(Duration::from_secs(5), response.text()).await.expect("the stream ends").unwrap()
}

#[tokio::test]
async fn a_stream_tells_its_events_and_completes() {
    let server = Server::start(Plan::default()).await;
    let expected =
        "event: next\ndata: {\"data\":{\"count\":0}}\n\nevent: next\ndata: {\"data\":{\"count\":1}}\n\nevent: complete\ndata:\n\n";
    let body = json!({ "query": "subscription { count(to: 2) }" });
    let posted = events(server.http.post(server.url("/graphql/stream")).header("accept", "text/event-stream").json(&body)).await;
    assert_eq!(posted, expected);
    let got = events(server.http.get(server.url("/graphql/stream?query=subscription%7Bcount(to%3A2)%7D"))).await;
    assert_eq!(got, posted);
}

#[tokio::test]
async fn what_is_refused_before_is_an_ordinary_answer() {
    let server = Server::start(Plan::default()).await;
    let ask = |query: &str| Reply::of(server.http.post(server.url("/graphql/stream")).json(&json!({ "query": query })));
    for (query, status, code) in [
        ("subscription { silence }", 401, "UNAUTHENTICATED"),
        ("subscription { unknown }", 400, "BAD_REQUEST"),
        ("subscription { count }", 400, "BAD_REQUEST"),
        ("subscription { count(to: 1) b: count(to: 2) }", 400, "OPERATION_TOO_COMPLEX"),
        ("{ __typename }", 400, "BAD_REQUEST"),
        ("mutation { resend }", 400, "BAD_REQUEST"),
        ("{", 400, "BAD_REQUEST"),
    ] {
        let reply = ask(query).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{query} {}", reply.text);
    }
    let plain = server.http.post(server.url("/graphql/stream")).header("content-type", "text/plain").body("{}");
    assert_eq!(Reply::of(plain).await.status, 415);
    let foreign = server.http.post(server.url("/graphql/stream")).header("origin", "https://evil.org").json(&json!({}));
    assert_eq!(Reply::of(foreign).await.status, 403);
    let other = server.http.post(server.url("/graphql/stream")).header("accept", "application/json").json(&json!({}));
    assert_eq!(Reply::of(other).await.status, 406);
}

#[tokio::test]
async fn a_page_of_the_same_site_is_signed_in_by_its_cookie() {
    let server = Server::start(Plan::default()).await;
    let get = || server.http.get(server.url("/graphql/stream?query=subscription%7Bfarewell%7D")).header("cookie", "postern_access=user-1");
    assert_eq!(Reply::of(get()).await.status, 401);
    assert_eq!(Reply::of(get().header("sec-fetch-site", "cross-site")).await.status, 401);
    let text = events(get().header("sec-fetch-site", "same-origin")).await;
    assert!(text.contains("\"farewell\":2") && text.contains("SESSION_ENDED") && text.contains("event: complete"), "{text}");
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_streams() {
    // H21
    let server = Server::start(Plan::default()).await;
    let body = json!({ "query": "subscription { silence }" });
    let reading = tokio::spawn(events(server.http.post(server.url("/graphql/stream")).bearer_auth("user-1").json(&body)));
    let closing = tokio::spawn(events(server.http.post(server.url("/graphql/stream")).bearer_auth("user-2").json(&body)));
    until("both listen", Duration::from_secs(10), async || server.sockets.open() == 2).await;
    server.people.end_session(1);
    let text = reading.await.unwrap();
    assert!(text.contains("SESSION_ENDED") && text.contains("event: complete"), "{text}");
    server.shutdown.cancel();
    assert!(closing.await.unwrap().starts_with("event: complete"));
    tokio::time::timeout(Duration::from_secs(5), server.sockets.wait_until_none()).await.unwrap();
}

#[tokio::test]
async fn streams_are_capped_like_sockets() {
    // H20
    let plan = Plan::default();
    let sockets = postern::http::gateway::SocketSettings { per_user: 1, ..plan.sockets.clone() };
    let server = Server::start(Plan { sockets, ..plan }).await;
    let request =
        || server.http.post(server.url("/graphql/stream")).bearer_auth("user-1").json(&json!({ "query": "subscription { silence }" }));
    let _first = request().send().await.unwrap();
    let second = Reply::of(request()).await;
    assert_eq!((second.status, second.code().as_str()), (429, "RATE_LIMITED"));
}
