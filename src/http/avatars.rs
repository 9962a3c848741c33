//! `GET /avatars/{key}`: pictures of people. A key never names another picture, so that it may be kept for ever.

use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;

use crate::{
    domain::picture::PictureKind,
    outbound::pictures::{Pictures, is_key},
};

/// The route.
pub fn routes(pictures: Pictures) -> Router {
    Router::new().route("/avatars/{key}", get(picture)).with_state(pictures)
}

async fn picture(State(pictures): State<Pictures>, key: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    let Ok(Path(key)) = key else { return nothing() };
    let kind = key.rsplit_once('.').and_then(|(_, extension)| PictureKind::of_extension(extension)).filter(|_| is_key(&key));
    let (Some(kind), Ok(etag)) = (kind, HeaderValue::try_from(format!("\"{key}\""))) else { return nothing() };
    // It never changes: a cache that has it has it right, and the storage need not be asked.
    if names(&headers, &etag) {
        return unchanged(etag);
    }
    match pictures.get(&key).await {
        Ok(None) => nothing(),
        Ok(Some(_)) if headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == "*") => unchanged(etag),
        Ok(Some(bytes)) => whole(bytes, kind, etag),
        Err(fault) => {
            tracing::warn!(%fault, "an avatar could not be read");
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")]).into_response()
        }
    }
}

/// Whether `If-None-Match` names this one: a list, in which weak tags count as well (RFC 9110, 13.1.2).
fn names(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| etag == tag)
}

fn unchanged(etag: HeaderValue) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    mark(&mut response, etag);
    response
}

fn whole(bytes: Bytes, kind: PictureKind, etag: HeaderValue) -> Response {
    let mut response = bytes.into_response();
    mark(&mut response, etag);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind.mime_type()));
    // Opened by itself it is an image and nothing else, and pages of other origins may show it.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

fn mark(response: &mut Response, etag: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
}

fn nothing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}
