//! `GET /.well-known/jwks.json`: the public keys, for those who check access tokens themselves.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// Gives the JWK set as it is now.
pub type Jwks = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// The route.
pub fn routes(jwks: Jwks) -> Router {
    Router::new().route("/.well-known/jwks.json", get(move || async move { answer(&jwks()) }))
}

fn answer(set: &serde_json::Value) -> Response {
    let mut response = set.to_string().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
