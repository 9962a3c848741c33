//! `graphql-transport-ws`: the protocol's close codes, limits, and the end of sessions (SECURITY G, H18 to H23).

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    support::until,
    transport::{Plan, Server},
};

/// A client of the protocol.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What the server said.
#[derive(Debug, PartialEq)]
enum Said {
    Json(Value),
    Closed(u16),
    Gone,
}

impl Client {
    async fn open(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{}/graphql/ws", server.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> Said {
        loop {
            let heard = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await.expect("the server says something");
            return match heard {
                Some(Ok(Message::Text(text))) => Said::Json(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => Said::Closed(frame.code.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => Said::Gone,
            };
        }
    }

    async fn init(&mut self, token: Option<&str>) -> Said {
        let payload = token.map(|token| json!({ "authorization": format!("Bearer {token}") }));
        self.send(json!({ "type": "connection_init", "payload": payload })).await;
        self.hear().await
    }

    async fn signed_in(server: &Server, token: &str) -> Self {
        let mut client = Self::open(server, &[]).await.unwrap();
        assert_eq!(client.init(Some(token)).await, acknowledged());
        client
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }
}

fn acknowledged() -> Said {
    Said::Json(json!({ "type": "connection_ack" }))
}

fn code(said: &Said) -> &str {
    match said {
        Said::Json(message) => message["payload"][0]["extensions"]["code"].as_str().unwrap_or_default(),
        Said::Closed(_) | Said::Gone => "",
    }
}

#[tokio::test]
async fn a_subscription_counts_and_completes() {
    let server = Server::start(Plan::default()).await;
    let mut client = Client::open(&server, &[]).await.unwrap();
    assert_eq!(client.init(None).await, acknowledged());
    for query in ["subscription { count(to: 2) }", "subscription { ...F } fragment F on Subscription { count(to: 2) }"] {
        client.subscribe("a", query).await;
        for number in 0..2 {
            assert_eq!(client.hear().await, Said::Json(json!({ "type": "next", "id": "a", "payload": { "data": { "count": number } } })));
        }
        assert_eq!(client.hear().await, Said::Json(json!({ "type": "complete", "id": "a" })));
    }
    client.send(json!({ "type": "ping", "payload": { "x": 1 } })).await;
    assert_eq!(client.hear().await, Said::Json(json!({ "type": "pong", "payload": { "x": 1 } })));
}

#[tokio::test]
async fn breaches_of_the_protocol_have_their_codes() {
    // H19
    let plan = Plan::default();
    let server = Server::start(Plan {
        sockets: postern::http::gateway::SocketSettings { init_timeout: Duration::from_millis(200), ..plan.sockets.clone() },
        ..plan
    })
    .await;
    let open = async || Client::open(&server, &[]).await.unwrap();

    let mut late = open().await;
    assert_eq!(late.hear().await, Said::Closed(4408));

    let mut early = open().await;
    early.subscribe("a", "subscription { count(to: 1) }").await;
    assert_eq!(early.hear().await, Said::Closed(4401));

    let mut twice = open().await;
    assert_eq!(twice.init(None).await, acknowledged());
    assert_eq!(twice.init(None).await, Said::Closed(4429));

    let mut same = Client::signed_in(&server, "user-1").await;
    same.subscribe("a", "subscription { silence }").await;
    same.subscribe("a", "subscription { silence }").await;
    assert_eq!(same.hear().await, Said::Closed(4409));

    for bad in [
        "nonsense",
        "[]",
        r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1","payload":[]}"#,
    ] {
        let mut client = open().await;
        assert_eq!(client.init(None).await, acknowledged());
        client.0.send(Message::text(bad)).await.unwrap();
        assert_eq!(client.hear().await, Said::Closed(4400), "{bad}");
    }
    let mut binary = open().await;
    assert_eq!(binary.init(None).await, acknowledged());
    binary.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(binary.hear().await, Said::Closed(4400));

    let mut large = open().await;
    assert_eq!(large.init(None).await, acknowledged());
    large.0.send(Message::text("x".repeat(70_000))).await.unwrap();
    assert!(matches!(large.hear().await, Said::Closed(1009) | Said::Gone));

    // Without the subprotocol; the older `graphql-ws` is none of ours either.
    let (bare, _) = connect_async(format!("ws://{}/graphql/ws", server.address)).await.unwrap();
    assert_eq!(Client(bare).hear().await, Said::Closed(4406));
}

#[tokio::test]
async fn a_close_is_answered() {
    let server = Server::start(Plan::default()).await;
    let mut client = Client::signed_in(&server, "user-1").await;
    client.0.close(None).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(2), client.0.next()).await.unwrap();
    assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
}

#[tokio::test]
async fn credentials_decide_how_a_socket_begins() {
    let server = Server::start(Plan::default()).await;
    server.people.end_session(9);
    for (token, said) in [
        ("user-1", acknowledged()),
        ("user-1:expired", Said::Closed(4403)),
        ("nonsense", Said::Closed(4401)),
        ("user-9", Said::Closed(4401)),
        ("user-1:unavailable", Said::Closed(1013)),
    ] {
        let mut client = Client::open(&server, &[]).await.unwrap();
        assert_eq!(client.init(Some(token)).await, said, "{token}");
    }
}

#[tokio::test]
async fn cookies_count_for_allowed_origins_alone() {
    // H18
    let server = Server::start(Plan::default()).await;
    assert_eq!(Client::open(&server, &[("origin", "https://evil.org")]).await.err(), Some(403));
    assert_eq!(Client::open(&server, &[("origin", "null")]).await.err(), Some(403));
    let cookie = ("cookie", "postern_access=user-1");
    let mut allowed = Client::open(&server, &[cookie, ("origin", "https://app.example.com")]).await.unwrap();
    assert_eq!(allowed.init(None).await, acknowledged());
    allowed.subscribe("a", "subscription { farewell }").await;
    assert!(matches!(allowed.hear().await, Said::Json(message) if message["type"] == "next"));
    let mut without = Client::open(&server, &[cookie]).await.unwrap();
    assert_eq!(without.init(None).await, acknowledged());
    without.subscribe("a", "subscription { silence }").await;
    assert_eq!(code(&without.hear().await), "UNAUTHENTICATED");
}

#[tokio::test]
async fn the_entry_is_the_same_as_for_http() {
    // H8, H20
    let server = Server::start(Plan { introspection: false, ..Plan::default() }).await;
    let mut client = Client::open(&server, &[]).await.unwrap();
    assert_eq!(client.init(None).await, acknowledged());
    for (query, expected) in [
        ("{ __typename }", "BAD_REQUEST"),
        ("mutation { resend }", "BAD_REQUEST"),
        ("{ __schema { types { name } } }", "BAD_REQUEST"),
        ("mutation { a: resend b: resend }", "OPERATION_TOO_COMPLEX"),
        ("subscription { count(to: 1) b: count(to: 1) }", "OPERATION_TOO_COMPLEX"),
        ("subscription { silence }", "UNAUTHENTICATED"),
        ("subscription { unknown }", "BAD_REQUEST"),
        ("subscription { count }", "BAD_REQUEST"),
        ("subscription {", "BAD_REQUEST"),
    ] {
        client.subscribe("a", query).await;
        let said = client.hear().await;
        assert_eq!(code(&said), expected, "{query} {said:?}");
    }
    for query in ["subscription { fault }", "subscription { panic }"] {
        client.subscribe("a", query).await;
        let mut all = String::new();
        loop {
            let said = format!("{:?}", client.hear().await);
            all.push_str(&said);
            if said.contains("complete") || said.contains("\"error\"") {
                break;
            }
        }
        assert!(all.contains("INTERNAL") && all.contains("requestId") && !all.contains("secret"), "{all}");
    }
}

#[tokio::test]
async fn the_end_of_a_session_closes_its_sockets() {
    // H21
    let server = Server::start(Plan::default()).await;
    let mut idle = Client::signed_in(&server, "user-1").await;
    let mut busy = Client::signed_in(&server, "user-1").await;
    busy.subscribe("a", "subscription { silence }").await;
    let mut other = Client::signed_in(&server, "user-2").await;
    until("all are open", Duration::from_secs(10), async || server.sockets.open() == 3).await;
    let begin = Instant::now();
    server.people.end_session(1);
    assert_eq!(idle.hear().await, Said::Closed(4401));
    assert!(begin.elapsed() < Duration::from_millis(250), "{:?}", begin.elapsed());
    assert_eq!(busy.hear().await, Said::Closed(4401));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    other.send(json!({ "type": "ping" })).await;
    assert_eq!(other.hear().await, Said::Json(json!({ "type": "pong" })));
}

#[tokio::test]
async fn a_stream_that_ends_its_session_closes_the_socket() {
    // H21
    let server = Server::start(Plan::default()).await;
    let mut client = Client::signed_in(&server, "user-1").await;
    client.subscribe("a", "subscription { farewell }").await;
    for number in 1..=2 {
        assert_eq!(client.hear().await, Said::Json(json!({ "type": "next", "id": "a", "payload": { "data": { "farewell": number } } })));
    }
    assert_eq!(client.hear().await, Said::Closed(4401));
}

#[tokio::test]
async fn sockets_and_subscriptions_are_capped() {
    // H20
    let plan = Plan::default();
    let sockets = postern::http::gateway::SocketSettings { per_user: 2, anonymous_per_ip: 5, subscriptions: 2, ..plan.sockets.clone() };
    let server = Server::start(Plan { sockets, ..plan }).await;
    let _first = Client::signed_in(&server, "user-1").await;
    let mut second = Client::signed_in(&server, "user-1").await;
    let mut third = Client::open(&server, &[]).await.unwrap();
    assert_eq!(third.init(Some("user-1")).await, Said::Closed(1013));
    let _other = Client::signed_in(&server, "user-2").await;
    for id in ["a", "b"] {
        second.subscribe(id, "subscription { silence }").await;
    }
    second.subscribe("c", "subscription { silence }").await;
    assert_eq!(code(&second.hear().await), "RATE_LIMITED");
    second.send(json!({ "type": "complete", "id": "a" })).await;
    second.subscribe("c", "subscription { count(to: 1) }").await;
    assert!(matches!(second.hear().await, Said::Json(message) if message["type"] == "next"));
    drop(third);
    let mut open = Vec::new();
    let refused = loop {
        match Client::open(&server, &[]).await {
            Ok(client) => open.push(client),
            Err(status) => break status,
        }
    };
    assert!(refused == 429 && open.len() <= 5, "{refused} {}", open.len());
}

#[tokio::test]
async fn places_are_free_again() {
    let server = Server::start(Plan::default()).await;
    let client = Client::signed_in(&server, "user-1").await;
    assert_eq!(server.sockets.open(), 1);
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), server.sockets.wait_until_none()).await.unwrap();
}

#[tokio::test]
async fn shutdown_and_great_age_send_clients_elsewhere() {
    // H26
    let server = Server::start(Plan::default()).await;
    let mut client = Client::signed_in(&server, "user-1").await;
    let mut waiting = Client::open(&server, &[]).await.unwrap();
    server.shutdown.cancel();
    assert_eq!(client.hear().await, Said::Closed(1001));
    assert_eq!(waiting.hear().await, Said::Closed(1001));
    let plan = Plan::default();
    let sockets = postern::http::gateway::SocketSettings { max_age: Duration::from_millis(100), ..plan.sockets.clone() };
    let old = Server::start(Plan { sockets, ..plan }).await;
    let mut client = Client::signed_in(&old, "user-1").await;
    assert_eq!(client.hear().await, Said::Closed(1001));
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped() {
    // H23
    let plan = Plan::default();
    let sockets = postern::http::gateway::SocketSettings { send_timeout: Duration::from_millis(300), ..plan.sockets.clone() };
    let server = Server::start(Plan { sockets, ..plan }).await;
    let mut client = Client::open(&server, &[]).await.unwrap();
    assert_eq!(client.init(None).await, acknowledged());
    client.subscribe("a", "subscription { flood }").await;
    tokio::time::timeout(Duration::from_secs(8), server.sockets.wait_until_none()).await.expect("the server lets go");
    drop(client);
}

#[tokio::test]
async fn a_silent_peer_is_dropped() {
    let plan = Plan::default();
    let sockets = postern::http::gateway::SocketSettings { ping_every: Duration::from_millis(100), ..plan.sockets.clone() };
    let server = Server::start(Plan { sockets, ..plan }).await;
    let mut client = Client::signed_in(&server, "user-1").await;
    // While it reads, it answers pings.
    let alive = tokio::time::timeout(Duration::from_millis(600), client.0.next()).await;
    assert!(matches!(alive, Ok(Some(Ok(Message::Ping(_))))));
    for _ in 0..5 {
        let _ = tokio::time::timeout(Duration::from_millis(120), client.0.next()).await;
    }
    assert_eq!(server.sockets.open(), 1);
    tokio::time::timeout(Duration::from_secs(5), server.sockets.wait_until_none()).await.expect("the server lets go");
}

#[tokio::test]
async fn what_is_no_handshake_is_told_so() {
    let server = Server::start(Plan::default()).await;
    let reply = crate::transport::Reply::of(server.http.get(server.url("/graphql/ws"))).await;
    assert_eq!((reply.status, reply.reason().as_str()), (426, "NOT_A_WEBSOCKET"));
}
