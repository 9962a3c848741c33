//! `GET` and `POST /graphql/stream`: subscriptions as server-sent events (graphql-sse, distinct connections).

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{
    answer::{Media, refuse, refuse_by_code, respond, set_request_id, to_json},
    authenticate::CookieUse,
    gateway::{Arrival, Gateway},
    graphql::{admit, read_away, read_json_body},
    origin::Verdict,
    question::Parameters,
    sockets::Place,
};
use crate::{
    flows::caller::Caller,
    graphql::{answer::Answer, error},
};

/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// Answers both methods.
pub async fn stream<E: Executor>(
    State(gateway): State<Arc<Gateway<E>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let by_post = head.method == Method::POST;
    let arrival = gateway.arrival(peer.ip(), &head.headers, if by_post { "POST" } else { "GET" }, "/graphql/stream");
    let headers = &head.headers;
    let outcome = match admit_to_stream(&gateway, &arrival, headers) {
        Err(refusal) => {
            read_away(body.into_data_stream());
            Err(refusal)
        }
        Ok(()) if by_post => match read_json_body(headers, body, gateway.settings.max_body_bytes, gateway.settings.body_timeout).await {
            Err(refusal) => Err(Box::new(refusal.respond(Media::Json, &arrival))),
            Ok(body) => start(&gateway, &arrival, headers, Parameters::from_json(&body), CookieUse::Count).await,
        },
        Ok(()) => {
            let parameters = Parameters::from_query_string(head.uri.query().unwrap_or_default());
            start(&gateway, &arrival, headers, parameters, cookies_of_a_get(&gateway, headers)).await
        }
    };
    let mut response = outcome.unwrap_or_else(|refusal| *refusal);
    gateway.settings.origins.expose(headers, response.headers_mut());
    response
}

/// As everywhere, but for the media type: the answer is a stream of events.
fn admit_to_stream<E>(gateway: &Gateway<E>, arrival: &Arrival, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let accepts_events = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|accept| {
        accept.split(',').any(|range| ["text/event-stream", "text/*", "*/*"].contains(&range.split(';').next().unwrap_or_default().trim()))
    });
    if accepts_events || !headers.contains_key(header::ACCEPT) {
        gateway.admitted(arrival.ip).map_err(|error| Box::new(refuse_by_code(error, Media::Json, &arrival.request_id)))?;
        if gateway.settings.origins.judge(headers) == Verdict::Foreign {
            return Err(Box::new(refuse_by_code(error::forbidden_because("ORIGIN_NOT_ALLOWED"), Media::Json, &arrival.request_id)));
        }
        return Ok(());
    }
    admit(gateway, arrival, headers)?;
    let error = error::bad_request_because("NOT_ACCEPTABLE", "Answers are text/event-stream.");
    Err(Box::new(refuse(StatusCode::NOT_ACCEPTABLE, error, Media::Json, &arrival.request_id)))
}

/// A page's own `EventSource` cannot send headers and, from the same origin, has no `Origin`: the browser's word on the site counts.
fn cookies_of_a_get<E>(gateway: &Gateway<E>, headers: &HeaderMap) -> CookieUse {
    let same_origin = headers.get("sec-fetch-site").is_some_and(|value| value == "same-origin");
    let own_header = headers.contains_key("graphql-require-preflight");
    if gateway.settings.origins.judge(headers) == Verdict::Allowed || same_origin || own_header {
        CookieUse::Count
    } else {
        CookieUse::Ignore
    }
}

async fn start<E: Executor>(
    gateway: &Arc<Gateway<E>>,
    arrival: &Arrival,
    headers: &HeaderMap,
    parameters: Result<Parameters<'_>, super::question::Unreadable>,
    cookies: CookieUse,
) -> Result<Response, Box<Response>> {
    let request_id = arrival.request_id.as_str();
    let wrong = |message: &'static str| Box::new(refuse_by_code(error::bad_request(message), Media::Json, request_id));
    let prepared = parameters.map_err(|unreadable| wrong(unreadable.0))?.ask(|question| gateway.entry.prepare(question));
    let told = |answer: &Answer| Box::new(respond(answer, Media::GraphqlResponse, request_id));
    let prepared = prepared.map_err(|error| told(&gateway.entry.refuse(error, request_id)))?;
    if prepared.kind() != OperationType::Subscription {
        return Err(wrong("Only subscriptions run here."));
    }
    let busy = |error| Box::new(refuse_by_code(error, Media::Json, request_id));
    let sockets = &gateway.settings.sockets;
    let limited = || error::rate_limited(Duration::from_secs(10));
    let mut place = gateway.sockets.enter(arrival.ip, sockets.anonymous_per_ip).ok_or_else(|| busy(limited()))?;
    let data = (gateway.request_data)(&prepared).await;
    let presented = gateway.presented(headers, cookies);
    let identity = gateway.identify(presented.credentials).await;
    if let Some(user) = gateway.authenticate.user_id(&identity)
        && !place.belongs_to(user, sockets.per_user)
    {
        return Err(busy(limited()));
    }
    let ended = gateway.authenticate.session_ended(&identity);
    let caller = Arc::new(gateway.caller(arrival.clone(), headers, presented.device_token, presented.refresh_cookie, identity));
    let mut answers = gateway.entry.subscribe(prepared, &caller, data);
    // What is refused before anything happened is an ordinary answer with a status.
    let first = answers.next().now_or_never().flatten();
    if let Some(answer) = first.as_ref().filter(|answer| answer.refused || answer.stillborn) {
        return Err(told(answer));
    }
    let answers = match first {
        Some(answer) => futures::stream::iter([answer]).chain(answers).boxed(),
        None => answers,
    };
    let mut alive = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = Events { end: end_of(gateway, ended), answers, caller, alive, _place: place, finished: false };
    let mut response = Response::new(Body::from_stream(events.into_stream()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    set_request_id(headers, request_id);
    Ok(response)
}

/// Why a stream ends from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Shutdown, or its greatest age.
    Closed,
    /// The session is over.
    SessionEnded,
}

fn end_of<E: Executor>(gateway: &Arc<Gateway<E>>, ended: BoxFuture<'static, ()>) -> BoxFuture<'static, End> {
    let shutdown = gateway.shutdown.clone();
    let (max_age, farewell) = (gateway.settings.sockets.max_age, gateway.settings.sockets.farewell);
    async move {
        tokio::select! {
            () = shutdown.cancelled() => End::Closed,
            () = tokio::time::sleep(max_age) => End::Closed,
            () = ended => {
                // The stream itself tells the last events and ends; this is for one that does not.
                tokio::time::sleep(farewell).await;
                End::SessionEnded
            }
        }
    }
    .boxed()
}

struct Events {
    answers: BoxStream<'static, Answer>,
    end: BoxFuture<'static, End>,
    caller: Arc<Caller>,
    alive: Interval,
    _place: Place,
    finished: bool,
}

impl Events {
    fn into_stream(self) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send {
        futures::stream::unfold(self, |mut this| async move {
            if this.finished {
                return None;
            }
            let event = tokio::select! {
                biased;
                answer = this.answers.next() => answer.map(|answer| next(&answer)),
                end = &mut this.end => match end {
                    End::Closed => None,
                    End::SessionEnded => {
                        this.answers = futures::stream::empty().boxed();
                        this.end = futures::future::pending().boxed();
                        Some(next(&Answer::refusal(error::session_ended(), &this.caller.request_id)))
                    }
                },
                _ = this.alive.tick() => Some(Bytes::from_static(b":\n\n")),
            };
            let event = event.unwrap_or_else(|| {
                this.finished = true;
                // Without a line of data a browser would not hand the event on.
                Bytes::from_static(b"event: complete\ndata:\n\n")
            });
            Some((Ok(event), this))
        })
    }
}

fn next(answer: &Answer) -> Bytes {
    // JSON as we write it has no line breaks, so that this is one line of data.
    Bytes::from([b"event: next\ndata: ", to_json(answer).as_slice(), b"\n\n"].concat())
}
