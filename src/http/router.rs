//! The routes, and what every answer carries.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use async_graphql::Executor;
use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};

use super::{
    answer::{Media, refuse_by_code},
    gateway::Gateway,
    graphiql, graphql, stream, websocket,
};

/// The routes of the GraphQL API. The server must give each connection's peer address (`ConnectInfo<SocketAddr>`).
pub fn graphql_routes<E: Executor>(gateway: &Arc<Gateway<E>>) -> Router {
    let routes = Router::new()
        .route("/graphql", get(graphql::get::<E>).post(graphql::post::<E>).options(graphql::options::<E>))
        .route("/graphql/ws", get(websocket::handshake::<E>))
        .route("/graphql/stream", get(stream::stream::<E>).post(stream::stream::<E>).options(graphql::options::<E>))
        .with_state(Arc::clone(gateway));
    if gateway.settings.graphiql { routes.merge(graphiql::routes()) } else { routes }
}

/// Lets nobody to these routes whose address is denied or asks too often, as at those of the API.
pub fn admitting<E: Executor>(routes: Router, gateway: &Arc<Gateway<E>>) -> Router {
    let gateway = Arc::clone(gateway);
    routes.layer(from_fn(move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next| {
        let arrival = gateway.arrival(peer.ip(), request.headers(), "GET", "");
        let admitted = gateway.admitted(arrival.ip);
        async move {
            match admitted {
                Ok(()) => next.run(request).await,
                Err(error) => refuse_by_code(error, Media::Json, &arrival.request_id),
            }
        }
    }))
}

/// Puts the last touches on the whole program's routes: an answer for unknown paths and methods, and the headers of every answer.
pub fn finish<E: Executor>(routes: Router, gateway: Arc<Gateway<E>>) -> Router {
    let https = gateway.settings.https;
    let of_methods = Arc::clone(&gateway);
    routes
        .method_not_allowed_fallback(move || {
            let request_id = of_methods.request_id();
            async move { graphql::no_such_method(&request_id) }
        })
        .fallback(move || {
            let request_id = gateway.request_id();
            async move { graphql::not_found(&request_id) }
        })
        .layer(from_fn(move |request: Request, next: Next| async move {
            let path = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
            let begun = Instant::now();
            let mut response: Response = next.run(request).await;
            harden(response.headers_mut(), https);
            metrics::counter!("postern_http_requests_total", "path" => path.clone(), "status" => response.status().as_u16().to_string())
                .increment(1);
            metrics::histogram!("postern_http_request_seconds", "path" => path).record(begun.elapsed());
            response
        }))
}

/// Adds the security headers that an answer has not set itself. `// H24`
fn harden(headers: &mut HeaderMap, https: bool) {
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::X_FRAME_OPTIONS, "DENY");
    default(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    default(header::CACHE_CONTROL, "no-store");
    if https {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
    }
}
