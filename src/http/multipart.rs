//! `POST /graphql` with a file, by the GraphQL multipart request specification: `operations`, `map`, the file, in this order, for `uploadAvatar`
//! alone.
//!
//! 1. The header that makes a browser ask first must be there, with or without cookies.
//! 2. Until it is known what is asked and by whom, and that they may send a file now, no more is read than of a body of JSON.
//! 3. The file goes where it is kept as it comes, not slower than a set pace; one that is too large is read to its end and not kept.
//! 4. What is refused is thrown away as it comes, and no longer looked at.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, ready},
    time::Duration,
};

use async_graphql::{Error, Executor, parser::types::OperationType};
use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use multer::Multipart;
use tokio::time::Instant;

use super::{
    answer::{Media, refuse, refuse_by_code, respond},
    authenticate::CookieUse,
    gateway::{Arrival, Gateway},
    graphql::{self, BodyRefusal},
    question::Parameters,
};
use crate::{
    flows::receive_picture::{Incoming, Received},
    graphql::{error, upload::Uploaded},
};

/// The only operation that takes a file.
const FIELD: &str = "uploadAvatar";
/// More is not even read.
const MOST_BYTES: usize = 16 * 1024 * 1024;
const MOST_MAP_BYTES: usize = 1024;
/// Of boundaries, and of the headers of a part.
const MOST_FRAME_BYTES: usize = 4096;
/// So much is handed to the reader of parts at a time.
const PIECE: usize = 16 * 1024;
/// A file may take longer than a body of JSON: so much from its beginning to its end,
const FILE_TIMEOUT: Duration = Duration::from_mins(1);
/// and once the time of such a body is over, so many bytes a second at least.
const SLOWEST: u64 = 64 * 1024;

/// Whether a body claims to be multipart.
pub(super) fn is_multipart(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let name = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("multipart/form-data")
}

/// Why a body is not answered as asked.
enum Refusal {
    Body(BodyRefusal),
    Wrong(&'static str),
    /// By the schema.
    Error(Error),
    /// The answer is there already.
    Answered(Box<Response>),
}

impl From<multer::Error> for Refusal {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::StreamReadFailed(cause) if cause.is::<Spent>() => Self::Body(BodyRefusal::TooLarge),
            _ => Self::Body(BodyRefusal::Broken),
        }
    }
}

/// Answers it.
pub(super) async fn post<E: Executor>(gateway: &Gateway<E>, arrival: Arrival, headers: &HeaderMap, body: Body) -> Response {
    let media = match graphql::admit(gateway, &arrival, headers) {
        Ok(media) => media,
        Err(refusal) => {
            graphql::read_away(body.into_data_stream());
            return *refusal;
        }
    };
    let gate = Arc::new(Gate { body: Mutex::new(body.into_data_stream()), allowed: AtomicUsize::new(0) });
    let answered = match open(headers, &gate) {
        Ok(parts) => answer(gateway, &arrival, headers, (parts, &gate), media).await,
        Err(refusal) => Err(Refusal::Body(refusal)),
    };
    let response = match answered {
        Ok(response) => return response,
        Err(Refusal::Body(refusal)) => refusal.respond(media, &arrival),
        Err(Refusal::Wrong(message)) => refuse(StatusCode::BAD_REQUEST, error::bad_request(message), media, &arrival.request_id),
        Err(Refusal::Error(error)) => refuse_by_code(error, media, &arrival.request_id),
        Err(Refusal::Answered(response)) => *response,
    };
    if let Some(gate) = Arc::into_inner(gate) {
        graphql::read_away_at_most(gate.body.into_inner().unwrap_or_else(PoisonError::into_inner), MOST_BYTES);
    }
    response
}

fn open(headers: &HeaderMap, gate: &Arc<Gate>) -> Result<Multipart<'static>, BodyRefusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let boundary = text(header::CONTENT_TYPE).and_then(|value| multer::parse_boundary(value).ok());
    let (true, Some(boundary)) = (headers.contains_key("graphql-require-preflight"), boundary) else {
        return Err(BodyRefusal::MediaType);
    };
    if text(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > MOST_BYTES) {
        return Err(BodyRefusal::TooLarge);
    }
    Ok(Multipart::new(pieces(Arc::clone(gate)), boundary))
}

/// A body, and how much of it the reader of parts may have by now: it keeps whatever it cannot make a part of, and looks through all of that
/// again with each piece.
struct Gate {
    body: Mutex<BodyDataStream>,
    allowed: AtomicUsize,
}

impl Gate {
    /// From now on so many bytes, and no more.
    fn allow(&self, bytes: usize) {
        self.allowed.store(bytes, Ordering::Relaxed);
    }
}

/// The reader of parts asked for more than it may have.
#[derive(Debug, thiserror::Error)]
#[error("more than is read here")]
struct Spent;

type PieceError = Box<dyn std::error::Error + Send + Sync>;

/// The body in small pieces, one at a time: the reader of parts would otherwise read on for as long as there is something to read.
fn pieces(gate: Arc<Gate>) -> impl Stream<Item = Result<Bytes, PieceError>> + Send + 'static {
    let mut given = false;
    let mut chunk = Bytes::new();
    futures::stream::poll_fn(move |context| {
        if std::mem::take(&mut given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while chunk.is_empty() {
            let polled = gate.body.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context);
            match ready!(polled) {
                Some(Ok(next)) => chunk = next,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        let allowed = gate.allowed.load(Ordering::Relaxed);
        if allowed == 0 {
            return Poll::Ready(Some(Err(Spent.into())));
        }
        let piece = chunk.split_to(chunk.len().min(PIECE).min(allowed));
        gate.allow(allowed - piece.len());
        given = true;
        Poll::Ready(Some(Ok(piece)))
    })
}

async fn answer<E: Executor>(
    gateway: &Gateway<E>,
    arrival: &Arrival,
    headers: &HeaderMap,
    (mut parts, gate): (Multipart<'static>, &Gate),
    media: Media,
) -> Result<Response, Refusal> {
    let max = gateway.settings.max_body_bytes;
    gate.allow(max + MOST_MAP_BYTES + MOST_FRAME_BYTES);
    let head = tokio::time::timeout(gateway.settings.body_timeout, read_head(&mut parts, max)).await;
    let (operations, file_name, path) = head.map_err(|_| Refusal::Body(BodyRefusal::TooSlow))??;
    // A name that no client knows: a text in plain JSON can never stand for a file.
    let marker = hex::encode(gateway.entropy.bytes::<16>());
    let mut parameters = Parameters::from_json(&operations).map_err(|unreadable| Refusal::Wrong(unreadable.0))?;
    parameters.place(&path, &marker).map_err(|unreadable| Refusal::Wrong(unreadable.0))?;
    if !parameters.has_document() {
        return Err(Refusal::Wrong("The request has no \"query\"."));
    }
    let prepared = graphql::prepare(gateway, parameters, arrival, media).map_err(Refusal::Answered)?;
    if prepared.kind() != OperationType::Mutation || !prepared.asks_for(FIELD) {
        return Err(Refusal::Body(BodyRefusal::MediaType));
    }
    let mut data = (gateway.request_data)(&prepared).await;
    let presented = gateway.presented(headers, CookieUse::Count);
    let identity = gateway.identify(presented.credentials).await;
    let caller = gateway.caller(arrival.clone(), headers, presented.device_token, presented.refresh_cookie, identity);
    let caller = Arc::new(caller);
    if let Err(error) = gateway.entry.authorize(&prepared, &caller) {
        let answer = gateway.entry.refuse(error, &arrival.request_id);
        return Err(Refusal::Answered(Box::new(respond(&answer, media, &arrival.request_id))));
    }
    let incoming = (gateway.admit_file)(Arc::clone(&caller)).await.map_err(Refusal::Error)?;
    let file = read_file((&mut parts, gate), &file_name, incoming, gateway.settings.body_timeout).await?;
    data.insert(Uploaded::new(marker, file));
    Ok(graphql::execute(gateway, prepared, &caller, data, media).await)
}

/// `operations`, and of `map` the name of the one file and the path of the variable that it stands for.
async fn read_head(parts: &mut Multipart<'static>, max: usize) -> Result<(Vec<u8>, String, String), Refusal> {
    let operations = read_part(parts, "operations", max).await?;
    let map = read_part(parts, "map", MOST_MAP_BYTES).await?;
    let map: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&map).map_err(|_| Refusal::Wrong("\"map\" is not an object of lists of paths."))?;
    let mut files = map.into_iter();
    let (Some((name, paths)), None) = (files.next(), files.next()) else { return Err(Refusal::Wrong("Send exactly one file.")) };
    let Ok([path]) = <[String; 1]>::try_from(paths) else { return Err(Refusal::Wrong("A file stands for exactly one variable.")) };
    Ok((operations, name, path))
}

async fn read_part(parts: &mut Multipart<'static>, name: &str, max: usize) -> Result<Vec<u8>, Refusal> {
    let field = parts.next_field().await?.filter(|field| field.name() == Some(name));
    let mut field = field.ok_or(Refusal::Wrong("Send \"operations\", \"map\" and the file, in this order."))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await? {
        if bytes.len() + chunk.len() > max {
            return Err(Refusal::Body(BodyRefusal::TooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn read_file(
    (parts, gate): (&mut Multipart<'static>, &Gate),
    name: &str,
    mut incoming: Incoming,
    patience: Duration,
) -> Result<Received, Refusal> {
    let late = |_| Refusal::Body(BodyRefusal::TooSlow);
    let broken = |error| Refusal::Error(error::internal(format!("a file cannot be kept: {error}")));
    let begun = Instant::now();
    gate.allow(PIECE + MOST_FRAME_BYTES);
    let field = tokio::time::timeout(patience, parts.next_field()).await.map_err(late)??;
    let mut field = field.filter(|field| field.name() == Some(name)).ok_or(Refusal::Wrong("The file that \"map\" names did not come."))?;
    gate.allow(MOST_BYTES);
    let mut came = 0_u64;
    let due = |came: u64| begun + (patience + Duration::from_secs(came / SLOWEST)).min(FILE_TIMEOUT);
    while let Some(chunk) = tokio::time::timeout_at(due(came), field.chunk()).await.map_err(late)?? {
        came += chunk.len() as u64;
        incoming.append(&chunk).await.map_err(broken)?;
    }
    drop(field);
    gate.allow(MOST_FRAME_BYTES);
    match tokio::time::timeout_at(due(came), parts.next_field()).await.map_err(late)?? {
        None => incoming.finish().await.map_err(broken),
        Some(_) => Err(Refusal::Wrong("There is more than the one file.")),
    }
}
