//! `/auth/verify`: a reverse proxy asks here whether a request of its own may pass, and whose it is. `docs/forward-auth.md` says how.
//!
//! 1. An address that is denied or has asked too often in vain is refused before anything is looked up.
//! 2. A Bearer token wins; else the access cookie counts, unless another site may have made the browser send it: `Origin` must be an allowed one, and
//!    may only be missing where a trusted proxy says that the method changes nothing.
//! 3. A live session is told in four headers, always all of them, so that whoever copies them overwrites what a client sent by these names. What
//!    is refused counts for its address; what passes counts nowhere: it is the traffic of somebody else's site.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_graphql::{Error, Executor};
use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
    routing::any,
};
use entity::users::Role;

use super::{
    answer::{Media, refuse_by_code, set_request_id},
    authenticate::{CookieUse, Credentials},
    client_address::is_trusted,
    gateway::{Admit, Arrival, Gateway},
    origin::{Verdict, is_safe},
};
use crate::{
    flows::caller::{Identity, Reason, SignedIn},
    graphql::error,
};

const PATH: &str = "/auth/verify";
/// By these the proxy tells with which method its own request came.
const METHODS: [&str; 2] = ["x-original-method", "x-forwarded-method"];

struct ForwardAuth<E> {
    gateway: Arc<Gateway<E>>,
    look: Admit,
}

/// The route, for whatever method the proxy sends, and whatever path it adds. `look` tells whether an address may ask now, and counts nothing.
pub fn routes<E: Executor>(gateway: &Arc<Gateway<E>>, look: Admit) -> Router {
    let state = Arc::new(ForwardAuth { gateway: Arc::clone(gateway), look });
    Router::new().route(PATH, any(verify::<E>)).route("/auth/verify/{*path}", any(verify::<E>)).with_state(state)
}

async fn verify<E: Executor>(
    State(forward): State<Arc<ForwardAuth<E>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let arrival = forward.gateway.arrival(peer.ip(), &head.headers, "GET", PATH);
    if let Err(refusal) = (forward.look)(arrival.ip).into_result() {
        return refuse(refusal, &arrival);
    }
    let credentials = credentials(&forward.gateway, peer.ip(), &head.method, &head.headers);
    match forward.gateway.identify(credentials).await {
        Identity::Session(me) => accept(&me, &arrival),
        Identity::Anonymous => refuse_counted(&forward.gateway, Reason::TokenMissing, &arrival),
        // A machine is nobody that a service behind the proxy could know.
        Identity::Machine(_) => refuse_counted(&forward.gateway, Reason::TokenInvalid, &arrival),
        Identity::Refused(reason) | Identity::Past { reason, .. } => refuse_counted(&forward.gateway, reason, &arrival),
    }
}

/// What counts of what came with the request.
fn credentials<E>(gateway: &Gateway<E>, peer: IpAddr, method: &Method, headers: &HeaderMap) -> Credentials {
    let cookies = match gateway.settings.origins.judge(headers) {
        Verdict::Allowed => CookieUse::Count,
        Verdict::Absent if is_trusted(peer, &gateway.settings.trusted_proxies) && is_told_safe(method, headers) => CookieUse::Count,
        Verdict::Absent | Verdict::Foreign => CookieUse::Ignore,
    };
    gateway.presented(headers, cookies).credentials
}

/// Whether the proxy says that the original method changes nothing. One that says nothing asks by GET for whatever came to it.
fn is_told_safe(own: &Method, headers: &HeaderMap) -> bool {
    let mut told = METHODS.iter().flat_map(|name| headers.get_all(*name)).peekable();
    let is_told = told.peek().is_some();
    is_told && is_safe(own) && told.all(|method| Method::from_bytes(method.as_bytes()).is_ok_and(|method| is_safe(&method)))
}

fn accept(me: &SignedIn, arrival: &Arrival) -> Response {
    let user = &me.live.user;
    // An address that nobody proved says nothing about who this is.
    let email = user.email.as_deref().filter(|_| user.email_verified_at.is_some()).unwrap_or_default();
    let role = match user.role {
        Role::User => "user",
        Role::Admin => "admin",
    };
    let mut response = Response::default();
    let headers = response.headers_mut();
    let mut tell = |name: &'static str, value: &str| {
        headers.insert(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("")));
    };
    tell("x-auth-user-id", &user.id.to_string());
    tell("x-auth-session-id", &me.live.session.id.to_string());
    tell("x-auth-role", role);
    tell("x-auth-email", email);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_request_id(headers, &arrival.request_id);
    response
}

fn refuse_counted<E>(gateway: &Gateway<E>, reason: Reason, arrival: &Arrival) -> Response {
    match gateway.admitted(arrival.ip) {
        Ok(()) => refuse(error::unauthenticated(reason), arrival),
        Err(refusal) => refuse(refusal, arrival),
    }
}

fn refuse(error: Error, arrival: &Arrival) -> Response {
    let mut response = refuse_by_code(error, Media::Json, &arrival.request_id);
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(own: &Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        is_told_safe(own, &headers)
    }

    #[test]
    fn a_method_is_safe_where_everybody_says_so() {
        assert!(told(&Method::GET, &[("x-original-method", "GET")]));
        assert!(told(&Method::HEAD, &[("x-forwarded-method", "HEAD")]));
        assert!(!told(&Method::GET, &[]), "nginx asks by GET for a POST too");
        assert!(!told(&Method::POST, &[("x-original-method", "GET")]), "Envoy asks by the method that came");
        // A client that adds one of the names cannot make it better.
        assert!(!told(&Method::GET, &[("x-original-method", "POST"), ("x-forwarded-method", "GET")]));
        assert!(!told(&Method::GET, &[("x-forwarded-method", "GET"), ("x-forwarded-method", "DELETE")]));
        for method in ["", "get", "PURGE", "G T", "GET, POST"] {
            assert!(!told(&Method::GET, &[("x-original-method", method)]), "{method}");
        }
    }
}
