//! A socket that is subscribed to the events of its user's sessions.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};

use super::{gateway::Gateway, people::Session};

/// A subscribed socket.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens and subscribes; the answer to a ping that follows says that the subscription has been read.
    pub async fn open(gateway: &Gateway, session: &Session) -> Self {
        let mut request = format!("ws://{}/graphql/ws", gateway.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let stream = TcpStream::connect(&gateway.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let small = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let (stream, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(small)).await.unwrap();
        let mut socket = Self(stream);
        let bearer = format!("Bearer {}", session.access_token);
        socket.send(&json!({"type": "connection_init", "payload": {"authorization": bearer}})).await;
        assert_eq!(socket.next().await.unwrap()["type"], "connection_ack");
        let query = "subscription { sessionEvents { kind sessionId } }";
        socket.send(&json!({"type": "subscribe", "id": "1", "payload": {"query": query}})).await;
        socket.send(&json!({"type": "ping"})).await;
        assert_eq!(socket.next().await.unwrap()["type"], "pong");
        socket
    }

    async fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, or the code with which the server closed.
    pub async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(1006),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The code with which the server closes.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
