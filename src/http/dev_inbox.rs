//! `/dev/inbox`: messages sent, in development.

use std::net::IpAddr;

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use entity::Channel;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    crypto::secret_box::SecretBox,
    flows::read_dev_inbox::{self, ReceivedMessage},
    storage::{database::Database, dev_inbox::KEPT, error::StorageError},
};

const PAGE: &str = include_str!("../../templates/dev_inbox/page.html");
const STYLE: &str = include_str!("../../templates/dev_inbox/page.css");
const SCRIPT: &str = include_str!("../../templates/dev_inbox/page.js");
/// How many the page shows; the JSON has all.
const SHOWN: u64 = 50;

pub(super) const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Mails style themselves inline, and may do nothing else.
pub(super) const MAIL_POLICY: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// A request that carries one of them was passed on by a proxy, so that its `Host` says nothing.
const FORWARDED: [HeaderName; 7] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-real-ip"),
];

/// What the inbox reads from.
#[derive(Clone, Debug)]
pub struct DevInbox {
    /// Where the messages are.
    pub database: Database,
    /// Opens them.
    pub secret_box: SecretBox,
}

/// The inbox's routes: to be mounted in development alone. Codes are on show here, so they answer only who calls this machine by a loopback
/// name (a page elsewhere cannot have its own name lead here) and directly.
pub fn routes(inbox: DevInbox) -> Router {
    Router::new()
        .route("/dev/inbox", get(page))
        .route("/dev/inbox.json", get(json))
        .route("/dev/inbox.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/dev/inbox.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/dev/inbox/{id}", get(mail))
        .route_layer(middleware::from_fn(only_from_here))
        .with_state(inbox)
}

#[derive(Deserialize)]
struct Filter {
    to: Option<String>,
}

impl Filter {
    fn to(&self) -> Option<&str> {
        self.to.as_deref().filter(|to| !to.trim().is_empty())
    }
}

/// A message as `/dev/inbox.json` tells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    id: Uuid,
    channel: &'static str,
    to: String,
    subject: Option<String>,
    text: String,
    html: Option<String>,
    code: Option<String>,
    link: Option<String>,
    sent_at: String,
}

impl From<ReceivedMessage> for Told {
    fn from(message: ReceivedMessage) -> Self {
        Self {
            id: message.id,
            channel: match message.channel {
                Channel::Email => "EMAIL",
                Channel::Sms => "SMS",
            },
            to: message.recipient,
            subject: message.content.subject,
            text: message.content.text,
            html: message.content.html,
            code: message.content.code,
            link: message.content.link,
            sent_at: message.sent_at.to_string(),
        }
    }
}

impl From<Told> for Value {
    fn from(told: Told) -> Self {
        context! {
            id => told.id.to_string(),
            channel => told.channel,
            to => told.to,
            subject => told.subject,
            text => told.text,
            html => told.html.is_some(),
            code => told.code,
            link => told.link,
            sentAt => told.sent_at,
        }
    }
}

async fn json(State(inbox): State<DevInbox>, Query(filter): Query<Filter>) -> Response {
    match inbox.read(filter.to(), KEPT).await {
        Ok(messages) => Json(messages).into_response(),
        Err(error) => unavailable(&error),
    }
}

async fn page(State(inbox): State<DevInbox>, Query(filter): Query<Filter>) -> Response {
    let messages = match inbox.read(filter.to(), SHOWN).await {
        Ok(messages) => messages,
        Err(error) => return unavailable(&error),
    };
    let messages: Vec<Value> = messages.into_iter().map(Value::from).collect();
    let to = filter.to().unwrap_or_default();
    let mut json = "/dev/inbox.json".to_owned();
    if !to.is_empty() {
        json += "?";
        json += &url::form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    match environment.render_named_str("page.html", PAGE, context! { messages, to, json }) {
        Ok(html) => html_page(html, PAGE_POLICY),
        Err(error) => {
            tracing::error!(%error, "the page of the development inbox is broken");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn mail(State(inbox): State<DevInbox>, Path(id): Path<String>) -> Response {
    let messages = match inbox.read(None, KEPT).await {
        Ok(messages) => messages,
        Err(error) => return unavailable(&error),
    };
    let html = messages.into_iter().find(|message| message.id.to_string() == id).and_then(|message| message.html);
    html.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |html| html_page(html, MAIL_POLICY))
}

impl DevInbox {
    async fn read(&self, to: Option<&str>, limit: u64) -> Result<Vec<Told>, StorageError> {
        let messages = read_dev_inbox::run(&self.database, &self.secret_box, to, limit).await?;
        Ok(messages.into_iter().map(Told::from).collect())
    }
}

pub(super) fn html_page(html: String, policy: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, html).into_response()
}

fn asset(content_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type)], content).into_response()
}

fn unavailable(error: &StorageError) -> Response {
    tracing::warn!(%error, "the development inbox cannot be read");
    (StatusCode::SERVICE_UNAVAILABLE, "The database does not answer; try again.\n").into_response()
}

pub(super) async fn only_from_here(request: Request, next: Next) -> Response {
    let refusal = if FORWARDED.iter().any(|name| request.headers().contains_key(name)) {
        Some("The development inbox does not answer forwarded requests.\n")
    } else if !is_called_by_loopback_name(request.headers(), request.uri()) {
        Some("The development inbox answers only on localhost.\n")
    } else {
        None
    };
    let mut response = match refusal {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// HTTP/1.1 says it in `Host`, HTTP/2 in the address; where both do, both must hold.
fn is_called_by_loopback_name(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut named =
        headers.get_all(header::HOST).iter().map(|value| value.to_str().ok()).chain(uri.authority().map(|it| Some(it.as_str())));
    let Some(first) = named.next() else { return false };
    std::iter::once(first).chain(named).all(|host| host.is_some_and(is_loopback_authority))
}

fn is_loopback_authority(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<axum::http::uri::Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    host.parse::<IpAddr>().map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback_authority;

    #[test]
    fn only_loopback_names_are_ours() {
        for ours in ["localhost", "localhost:4000", "LOCALHOST:1", "127.0.0.1:4000", "127.9.9.9", "[::1]:4000", "app.localhost:4000"] {
            assert!(is_loopback_authority(ours), "{ours}");
        }
        for theirs in [
            "",
            "evil.test",
            "evil.test:4000",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "0.0.0.0",
            "192.168.0.1",
            "[::]",
            "localhost@evil.test",
            "evil.test@localhost",
            "notlocalhost",
            "127.1",
            "localhost:4000, evil.test",
        ] {
            assert!(!is_loopback_authority(theirs), "{theirs}");
        }
    }
}
