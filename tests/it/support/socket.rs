//! A client of `graphql-transport-ws` that shows every frame.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, client::IntoClientRequest},
};

use super::{actors::Visitor, gateway::Door};

/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames that came while another was waited for.
    waiting: Vec<Value>,
    operations: u32,
}

/// What came: a message, or the end.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Message(Value),
    Closed(Closed),
}

/// How the server closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// 1006 where the connection broke without a word.
    pub code: u16,
    pub reason: String,
}

impl Socket {
    /// Opens a socket with headers of one's own and sends nothing yet; answers the status where the handshake was refused.
    pub async fn open(door: &Door, headers: HeaderMap) -> Result<Self, u16> {
        let mut request = format!("ws://{}/graphql/ws", door.address).into_client_request().unwrap();
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("graphql-transport-ws"));
        request.headers_mut().extend(headers);
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Self { stream, waiting: Vec::new(), operations: 0 }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the handshake broke: {error}"),
        }
    }

    /// Opens a socket as somebody's browser or app does, and is acknowledged.
    pub async fn of(visitor: &Visitor, token: Option<&str>) -> Self {
        let mut headers = HeaderMap::new();
        if visitor.is_browser() {
            headers.insert(ORIGIN, HeaderValue::from_str(&visitor.door().origin).unwrap());
            if let Some(cookies) = visitor.cookies().header() {
                headers.insert(COOKIE, HeaderValue::from_str(&cookies).unwrap());
            }
        }
        headers.insert("x-forwarded-for", HeaderValue::from_str(&visitor.address().to_string()).unwrap());
        let mut socket = Self::open(visitor.door(), headers).await.unwrap_or_else(|status| panic!("the handshake was refused: {status}"));
        let payload = token.map_or(json!({}), |token| json!({"authorization": format!("Bearer {token}")}));
        socket.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.next_of_type("connection_ack").await["type"], "connection_ack");
        socket
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    /// Sends a frame as it is, also one that the protocol does not know.
    pub async fn send_text(&mut self, text: String) {
        self.stream.send(tungstenite::Message::text(text)).await.expect("the socket is open");
    }

    /// Starts an operation, and answers its id.
    pub async fn subscribe(&mut self, query: &str, variables: Value) -> String {
        self.operations += 1;
        let id = self.operations.to_string();
        self.send(json!({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})).await;
        id
    }

    /// The next answer of an operation; its only root field, which must have no error.
    pub async fn next(&mut self, id: &str) -> Value {
        let payload = self.next_of(id, "next").await["payload"].take();
        assert_eq!(payload["errors"], Value::Null, "expected an event: {payload}");
        payload["data"].as_object().and_then(|fields| fields.values().next()).cloned().expect("an event has a field")
    }

    /// The next answer of an operation whole, with its errors.
    pub async fn next_payload(&mut self, id: &str) -> Value {
        self.next_of(id, "next").await["payload"].take()
    }

    /// The errors with which an operation was refused or broken off.
    pub async fn errors(&mut self, id: &str) -> Vec<Value> {
        serde_json::from_value(self.next_of(id, "error").await["payload"].take()).expect("errors are a list")
    }

    /// Waits until an operation has come to its end.
    pub async fn completed(&mut self, id: &str) {
        self.next_of(id, "complete").await;
    }

    /// Waits until the server closes, letting go of what comes before.
    pub async fn closed(&mut self) -> Closed {
        loop {
            if let Frame::Closed(closed) = self.frame().await {
                return closed;
            }
        }
    }

    /// The next frame, at most five seconds from now; pings are answered and not shown.
    pub async fn frame(&mut self) -> Frame {
        timeout(PATIENCE, self.read()).await.expect("a frame comes")
    }

    /// Asserts that nothing comes for a while: only for what can be seen no other way.
    pub async fn silent_for(&mut self, duration: Duration) {
        if let Ok(frame) = timeout(duration, self.read()).await {
            panic!("expected silence: {frame:?}");
        }
    }

    async fn next_of_type(&mut self, kind: &str) -> Value {
        match self.frame().await {
            Frame::Message(message) if message["type"] == kind => message,
            other => panic!("expected {kind}: {other:?}"),
        }
    }

    async fn next_of(&mut self, id: &str, kind: &str) -> Value {
        let message = match self.waiting.iter().position(|message| message["id"] == id) {
            Some(position) => self.waiting.remove(position),
            None => loop {
                match self.frame().await {
                    Frame::Message(message) if message["id"] == id => break message,
                    Frame::Message(message) if message["id"].is_string() => self.waiting.push(message),
                    Frame::Message(_) => {}
                    Frame::Closed(closed) => panic!("expected {kind} of {id}: {closed:?}"),
                }
            },
        };
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    async fn read(&mut self) -> Frame {
        loop {
            match self.stream.next().await {
                Some(Ok(tungstenite::Message::Text(text))) => return Frame::Message(serde_json::from_str(&text).expect("frames are JSON")),
                Some(Ok(tungstenite::Message::Close(Some(frame)))) => {
                    return Frame::Closed(Closed { code: frame.code.into(), reason: frame.reason.to_string() });
                }
                Some(Ok(tungstenite::Message::Close(None)) | Err(_)) | None => {
                    return Frame::Closed(Closed { code: 1006, reason: String::new() });
                }
                Some(Ok(_)) => {}
            }
        }
    }
}
