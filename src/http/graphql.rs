//! `POST` and `GET /graphql`: GraphQL over HTTP.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_graphql::{Data, Executor, ServerError, parser::types::OperationType};
use axum::{
    body::{Body, BodyDataStream},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::{
    answer::{Media, refuse, refuse_by_code, respond, set_cookies},
    authenticate::CookieUse,
    gateway::{Arrival, Gateway},
    graphiql, multipart,
    origin::Verdict,
    question::Parameters,
};
use crate::{
    flows::caller::Caller,
    graphql::{entry::Prepared, error, response_cookies::ResponseCookies},
};

/// How much of a refused body is read all the same, and for how long.
const READ_AWAY_BYTES: usize = 4 * 1024 * 1024;
const READ_AWAY_FOR: Duration = Duration::from_secs(2);

/// Answers `POST /graphql`.
pub async fn post<E: Executor>(
    State(gateway): State<Arc<Gateway<E>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let arrival = gateway.arrival(peer.ip(), &head.headers, "POST", "/graphql");
    if multipart::is_multipart(&head.headers) {
        let mut response = multipart::post(&gateway, arrival, &head.headers, body).await;
        gateway.settings.origins.expose(&head.headers, response.headers_mut());
        return response;
    }
    let mut response = match admit_post(&gateway, &arrival, &head.headers, body).await {
        Err(refusal) => *refusal,
        Ok((media, body)) => match Parameters::from_json(&body) {
            Err(unreadable) => refuse(StatusCode::BAD_REQUEST, error::bad_request(unreadable.0), media, &arrival.request_id),
            Ok(parameters) => answer(&gateway, arrival, &head.headers, parameters, media, CookieUse::Count).await,
        },
    };
    gateway.settings.origins.expose(&head.headers, response.headers_mut());
    response
}

/// Answers `GET /graphql`: a query, or GraphiQL for a browser.
pub async fn get<E: Executor>(
    State(gateway): State<Arc<Gateway<E>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let query_string = head.uri.query().unwrap_or_default();
    if gateway.settings.graphiql && wants_html(&head.headers) {
        return graphiql::page();
    }
    let arrival = gateway.arrival(peer.ip(), &head.headers, "GET", "/graphql");
    let mut response = match admit(&gateway, &arrival, &head.headers) {
        Err(refusal) => *refusal,
        Ok(_) if !gateway.settings.get_queries => method_not_allowed("Queries come by POST here.", Media::Json, &arrival),
        Ok(media) => match Parameters::from_query_string(query_string) {
            Err(unreadable) => refuse(StatusCode::BAD_REQUEST, error::bad_request(unreadable.0), media, &arrival.request_id),
            // Another site can make a browser send this request with its cookies, but not this header.
            Ok(parameters) => {
                let cookies = if head.headers.contains_key("graphql-require-preflight") { CookieUse::Count } else { CookieUse::Ignore };
                answer(&gateway, arrival, &head.headers, parameters, media, cookies).await
            }
        },
    };
    gateway.settings.origins.expose(&head.headers, response.headers_mut());
    response
}

/// Answers `OPTIONS`: preflights.
pub async fn options<E: Executor>(State(gateway): State<Arc<Gateway<E>>>, headers: HeaderMap) -> Response {
    gateway.settings.origins.preflight(&headers)
}

/// What every request must pass, whatever its method: address, origin, media type.
pub(super) fn admit<E>(gateway: &Gateway<E>, arrival: &Arrival, headers: &HeaderMap) -> Result<Media, Box<Response>> {
    let media = Media::accepted(headers);
    let told = media.unwrap_or(Media::Json);
    gateway.admitted(arrival.ip).map_err(|error| Box::new(refuse_by_code(error, told, &arrival.request_id)))?;
    if gateway.settings.origins.judge(headers) == Verdict::Foreign {
        return Err(Box::new(refuse_by_code(error::forbidden_because("ORIGIN_NOT_ALLOWED"), told, &arrival.request_id)));
    }
    media.ok_or_else(|| {
        let error = error::bad_request_because("NOT_ACCEPTABLE", "Answers are application/graphql-response+json or application/json.");
        Box::new(refuse(StatusCode::NOT_ACCEPTABLE, error, told, &arrival.request_id))
    })
}

async fn admit_post<E>(gateway: &Gateway<E>, arrival: &Arrival, headers: &HeaderMap, body: Body) -> Result<(Media, Bytes), Box<Response>> {
    let media = match admit(gateway, arrival, headers) {
        Ok(media) => media,
        Err(refusal) => {
            read_away(body.into_data_stream());
            return Err(refusal);
        }
    };
    let body = read_json_body(headers, body, gateway.settings.max_body_bytes, gateway.settings.body_timeout).await;
    Ok((media, body.map_err(|refusal| Box::new(refusal.respond(media, arrival)))?))
}

/// How a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyRefusal {
    MediaType,
    TooLarge,
    TooSlow,
    Broken,
}

impl BodyRefusal {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn respond(self, media: Media, arrival: &Arrival) -> Response {
        let (reason, message) = match self {
            Self::MediaType => ("UNSUPPORTED_MEDIA_TYPE", "Send application/json, in UTF-8."),
            Self::TooLarge => ("PAYLOAD_TOO_LARGE", "The body is too large."),
            Self::TooSlow => ("REQUEST_TIMEOUT", "The body took too long to come."),
            Self::Broken => ("BODY_INCOMPLETE", "The body did not come whole."),
        };
        let mut response = refuse(self.status(), error::bad_request_because(reason, message), media, &arrival.request_id);
        // What is left of the body is not used: the connection is of no more use.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Reads a body of JSON within its limits. The content type is what makes a browser ask first before it sends another site's request.
pub(super) async fn read_json_body(headers: &HeaderMap, body: Body, max: usize, timeout: Duration) -> Result<Bytes, BodyRefusal> {
    read_body((headers, body), is_json, max, timeout).await
}

/// Reads a body of a wanted media type within its limits.
pub(super) async fn read_body(
    (headers, body): (&HeaderMap, Body),
    is_wanted: impl Fn(&HeaderMap) -> bool,
    max: usize,
    timeout: Duration,
) -> Result<Bytes, BodyRefusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<usize>().ok());
    let mut chunks = body.into_data_stream();
    let read = if !is_wanted(headers) {
        Err(BodyRefusal::MediaType)
    } else if announced.is_some_and(|length| length > max) {
        Err(BodyRefusal::TooLarge)
    } else {
        tokio::time::timeout(timeout, collect(&mut chunks, max)).await.unwrap_or(Err(BodyRefusal::TooSlow))
    };
    if matches!(read, Err(BodyRefusal::MediaType | BodyRefusal::TooLarge)) {
        read_away(chunks);
    }
    read
}

async fn collect(chunks: &mut BodyDataStream, max: usize) -> Result<Bytes, BodyRefusal> {
    // Nearly every body comes in one piece: it is used as it is.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| BodyRefusal::Broken)?;
        if first.len() + rest.len() + chunk.len() > max {
            return Err(BodyRefusal::TooLarge);
        }
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// Reads on, for a while, what nobody wants: a connection that is closed while the client still sends is reset, and most clients then never see
/// the answer that says why.
pub(super) fn read_away(chunks: BodyDataStream) {
    read_away_at_most(chunks, READ_AWAY_BYTES);
}

pub(super) fn read_away_at_most(mut chunks: BodyDataStream, bytes: usize) {
    tokio::spawn(tokio::time::timeout(READ_AWAY_FOR, async move {
        let mut left = bytes;
        while let Some(Ok(chunk)) = chunks.next().await {
            let Some(less) = left.checked_sub(chunk.len()) else { return };
            left = less;
        }
    }));
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let known = name.eq_ignore_ascii_case("application/json") || name.eq_ignore_ascii_case("application/graphql-response+json");
    let utf8 = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"),
        _ => true,
    };
    known && parts.all(utf8)
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| {
        accept.split(',').any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html"))
    })
}

async fn answer<E: Executor>(
    gateway: &Gateway<E>,
    arrival: Arrival,
    headers: &HeaderMap,
    parameters: Parameters<'_>,
    media: Media,
    cookies: CookieUse,
) -> Response {
    if !parameters.has_document() {
        return refuse(StatusCode::BAD_REQUEST, error::bad_request("The request has no \"query\"."), media, &arrival.request_id);
    }
    let prepared = match prepare(gateway, parameters, &arrival, media) {
        Ok(prepared) => prepared,
        Err(refusal) => return *refusal,
    };
    let data = (gateway.request_data)(&prepared).await;
    let presented = gateway.presented(headers, cookies);
    let identity = gateway.identify(presented.credentials).await;
    let caller = Arc::new(gateway.caller(arrival, headers, presented.device_token, presented.refresh_cookie, identity));
    execute(gateway, prepared, &caller, data, media).await
}

/// Runs what is prepared, for a caller who is known.
pub(super) async fn execute<E: Executor>(
    gateway: &Gateway<E>,
    prepared: Prepared,
    caller: &Arc<Caller>,
    mut data: Data,
    media: Media,
) -> Response {
    let cookies = ResponseCookies::default();
    data.insert(cookies.clone());
    let answer = gateway.entry.execute(prepared, caller, data).await;
    let mut response = respond(&answer, media, &caller.request_id);
    let collected = cookies.take();
    if !collected.is_empty() {
        set_cookies(response.headers_mut(), &collected, gateway.settings.cookies);
    }
    response
}

pub(super) fn prepare<E: Executor>(
    gateway: &Gateway<E>,
    parameters: Parameters<'_>,
    arrival: &Arrival,
    media: Media,
) -> Result<Prepared, Box<Response>> {
    let refused = |error: ServerError| {
        let answer = gateway.entry.refuse(error, &arrival.request_id);
        Box::new(respond(&answer, media, &arrival.request_id))
    };
    let prepared = parameters.ask(|question| gateway.entry.prepare(question)).map_err(refused)?;
    match (arrival.method, prepared.kind()) {
        ("POST", OperationType::Subscription) => {
            let error = error::bad_request_because("SUBSCRIPTION", "Subscriptions run at /graphql/ws and /graphql/stream.");
            Err(Box::new(refuse(StatusCode::BAD_REQUEST, error, media, &arrival.request_id)))
        }
        (_, OperationType::Query) | ("POST", _) => Ok(prepared),
        (_, OperationType::Mutation | OperationType::Subscription) => {
            Err(Box::new(method_not_allowed("Only queries come by GET.", media, arrival)))
        }
    }
}

fn method_not_allowed(message: &'static str, media: Media, arrival: &Arrival) -> Response {
    let error = error::bad_request_because("METHOD_NOT_ALLOWED", message);
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, error, media, &arrival.request_id);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// The answer to a path that is not there, in the form of all others.
pub(super) fn not_found(request_id: &str) -> Response {
    refuse(StatusCode::NOT_FOUND, error::bad_request_because("NOT_FOUND", "There is nothing here."), Media::Json, request_id)
}

/// The answer to a method that its path does not know; the router adds which ones it does.
pub(super) fn no_such_method(request_id: &str) -> Response {
    let error = error::bad_request_because("METHOD_NOT_ALLOWED", "Not by this method.");
    refuse(StatusCode::METHOD_NOT_ALLOWED, error, Media::Json, request_id)
}
