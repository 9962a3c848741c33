//! `POST /graphql` with a file, by the GraphQL multipart request specification: `operations`, `map`, the file, in this order, for `uploadAvatar`
//! alone.
//!
//! 1. The header that makes a browser ask first must be there, with or without cookies.
//! 2. What is asked, and by whom, is known and allowed before a byte of the file is kept.
//! 3. Few files are in memory at once; one that is too large is read to its end and not kept.

use std::{collections::BTreeMap, sync::Arc, task::Poll, time::Duration};

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use multer::{Constraints, Multipart, SizeLimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    answer::{Media, refuse, refuse_by_code, respond},
    authenticate::CookieUse,
    gateway::{Arrival, Gateway},
    graphql::{self, BodyRefusal},
    question::Parameters,
};
use crate::{
    domain::picture_file::PictureFile,
    flows::avatar::{Content, File},
    graphql::{error, upload::Uploaded},
};

/// The only operation that takes a file.
const FIELD: &str = "uploadAvatar";
/// More is not even read.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
const MOST_MAP_BYTES: usize = 1024;
/// A file may take longer than a body of JSON: so much from its beginning to its end.
const FILE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long somebody waits until other files are through.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);
/// For how long a refused body is read all the same, so that the client sees why.
const READ_AWAY_FOR: Duration = Duration::from_secs(2);

/// How files are taken.
#[derive(Clone, Debug)]
pub struct UploadSettings {
    /// Bytes of a file.
    pub max_bytes: usize,
    /// How many there may be at once.
    pub room: Arc<Semaphore>,
}

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
    Busy,
    /// The answer is there already.
    Answered(Box<Response>),
}

impl From<multer::Error> for Refusal {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => Self::Body(BodyRefusal::TooLarge),
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
    let stream = body.into_data_stream();
    let mut parts = match open(headers, stream) {
        Ok(parts) => parts,
        Err((refusal, stream)) => {
            graphql::read_away(stream);
            return refusal.respond(media, &arrival);
        }
    };
    let answered = answer(gateway, &arrival, headers, &mut parts, media).await;
    let response = match answered {
        Ok(response) => return response,
        Err(Refusal::Body(refusal)) => refusal.respond(media, &arrival),
        Err(Refusal::Wrong(message)) => refuse(StatusCode::BAD_REQUEST, error::bad_request(message), media, &arrival.request_id),
        Err(Refusal::Busy) => refuse_by_code(error::overloaded(ROOM_TIMEOUT), media, &arrival.request_id),
        Err(Refusal::Answered(response)) => *response,
    };
    tokio::spawn(tokio::time::timeout(READ_AWAY_FOR, read_away(parts)));
    response
}

fn open(headers: &HeaderMap, stream: BodyDataStream) -> Result<Multipart<'static>, (BodyRefusal, BodyDataStream)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let boundary = text(header::CONTENT_TYPE).and_then(|value| multer::parse_boundary(value).ok());
    let (true, Some(boundary)) = (headers.contains_key("graphql-require-preflight"), boundary) else {
        return Err((BodyRefusal::MediaType, stream));
    };
    if text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > MOST_BYTES) {
        return Err((BodyRefusal::TooLarge, stream));
    }
    let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(MOST_BYTES));
    Ok(Multipart::with_constraints(piece_by_piece(stream), boundary, constraints))
}

/// The reader of parts would otherwise read on for as long as there is something to read, however much it holds already.
fn piece_by_piece(mut stream: BodyDataStream) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static {
    let mut given = false;
    futures::stream::poll_fn(move |context| {
        if std::mem::take(&mut given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = stream.poll_next_unpin(context);
        given = matches!(polled, Poll::Ready(Some(_)));
        polled
    })
}

async fn read_away(mut parts: Multipart<'static>) {
    while let Ok(Some(mut field)) = parts.next_field().await {
        while let Ok(Some(_)) = field.chunk().await {}
    }
}

async fn answer<E: Executor>(
    gateway: &Gateway<E>,
    arrival: &Arrival,
    headers: &HeaderMap,
    parts: &mut Multipart<'static>,
    media: Media,
) -> Result<Response, Refusal> {
    let late = |_| Refusal::Body(BodyRefusal::TooSlow);
    let head = read_head(parts, gateway.settings.max_body_bytes);
    let (operations, file_name, path) = tokio::time::timeout(gateway.settings.body_timeout, head).await.map_err(late)??;
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
    let room = Arc::clone(&gateway.settings.uploads.room).acquire_owned();
    let room = tokio::time::timeout(ROOM_TIMEOUT, room).await.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Busy)?;
    let file = read_file(parts, &file_name, gateway.settings.uploads.max_bytes, room);
    let file = tokio::time::timeout(FILE_TIMEOUT, file).await.map_err(late)??;
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

async fn read_file(parts: &mut Multipart<'static>, name: &str, max: usize, room: OwnedSemaphorePermit) -> Result<File, Refusal> {
    let field = parts.next_field().await?.filter(|field| field.name() == Some(name));
    let mut field = field.ok_or(Refusal::Wrong("The file that \"map\" names did not come."))?;
    let mut file = PictureFile::with_room(max).map_err(|_| Refusal::Busy)?;
    let mut fits = true;
    while let Some(chunk) = field.chunk().await? {
        fits = fits && file.append(&chunk);
    }
    let content = if fits { Content::Whole(file) } else { Content::TooLarge };
    drop(field);
    match parts.next_field().await? {
        None => Ok(File { content, room }),
        Some(_) => Err(Refusal::Wrong("There is more than the one file.")),
    }
}
