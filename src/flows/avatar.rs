//! The picture of the signed-in user: given, replaced, removed.
//!
//! 1. The file is decoded and written anew, in a process of its own, one at a time: that takes memory.
//! 2. The new picture goes to the storage under a key that nobody knows.
//! 3. One change: the account names the new key.
//! 4. The old picture goes. Where the process dies in between, the sweep finds what no account names.

use std::{fs, sync::Arc};

use entity::{account_events::Kind, user_audit_log::Category, users};
use serde_json::json;

use super::{
    caller::{Caller, Reason, SignedIn},
    change::{self, Change},
    failure::Failure,
    receive_picture::Received,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::picture::{Picture, PictureRefusal},
    outbound::{
        picture_maker::Made,
        pictures::{PictureFault, key},
    },
    storage::{
        audit::Entry,
        avatars::{self as storage, Avatar},
    },
};

/// How long an upload may wait for its turn, and where it is refused, when to come again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many bytes or pixels, or it takes too much to decode.
    TooLarge,
    /// Not a JPEG, PNG, WebP or GIF, a broken one, or something else too.
    Type,
}

impl Refusal {
    const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "FILE_TOO_LARGE",
            Self::Type => "FILE_TYPE_NOT_ALLOWED",
        }
    }
}

/// Gives the user this picture, and returns the account as it is now.
pub async fn upload(app: &App, caller: &Caller, file: Received) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let ended = replace(app, caller, me, file, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure("avatar_update", Category::Account, Some(me.live.user.id), refusal.code());
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn replace(app: &App, caller: &Caller, me: &SignedIn, file: Received, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let Received { file, place } = file;
    let picture = make(app, file.ok_or(Failure::Refused(Refusal::TooLarge))?).await?;
    let avatar = Avatar {
        key: key(app.entropy.bytes(), picture.kind.extension()),
        size: i32::try_from(picture.bytes.len()).unwrap_or(i32::MAX),
        mime_type: picture.kind.mime_type(),
    };
    app.pictures.put(&avatar.key, picture.bytes, avatar.mime_type).await.map_err(|fault| away(&fault))?;
    let user = set(app, caller, me, Some(avatar), now).await?;
    drop(place);
    Ok(user)
}

/// Decodes the file and writes it anew.
async fn make(app: &App, file: fs::File) -> Result<Picture, Failure<Refusal>> {
    let overloaded = || Failure::Overloaded { retry_after: PATIENCE };
    let turn = tokio::time::timeout(PATIENCE, Arc::clone(&app.picture_room.maker).acquire_owned()).await;
    let turn = turn.map_err(|_| overloaded())?.map_err(|_| overloaded())?;
    let maker = app.picture_maker.clone();
    // Its turn lasts until the process has ended, also where nobody waits for it any more.
    let made = tokio::spawn(async move {
        let made = maker.make(file).await;
        drop(turn);
        made
    });
    let made = match made.await.map_err(std::io::Error::other) {
        Ok(Ok(made)) => made,
        Ok(Err(error)) | Err(error) => {
            tracing::error!(%error, "the process that makes pictures does not start");
            return Err(overloaded());
        }
    };
    let answer = match made {
        Made::Answer(answer) => Picture::of_answer(answer).ok_or(Failure::inconsistent("no answer about a picture"))?,
        Made::TooMuch => {
            tracing::warn!("a file took more memory or time than a picture may");
            Err(PictureRefusal::TooLarge)
        }
    };
    answer.map_err(|refusal| {
        Failure::Refused(match refusal {
            PictureRefusal::Type => Refusal::Type,
            PictureRefusal::TooLarge => Refusal::TooLarge,
        })
    })
}

/// Takes the picture away, and returns the account as it is now.
pub async fn remove(app: &App, caller: &Caller) -> Result<users::Model, Failure<std::convert::Infallible>> {
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    set(app, caller, me, None, app.clock.now()).await
}

async fn set<R>(app: &App, caller: &Caller, me: &SignedIn, avatar: Option<Avatar>, now: Timestamp) -> Result<users::Model, Failure<R>> {
    let id = me.live.user.id;
    let removed = avatar.is_none();
    let mut change = Change::begin(app, caller, now).await?;
    // Of two pictures at once, the second one must know of the first to take it away.
    change.lock("avatar", &id.simple().to_string()).await?;
    let old = storage::find_key(change.db(), id).await?;
    if removed && old.is_none() {
        return Ok(users::Model::clone(&me.live.user));
    }
    let written = storage::set(change.db(), id, avatar, now).await?;
    // It was ended, or is not active any more, since the request was let in; the sweep takes the new picture.
    let user = written.ok_or(Failure::Unauthenticated(Reason::SessionEnded))?;
    change.tell(Kind::Updated, id);
    change.audit(
        Entry::success("avatar_update", Category::Account, Some(id)).in_session(me.live.session.id).with(json!({ "removed": removed })),
    );
    change.commit().await?;
    if let Some(old) = old
        && let Err(fault) = app.pictures.delete(&old).await
    {
        tracing::warn!(%fault, "an old avatar stays until the next sweep");
    }
    Ok(user)
}

fn away<R>(fault: &PictureFault) -> Failure<R> {
    tracing::error!(%fault, "an avatar could not be kept");
    Failure::Overloaded { retry_after: PATIENCE }
}
