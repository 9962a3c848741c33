//! GraphiQL at `GET /graphql`, from npm packages that are embedded at build time; it needs no network.

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

/// The assets of the packages; empty where the build had no npm.
const PACKAGES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/graphiql_assets.rs"));
const OUR_SCRIPT: &[u8] = include_bytes!("../../web/graphiql.js");
const OUR_STYLE: &[u8] = include_bytes!("../../web/graphiql-page.css");

/// Nothing from elsewhere, nothing inline but the styles that the editor computes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Postern · GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/graphiql/graphiql.css">
<link rel="stylesheet" href="/graphiql/page.css">
</head>
<body>
<div id="graphiql">Loading…</div>
<script src="/graphiql/react.js"></script>
<script src="/graphiql/react-dom.js"></script>
<script src="/graphiql/graphiql.js"></script>
<script src="/graphiql/start.js"></script>
</body>
</html>
"#;

const NOTICE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Postern · GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/graphiql/page.css">
</head>
<body>
<div id="graphiql" class="notice">
<h1>GraphiQL is not in this build</h1>
<p>The machine that built Postern had no Node.js (with npm) or could not reach the npm registry. Install it and build once more,
after <code>touch build.rs</code>. Everything else works: send operations to this address by POST.</p>
</div>
</body>
</html>
"#;

/// Whether the build had the packages.
pub const fn is_embedded() -> bool {
    !PACKAGES.is_empty()
}

/// The page.
pub fn page() -> Response {
    let mut response = (StatusCode::OK, if is_embedded() { PAGE } else { NOTICE }).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // The same address answers queries.
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The assets, and the way to the page for who opens the bare address.
pub fn routes() -> Router {
    let ours = [("start.js", OUR_SCRIPT), ("page.css", OUR_STYLE)];
    let router = Router::new().route("/", get(|| async { Redirect::to("/graphql") }));
    PACKAGES.iter().copied().chain(ours).fold(router, |router, (name, content)| {
        router.route(&format!("/graphiql/{name}"), get(move || async move { asset(name, content) }))
    })
}

fn asset(name: &str, content: &'static [u8]) -> Response {
    let mut response = content.into_response();
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
