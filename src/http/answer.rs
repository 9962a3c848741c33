//! How an answer looks on the wire: media type, status, headers and bytes.

use async_graphql::{Error, Response as GraphqlResponse, ServerError};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use super::cookies::{CookieStyle, ResponseCookie};
use crate::graphql::{
    answer::Answer,
    error::{ErrorCode, retry_after_of},
};

/// The media types of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/graphql-response+json`.
    GraphqlResponse,
    /// `application/json`.
    Json,
}

impl Media {
    const fn content_type(self) -> HeaderValue {
        match self {
            Self::GraphqlResponse => HeaderValue::from_static("application/graphql-response+json; charset=utf-8"),
            Self::Json => HeaderValue::from_static("application/json; charset=utf-8"),
        }
    }

    /// What the client accepts, by the order of its wishes; none where it accepts neither.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        let mut said_anything = false;
        for value in headers.get_all(header::ACCEPT) {
            let Ok(text) = value.to_str() else { continue };
            for range in text.split(',').take(32) {
                said_anything |= !range.trim().is_empty();
                let mut parts = range.split(';');
                let media = match parts.next().unwrap_or_default().trim() {
                    name if name.eq_ignore_ascii_case("application/graphql-response+json") => Self::GraphqlResponse,
                    name if ["application/json", "application/*", "*/*"].iter().any(|known| name.eq_ignore_ascii_case(known)) => Self::Json,
                    _ => continue,
                };
                let quality: f32 = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
                if quality > best.map_or(0.0, |(quality, _)| quality) {
                    best = Some((quality, media));
                }
            }
        }
        best.map(|(_, media)| media).or(if said_anything { None } else { Some(Self::Json) })
    }
}

/// A GraphQL response without `data`: nothing was executed.
#[derive(Serialize)]
struct Refused<'a> {
    errors: &'a [ServerError],
}

/// The JSON of an answer.
pub fn to_json(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let response = &answer.response;
    let written = if answer.refused {
        serde_json::to_writer(&mut bytes, &Refused { errors: &response.errors })
    } else {
        serde_json::to_writer(&mut bytes, response)
    };
    if let Err(error) = written {
        tracing::error!(%error, "an answer could not be written as JSON");
        bytes.clear();
        bytes.extend_from_slice(br#"{"errors":[{"message":"Something went wrong.","extensions":{"code":"INTERNAL"}}]}"#);
    }
    bytes
}

/// The status of an answer: 200 where there is data, else that of its first error.
fn status(answer: &Answer, media: Media) -> StatusCode {
    let GraphqlResponse { data, errors, .. } = &answer.response;
    let Some(error) = errors.first().filter(|_| answer.refused || *data == async_graphql::Value::Null) else { return StatusCode::OK };
    let code = ErrorCode::of(error).unwrap_or(ErrorCode::Internal);
    // A document or variables that are wrong are still an answer of GraphQL's for clients that know `application/json` alone.
    if answer.refused && code == ErrorCode::BadRequest && media == Media::Json {
        return StatusCode::OK;
    }
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The HTTP response of an answer.
pub fn respond(answer: &Answer, media: Media, request_id: &str) -> Response {
    with_status(answer, status(answer, media), media, request_id)
}

/// The HTTP response to a request that is refused as HTTP, with a status of HTTP's own.
pub fn refuse(status: StatusCode, error: Error, media: Media, request_id: &str) -> Response {
    with_status(&Answer::refusal(error, request_id), status, media, request_id)
}

/// The HTTP response to a request that is refused with the status of the error's code, in any media type.
pub fn refuse_by_code(error: Error, media: Media, request_id: &str) -> Response {
    let answer = Answer::refusal(error, request_id);
    let code = answer.response.errors.first().and_then(ErrorCode::of).unwrap_or(ErrorCode::Internal);
    with_status(&answer, StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), media, request_id)
}

fn with_status(answer: &Answer, status: StatusCode, media: Media, request_id: &str) -> Response {
    let mut response = Response::new(Body::from(to_json(answer)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.content_type());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_request_id(headers, request_id);
    if let Some(seconds) = answer.response.errors.iter().find_map(retry_after_of) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Adds `X-Request-Id`.
pub fn set_request_id(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
}

/// Adds the cookies that resolvers asked for.
pub fn set_cookies(headers: &mut HeaderMap, cookies: &[ResponseCookie], style: CookieStyle) {
    for cookie in cookies {
        if let Some(value) = style.header(cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_the_media_type() {
        let accepted = |value: &'static str| Media::accepted(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]));
        assert_eq!(Media::accepted(&HeaderMap::new()), Some(Media::Json));
        assert_eq!(accepted("*/*"), Some(Media::Json));
        assert_eq!(accepted("application/json"), Some(Media::Json));
        assert_eq!(accepted("application/graphql-response+json"), Some(Media::GraphqlResponse));
        assert_eq!(accepted("application/graphql-response+json, application/json;q=0.9"), Some(Media::GraphqlResponse));
        assert_eq!(accepted("application/json;q=0.5, application/graphql-response+json; charset=utf-8"), Some(Media::GraphqlResponse));
        assert_eq!(accepted("application/json;q=0"), None);
        assert_eq!(accepted("text/html"), None);
    }
}
