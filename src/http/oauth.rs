//! `/oauth/start/{state}` and `/oauth/callback/{provider}`: the two stops of the browser on its way to a provider and back.
//!
//! Both are protected by the state, and the callback by the cookie that only the browser has which began there. Where they do not hold, a small page
//! says so; the browser is sent nowhere.

use std::{net::SocketAddr, sync::Arc};

use async_graphql::{Error, Executor};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, Request, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
    routing::get,
};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    answer::{set_cookies, set_request_id},
    cookies::{CookieKind, ResponseCookies},
    gateway::{Arrival, Gateway},
    graphql::{read_away, read_body},
    pages::{PageError, Sign},
};
use crate::{
    app::App,
    flows::{
        failure::Failure,
        oauth_trip::TRIP_TTL,
        receive_oauth::{self, Arrived},
        start_oauth,
    },
    graphql::{error, problem::settle_error},
};

/// Apple's form has some 2 KiB.
const LONGEST_BODY: usize = 16 * 1024;
/// Trips that one browser may have begun at once, in several tabs.
const MOST_TRIPS: usize = 5;
/// Between the trips in the cookie.
const BETWEEN: char = '.';

/// What both stops need.
struct Stops<E> {
    app: Arc<App>,
    gateway: Arc<Gateway<E>>,
    sign: Sign,
}

/// The routes. The server must give each connection's peer address (`ConnectInfo<SocketAddr>`).
pub fn routes<E: Executor>(app: &Arc<App>, gateway: &Arc<Gateway<E>>) -> Result<Router, PageError> {
    let stops = Arc::new(Stops { app: Arc::clone(app), gateway: Arc::clone(gateway), sign: Sign::new(app)? });
    let (starting, looking, posting) = (Arc::clone(&stops), Arc::clone(&stops), stops);
    let start = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, state: Result<Path<String>, PathRejection>, request: Request| async move {
        starting.start(peer, &text(state), request).await
    };
    let come_back = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, provider: Result<Path<String>, PathRejection>, request: Request| async move {
        let (head, _) = request.into_parts();
        let query = Zeroizing::new(head.uri.query().unwrap_or_default().as_bytes().to_vec());
        looking.receive((peer, "GET"), &text(provider), &head.headers, Ok(query)).await
    };
    let post_back = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, provider: Result<Path<String>, PathRejection>, request: Request| async move {
        let (Parts { headers, .. }, body) = request.into_parts();
        posting.receive((peer, "POST"), &text(provider), &headers, Err(body)).await
    };
    Ok(Router::new().route("/oauth/start/{state}", get(start)).route("/oauth/callback/{provider}", get(come_back).post(post_back)))
}

/// What is no text is nobody's.
fn text(part: Result<Path<String>, PathRejection>) -> String {
    part.map(|Path(text)| text).unwrap_or_default()
}

impl<E: Executor> Stops<E> {
    async fn start(&self, peer: SocketAddr, state: &str, request: Request) -> Response {
        let headers = request.headers();
        let arrival = self.gateway.arrival(peer.ip(), headers, "GET", "/oauth/start/{state}");
        if let Err(error) = self.gateway.admitted(arrival.ip) {
            return self.refuse(headers, &arrival, error);
        }
        match start_oauth::run(&self.app, state).await {
            Ok(outcome) => {
                let mut trips = self.trips(headers);
                trips.retain(|trip| *trip != outcome.flow_cookie);
                trips.insert(0, &outcome.flow_cookie);
                trips.truncate(MOST_TRIPS);
                let cookies = ResponseCookies::default();
                cookies.set(CookieKind::OAuth, trips.join(&BETWEEN.to_string()), TRIP_TTL);
                let mut response = self.send_to(StatusCode::FOUND, &outcome.url, headers, &arrival);
                set_cookies(response.headers_mut(), &cookies.take(), self.gateway.settings.cookies);
                response
            }
            Err(Failure::Refused(start_oauth::Refusal::Unknown)) => self.lost(headers, &arrival),
            Err(failure) => self.refuse(headers, &arrival, settle_error(failure)),
        }
    }

    /// `given` are the parameters, or the body that they stand in.
    async fn receive(
        &self,
        (peer, method): (SocketAddr, &'static str),
        provider: &str,
        headers: &HeaderMap,
        given: Result<Zeroizing<Vec<u8>>, Body>,
    ) -> Response {
        let arrival = self.gateway.arrival(peer.ip(), headers, method, "/oauth/callback/{provider}");
        if let Err(error) = self.gateway.admitted(arrival.ip) {
            if let Err(body) = given {
                read_away(body.into_data_stream());
            }
            return self.refuse(headers, &arrival, error);
        }
        let parameters = match given {
            Ok(query) => query,
            Err(body) => match read_body((headers, body), is_form, LONGEST_BODY, self.app.config.http.body_timeout).await {
                Ok(bytes) => Zeroizing::new(bytes.to_vec()),
                Err(refusal) => {
                    let mut response = self.sign.show(&self.app, refusal.status(), self.gateway.locale(headers).as_deref(), "unreadable");
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                    set_request_id(response.headers_mut(), &arrival.request_id);
                    return response;
                }
            },
        };
        let Some(arrived) = arrived(&parameters) else { return self.lost(headers, &arrival) };
        match receive_oauth::run(&self.app, provider, arrived, &self.trips(headers)).await {
            Ok(url) => self.send_to(StatusCode::SEE_OTHER, &url, headers, &arrival),
            Err(Failure::Refused(receive_oauth::Refusal::Unknown)) => self.lost(headers, &arrival),
            Err(failure) => self.refuse(headers, &arrival, settle_error(failure)),
        }
    }

    /// The trips that this browser began, the newest first.
    fn trips<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        let cookie = self.gateway.settings.cookies.find(headers, CookieKind::OAuth);
        cookie.into_iter().flat_map(|cookie| cookie.split(BETWEEN)).filter(|trip| trip.len() == 43).take(MOST_TRIPS).collect()
    }

    fn send_to(&self, status: StatusCode, url: &str, headers: &HeaderMap, arrival: &Arrival) -> Response {
        let Ok(location) = HeaderValue::try_from(url) else {
            return self.refuse(headers, arrival, error::internal("an address that cannot stand in a header"));
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, location);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        set_request_id(headers, &arrival.request_id);
        response
    }

    /// State or cookie do not hold.
    fn lost(&self, headers: &HeaderMap, arrival: &Arrival) -> Response {
        let mut response = self.sign.show(&self.app, StatusCode::BAD_REQUEST, self.gateway.locale(headers).as_deref(), "lost");
        set_request_id(response.headers_mut(), &arrival.request_id);
        response
    }

    fn refuse(&self, headers: &HeaderMap, arrival: &Arrival, error: Error) -> Response {
        let mut response = self.sign.tell(&self.app, self.gateway.locale(headers).as_deref(), error, &arrival.request_id);
        set_request_id(response.headers_mut(), &arrival.request_id);
        response
    }
}

/// What the browser brings; none where a parameter comes twice, and nobody can say which one counts.
fn arrived(parameters: &[u8]) -> Option<Arrived> {
    let mut arrived = Arrived::default();
    let mut state = None;
    for (name, value) in form_urlencoded::parse(parameters) {
        let place = match &*name {
            "state" => &mut state,
            "code" => &mut arrived.code,
            "error" => &mut arrived.error,
            "iss" => &mut arrived.issuer,
            "user" => &mut arrived.user,
            _ => continue,
        };
        if place.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    arrived.state = state?;
    Some(arrived)
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
