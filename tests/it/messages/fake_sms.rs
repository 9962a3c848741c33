//! A service for text messages that speaks Twilio's API, or takes a webhook's posts, and can be in any mood.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use postern::config::{SmsSender, Twilio, TwilioFrom, Webhook};
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinHandle};

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const KEY: &str = "SK00000000000000000000000000000002";
pub const WEBHOOK_KEY: &[u8] = b"a key of the webhook, long enough";

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Takes everything.
    Well,
    /// Answers this status and, as Twilio does, this code.
    Answers(u16, u32),
    /// Sends the client elsewhere.
    Redirects,
    /// Answers nothing for a long time.
    Hangs,
    /// Answers without an end.
    Babbles,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Taken {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Taken {
    /// The fields of a form.
    pub fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Clone)]
struct Shared {
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<Vec<Taken>>>,
}

/// It is down when dropped.
pub struct FakeSms {
    pub port: u16,
    shared: Shared,
    serving: JoinHandle<()>,
}

impl FakeSms {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Shared { mood: Arc::new(Mutex::new(mood)), taken: Arc::default() };
        let routes = Router::new().route("/{*path}", post(take)).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("served");
        });
        Self { port, shared, serving }
    }

    pub fn becomes(&self, mood: Mood) {
        *self.shared.mood.lock().expect("a lock") = mood;
    }

    /// Every request so far, oldest first.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().expect("a lock").clone()
    }

    pub fn twilio(&self) -> SmsSender {
        SmsSender::Twilio(Twilio {
            base_url: format!("http://127.0.0.1:{}", self.port).parse().expect("a URL"),
            account_sid: ACCOUNT.to_owned(),
            api_key: Some(KEY.to_owned()),
            secret: SecretString::from("api secret"),
            from: TwilioFrom::Number("+15005550006".to_owned()),
            status_callback: None,
        })
    }

    pub fn webhook(&self) -> SmsSender {
        SmsSender::Webhook(Webhook {
            url: format!("http://127.0.0.1:{}/sms?tenant=1", self.port).parse().expect("a URL"),
            key: WEBHOOK_KEY.to_vec().into(),
        })
    }
}

impl Drop for FakeSms {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(shared): State<Shared>, Path(path): Path<String>, headers: HeaderMap, body: String) -> Response {
    shared.taken.lock().expect("a lock").push(Taken { path, headers, body });
    let mood = *shared.mood.lock().expect("a lock");
    match mood {
        Mood::Well => (StatusCode::CREATED, r#"{"sid": "SM0", "status": "queued"}"#).into_response(),
        Mood::Answers(status, code) => {
            let body = format!(r#"{{"code": {code}, "message": "To +66812345678 is wrong", "status": {status}}}"#);
            (StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
        Mood::Redirects => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response(),
        Mood::Hangs => {
            tokio::time::sleep(Duration::from_mins(5)).await;
            StatusCode::OK.into_response()
        }
        Mood::Babbles => {
            let babble = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(8192)));
            (StatusCode::CREATED, axum::body::Body::from_stream(babble)).into_response()
        }
    }
}
