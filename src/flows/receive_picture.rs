//! Lets the file of a picture in: before a byte of it is read, it is known that its sender may send one now, and that there is room.
//!
//! 1. A user sends one at a time: who sends slowly waits for nobody but themselves.
//! 2. The user's limit.
//! 3. Room for a file: they lie on disk, and few enough come at a time that this costs next to no memory.

use std::{
    collections::HashSet,
    convert::Infallible,
    fs, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{caller::Caller, failure::Failure};
use crate::{app::App, ephemeral::rate_limits::Rule, outbound::incoming_file::IncomingFile};

/// Files that may come in at once.
const FILES: usize = 32;
/// How long somebody waits until other files are through, and where they are not, when to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds how much pictures take, whoever sends how many.
#[derive(Clone, Debug)]
pub struct Room {
    files: Arc<Semaphore>,
    senders: Senders,
    /// Pictures are made one at a time.
    pub(super) maker: Arc<Semaphore>,
}

type Senders = Arc<Mutex<HashSet<Uuid>>>;

impl Default for Room {
    fn default() -> Self {
        Self { files: Arc::new(Semaphore::new(FILES)), senders: Senders::default(), maker: Arc::new(Semaphore::new(1)) }
    }
}

/// A file that comes in.
#[derive(Debug)]
pub struct Incoming {
    /// What came so far; `None` once it was more than is taken, and nothing of it is kept.
    file: Option<IncomingFile>,
    place: Place,
}

/// A file that came.
#[derive(Debug)]
pub struct Received {
    /// All of it; `None` where it was more than is taken.
    pub(super) file: Option<fs::File>,
    /// Its place, until it is done with.
    pub(super) place: Place,
}

/// The right to have a file here: one of a user's, and one of all.
#[derive(Debug)]
pub(super) struct Place {
    sender: Uuid,
    senders: Senders,
    room: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.sender);
        drop(self.room.take());
    }
}

/// Lets one in.
pub async fn run(app: &App, caller: &Caller) -> Result<Incoming, Failure<Infallible>> {
    let sender = caller.signed_in().map_err(Failure::Unauthenticated)?.live.user.id;
    let room = &app.picture_room;
    if !room.senders.lock().unwrap_or_else(PoisonError::into_inner).insert(sender) {
        return Err(Failure::RateLimited { retry_after: PATIENCE });
    }
    let mut place = Place { sender, senders: Arc::clone(&room.senders), room: None };
    app.rate_limits.take(Rule::AvatarsPerUser, &sender.simple().to_string(), app.clock.now()).await?;
    let overloaded = || Failure::Overloaded { retry_after: PATIENCE };
    let permit = tokio::time::timeout(PATIENCE, Arc::clone(&room.files).acquire_owned()).await;
    place.room = Some(permit.map_err(|_| overloaded())?.map_err(|_| overloaded())?);
    let settings = &app.config.avatars;
    let file = IncomingFile::create(&settings.incoming_folder, settings.max_bytes).await.map_err(|error| {
        tracing::error!(%error, "a file cannot be taken: see avatars.incoming_folder");
        overloaded()
    })?;
    Ok(Incoming { file: Some(file), place })
}

impl Incoming {
    /// Adds bytes, as long as it is not too large.
    pub async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file
            && !file.append(bytes).await?
        {
            self.file = None;
        }
        Ok(())
    }

    /// All of it is there.
    pub async fn finish(self) -> io::Result<Received> {
        let file = match self.file {
            Some(file) => Some(file.finish().await?),
            None => None,
        };
        Ok(Received { file, place: self.place })
    }
}
