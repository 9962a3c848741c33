//! Readers that do not read: bounded, dropped, and in nobody's way.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpSocket, time::timeout};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::app_member;
use crate::support::Gateway;

/// Events of some 20 KiB each, so that a few hundred fill every buffer on the way.
const LARGE: &str = "subscription ($after: String) { sessionEvents(after: $after) { kind session { user { sessions(first: 50) { nodes {
    id status createdAt expiresAt lastActivityAt authenticatedAt ipAddress riskSignals reauthenticationMethods device { name browser os type } } } } } } }";
const SMALL: &str = "subscription ($after: String) { sessionEvents(after: $after) { kind sessionId } }";

// H23: a reader that stops reading is dropped after ten seconds; until then others hear everything as it happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_is_dropped() {
    const EVENTS: usize = 400;

    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let member = app_member(&gateway, "slow@example.com").await;
    for _ in 0..40 {
        member.visitor.sign_in("slow@example.com", crate::support::PASSWORD).await;
    }
    // A small window, so that the sender soon has to wait.
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4_096).unwrap();
    let stream = small.connect(gateway.address.parse().unwrap()).await.unwrap();
    let mut request = format!("ws://{}/graphql/ws", gateway.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut slow, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let init = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {}", member.tokens().access)}});
    slow.send(Message::text(init.to_string())).await.unwrap();
    slow.next().await.unwrap().unwrap();
    let from_here = json!({"after": member.event_cursor().await});
    let subscribe = json!({"id": "1", "type": "subscribe", "payload": {"query": LARGE, "variables": from_here}});
    slow.send(Message::text(subscribe.to_string())).await.unwrap();
    let mut quick = member.socket().await;
    let id = quick.subscribe(SMALL, from_here).await;
    for _ in 0..EVENTS {
        let before = Instant::now();
        member.refresh().await;
        assert_eq!(quick.next(&id).await["kind"], "REFRESHED");
        assert!(before.elapsed() < Duration::from_secs(3), "others wait");
    }
    // What the buffers held still comes, and then no more.
    let dropped = async {
        tokio::time::sleep(Duration::from_secs(11)).await;
        let mut events = 0;
        while let Some(Ok(message)) = slow.next().await {
            let Message::Text(text) = message else { continue };
            events += usize::from(serde_json::from_str::<Value>(&text).is_ok_and(|frame| frame["type"] == "next"));
        }
        events
    };
    let events = timeout(Duration::from_secs(30), dropped).await.expect("it is dropped");
    assert!(events < EVENTS, "{events}: nothing filled up");
    assert_eq!(member.me().await["id"], member.user_id);
}
