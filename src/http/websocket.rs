//! `GET /graphql/ws`: subscriptions, and nothing else, by `graphql-transport-ws`. One task per socket; it lives as long as its session.

use std::{net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    extract::{
        ConnectInfo, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use serde_json::value::RawValue;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::{
    answer::{Media, refuse, refuse_by_code, to_json},
    authenticate::{CookieUse, Credentials, bearer},
    gateway::Gateway,
    origin::Verdict,
    question::Parameters,
    socket_ending::{Ending, Step},
    socket_frames::{ACK, Close, FromClient, about, pong, read},
    sockets::Place,
};
use crate::{
    flows::caller::{Caller, Identity, Reason},
    graphql::{
        answer::Answer,
        error::{self, is_right_lost, is_session_end},
    },
};

const PROTOCOL: &str = "graphql-transport-ws";
/// tungstenite's own default is 128 KiB for each direction of each socket.
const READ_BUFFER: usize = 4096;
/// What may wait to be sent before a send waits.
const MAX_WRITE_BUFFER: usize = 256 << 10;
/// Frames between two looks at the socket (25 s).
const MAX_FRAMES: u32 = 1000;
/// How long the peer may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers the handshake.
pub async fn handshake<E: Executor>(
    State(gateway): State<Arc<Gateway<E>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let arrival = gateway.arrival(peer.ip(), &headers, "GET", "/graphql/ws");
    let request_id = arrival.request_id.clone();
    if let Err(error) = gateway.admitted(arrival.ip) {
        return refuse_by_code(error, Media::Json, &request_id);
    }
    // A browser's handshake is not subject to CORS and brings its cookies: the origin is all there is.
    let cookies = match gateway.settings.origins.judge(&headers) {
        Verdict::Foreign => return refuse_by_code(error::forbidden_because("ORIGIN_NOT_ALLOWED"), Media::Json, &request_id),
        Verdict::Allowed => CookieUse::Count,
        Verdict::Absent => CookieUse::Ignore,
    };
    let Ok(upgrade) = upgrade else {
        let error = error::bad_request_because("NOT_A_WEBSOCKET", "Only WebSocket handshakes are answered here.");
        return refuse(StatusCode::UPGRADE_REQUIRED, error, Media::Json, &request_id);
    };
    let Some(place) = gateway.sockets.enter(arrival.ip, gateway.settings.sockets.anonymous_per_ip) else {
        return refuse_by_code(error::rate_limited(Duration::from_secs(10)), Media::Json, &request_id);
    };
    let presented = gateway.presented(&headers, cookies);
    let caller = gateway.caller(arrival, &headers, presented.device_token, None, Identity::Anonymous);
    let max = gateway.settings.max_body_bytes;
    upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(max)
        .max_frame_size(max)
        .on_upgrade(move |mut socket| async move {
            let greeted = Box::pin(greet(&gateway, &mut socket, caller, presented.credentials, place)).await;
            let close = match greeted {
                Ok(greeted) => converse(&gateway, &mut socket, greeted).await,
                Err(close) => close,
            };
            say_goodbye(&mut socket, close).await;
        })
}

/// Closes with a code, or answers the peer's own close; and lets the peer read what was sent before.
async fn say_goodbye(socket: &mut WebSocket, close: Ended) {
    let code = close.map_or(0, Close::code);
    metrics::counter!("postern_sockets_closed_total", "code" => code.to_string()).increment(1);
    let frame = close.map(|close| Message::Close(Some(CloseFrame { code, reason: close.reason().into() })));
    let goodbye = async {
        if let Some(frame) = frame
            && socket.send(frame).await.is_err()
        {
            return;
        }
        // Reading on is also what sends the answer to a close.
        while let Some(Ok(_)) = socket.recv().await {}
    };
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
}

/// A socket after `connection_init`.
struct Greeted {
    caller: Caller,
    place: Place,
    ended: BoxFuture<'static, ()>,
}

/// `Err(None)`: the peer is gone.
type Ended = Option<Close>;

async fn greet<E: Executor>(
    gateway: &Gateway<E>,
    socket: &mut WebSocket,
    mut caller: Caller,
    by_cookie: Credentials,
    mut place: Place,
) -> Result<Greeted, Ended> {
    if socket.protocol().is_none_or(|protocol| protocol != PROTOCOL) {
        return Err(Some(Close::Subprotocol));
    }
    let settings = &gateway.settings.sockets;
    let said = tokio::select! {
        said = timeout(settings.init_timeout, wait_for_init(socket)) => said.map_err(|_| Some(Close::InitTimeout))??,
        () = gateway.shutdown.cancelled() => return Err(Some(Close::GoingAway)),
    };
    let credentials = said.map_or(by_cookie, |said| bearer(&said));
    caller.identity = gateway.identify(credentials).await;
    if let Identity::Refused(reason) | Identity::Past { reason, .. } = &caller.identity {
        return Err(Some(match reason {
            Reason::TokenExpired => Close::Forbidden,
            Reason::TokenMissing | Reason::TokenInvalid | Reason::SessionEnded | Reason::NoPerson => Close::Unauthorized,
            Reason::Unavailable => Close::TryAgainLater,
        }));
    }
    if let Some(user) = gateway.authenticate.user_id(&caller.identity)
        && !place.belongs_to(user, settings.per_user)
    {
        return Err(Some(Close::TryAgainLater));
    }
    let ended = gateway.authenticate.session_ended(&caller.identity);
    timeout(settings.send_timeout, socket.send(Message::text(ACK))).await.map_err(|_| None)?.map_err(|_| None)?;
    Ok(Greeted { caller, place, ended })
}

async fn wait_for_init(socket: &mut WebSocket) -> Result<Option<String>, Ended> {
    loop {
        match socket.recv().await {
            None | Some(Ok(Message::Close(_))) => return Err(None),
            Some(Err(error)) => return Err(Some(broken(&error))),
            Some(Ok(Message::Text(text))) => match read(&text) {
                Some(FromClient::Init(token)) => return Ok(token),
                Some(FromClient::Ping(payload)) => socket.send(Message::text(pong(payload))).await.map_err(|_| None)?,
                Some(FromClient::Pong) => {}
                Some(FromClient::Subscribe { .. }) => return Err(Some(Close::Unauthorized)),
                Some(FromClient::Complete(_)) | None => return Err(Some(Close::BadRequest)),
            },
            Some(Ok(Message::Binary(_))) => return Err(Some(Close::BadRequest)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
        }
    }
}

/// tungstenite's error types are not ours to name; this is what it says of a frame over the limit.
fn broken(error: &axum::Error) -> Close {
    if error.to_string().contains("Space limit exceeded") { Close::TooLarge } else { Close::BadRequest }
}

/// A subscription that runs.
struct Running {
    id: String,
    answers: BoxStream<'static, Answer>,
}

struct Conversation<'a, E> {
    gateway: &'a Gateway<E>,
    socket: &'a mut WebSocket,
    caller: Caller,
    running: Vec<Running>,
    /// Whose turn it is to be asked first, so that a busy subscription does not silence the others.
    turn: usize,
    ending: Ending,
    heard: Instant,
    frames: u32,
    _place: Place,
}

async fn converse<E: Executor>(gateway: &Gateway<E>, socket: &mut WebSocket, greeted: Greeted) -> Ended {
    let settings = &gateway.settings.sockets;
    let ending = Ending::new(gateway.shutdown.clone(), greeted.ended, settings);
    let now = Instant::now();
    let mut looks = interval_at(now + settings.ping_every, settings.ping_every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut conversation = Conversation {
        gateway,
        socket,
        caller: greeted.caller,
        running: Vec::new(),
        turn: 0,
        ending,
        heard: now,
        frames: 0,
        _place: greeted.place,
    };
    loop {
        if let Err(ended) = conversation.step(&mut looks).await {
            return ended;
        }
    }
}

impl<E: Executor> Conversation<'_, E> {
    async fn step(&mut self, looks: &mut Interval) -> Result<(), Ended> {
        tokio::select! {
            step = self.ending.step() => match step {
                Step::Close(close) => Err(Some(close)),
                Step::SessionOver => self.close_when_told(),
            },
            (index, answer) = next_answer(&mut self.running, self.turn) => self.answered(index, answer).await,
            message = self.socket.recv() => self.heard(message).await,
            _ = looks.tick() => self.look().await,
        }
    }

    /// The session is over: closes unless subscriptions still have something to tell.
    fn close_when_told(&self) -> Result<(), Ended> {
        if self.running.is_empty() { Err(Some(Close::Unauthorized)) } else { Ok(()) }
    }

    async fn answered(&mut self, index: usize, answer: Option<Answer>) -> Result<(), Ended> {
        self.turn = index + 1;
        let Some(answer) = answer else {
            let finished = self.running.swap_remove(index);
            if self.ending.is_leaving() {
                return self.close_when_told();
            }
            return self.send(about("complete", &finished.id, None)).await;
        };
        if answer.response.errors.iter().any(is_session_end) {
            self.running.swap_remove(index);
            self.ending.leave();
            return self.close_when_told();
        }
        // The listener may not follow others any more: this operation is refused, and the socket comes again, if at all, as what they are now.
        if !answer.refused && answer.response.errors.iter().any(is_right_lost) {
            let refused = self.running.swap_remove(index);
            self.refuse(&refused.id, &answer).await?;
            return Err(Some(Close::Forbidden));
        }
        if answer.refused || answer.stillborn {
            let refused = self.running.swap_remove(index);
            return self.refuse(&refused.id, &answer).await;
        }
        let frame = about("next", &self.running[index].id, Some(&to_json(&answer)));
        self.send(frame).await
    }

    async fn heard(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Ended> {
        self.heard = Instant::now();
        self.frames += 1;
        if self.frames > MAX_FRAMES {
            return Err(Some(Close::Flood));
        }
        match message {
            None | Some(Ok(Message::Close(_))) => Err(None),
            Some(Err(error)) => Err(Some(broken(&error))),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Binary(_))) => Err(Some(Close::BadRequest)),
            Some(Ok(Message::Text(text))) => match read(&text) {
                None => Err(Some(Close::BadRequest)),
                Some(FromClient::Init(_)) => Err(Some(Close::TooManyInits)),
                Some(FromClient::Ping(payload)) => self.send(pong(payload)).await,
                Some(FromClient::Pong) => Ok(()),
                Some(FromClient::Complete(id)) => {
                    self.running.retain(|running| running.id != id);
                    if self.ending.is_leaving() { self.close_when_told() } else { Ok(()) }
                }
                Some(FromClient::Subscribe { id, payload }) => self.subscribe(id, payload).await,
            },
        }
    }

    async fn subscribe(&mut self, id: String, payload: &RawValue) -> Result<(), Ended> {
        if self.running.iter().any(|running| running.id == id) {
            return Err(Some(Close::Duplicate));
        }
        let request_id = self.gateway.request_id();
        let refused = |error| Answer::refusal(error, &request_id);
        if self.running.len() >= self.gateway.settings.sockets.subscriptions {
            return self.refuse(&id, &refused(error::rate_limited(Duration::from_secs(1)))).await;
        }
        if let Err(error) = self.gateway.admitted(self.caller.ip) {
            return self.refuse(&id, &refused(error)).await;
        }
        let Ok(parameters) = Parameters::from_json(payload.get().as_bytes()) else { return Err(Some(Close::BadRequest)) };
        if !parameters.has_document() {
            return Err(Some(Close::BadRequest));
        }
        let prepared = match parameters.ask(|question| self.gateway.entry.prepare(question)) {
            Ok(prepared) if prepared.kind() == OperationType::Subscription => prepared,
            Ok(_) => return self.refuse(&id, &refused(error::bad_request("Only subscriptions run here."))).await,
            Err(error) => return self.refuse(&id, &self.gateway.entry.refuse(error, &request_id)).await,
        };
        let data = (self.gateway.request_data)(&prepared).await;
        let caller = Arc::new(Caller { request_id, ..self.caller.clone() });
        let answers = self.gateway.entry.subscribe(prepared, &caller, data);
        self.running.push(Running { id, answers });
        Ok(())
    }

    async fn refuse(&mut self, id: &str, answer: &Answer) -> Result<(), Ended> {
        let errors = serde_json::to_vec(&answer.response.errors).unwrap_or_else(|_| b"[]".to_vec());
        self.send(about("error", id, Some(&errors))).await
    }

    /// A socket from which nothing came for long is dropped; others are asked whether they live.
    async fn look(&mut self) -> Result<(), Ended> {
        self.frames = 0;
        if self.heard.elapsed() > self.gateway.settings.sockets.ping_every * 2 {
            return Err(None);
        }
        self.send_message(Message::Ping(bytes::Bytes::new())).await
    }

    async fn send(&mut self, text: String) -> Result<(), Ended> {
        self.send_message(Message::text(text)).await
    }

    /// Sends within the time that a slow reader has, and no longer than the session lives.
    async fn send_message(&mut self, message: Message) -> Result<(), Ended> {
        let sending = self.socket.send(message);
        // Nearly every message goes out at once.
        let mut sending = std::pin::pin!(timeout(self.gateway.settings.sockets.send_timeout, sending));
        if let Some(sent) = sending.as_mut().now_or_never() {
            return sent.map_err(|_| None)?.map_err(|_| None);
        }
        loop {
            tokio::select! {
                sent = &mut sending => return sent.map_err(|_| None)?.map_err(|_| None),
                step = self.ending.step() => match step {
                    Step::SessionOver => {}
                    // A close would wait behind the message that does not go out.
                    Step::Close(_) => return Err(None),
                },
            }
        }
    }
}

/// The next answer of any subscription, with its place; pending while there is none.
async fn next_answer(running: &mut [Running], turn: usize) -> (usize, Option<Answer>) {
    std::future::poll_fn(|context| {
        let count = running.len();
        for offset in 0..count {
            let index = (turn + offset) % count;
            if let Poll::Ready(answer) = running[index].answers.poll_next_unpin(context) {
                return Poll::Ready((index, answer));
            }
        }
        Poll::Pending
    })
    .await
}
