//! Ends what was sent to the contacts of an account and has not come back yet: with a new password, and when its owner leaves.
//!
//! The account's row says since when (`proofs_void_before`), and that decides. What is known by name is ended besides. The pages of the account's own
//! sessions see it; a stranger's, who may have asked for a code to sign in, must not, for nothing ends where there is no account.

use entity::{link_tokens::Purpose, users};
use uuid::Uuid;

use super::change::Change;
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::challenges::AFTERLIFE,
    storage::{error::StorageError, link_tokens as links, spent_tokens},
};

/// What could begin a session or set a password: anybody can have asked for it.
const KEYS: [Purpose; 3] = [Purpose::PasswordReset, Purpose::MagicLink, Purpose::Invitation];
/// What proves a contact: only the account can have asked for it.
const PROOFS: [Purpose; 1] = [Purpose::EmailVerification];

/// Ends the links that are out, and the codes of the same messages; returns the challenges that the account itself began. `before` is the account as
/// it was.
pub async fn run(app: &App, change: &Change<'_>, before: &users::Model) -> Result<Vec<Uuid>, StorageError> {
    let of_anybody = links::list_live_challenges(change.db(), before.id, &KEYS, change.now).await?;
    let mut own = links::list_live_challenges(change.db(), before.id, &PROOFS, change.now).await?;
    own.extend([before.pending_email_challenge_id, before.pending_phone_challenge_id].into_iter().flatten());
    for purposes in [&KEYS[..], &PROOFS] {
        links::consume_all_of_user(change.db(), before.id, purposes, change.now).await?;
    }
    let kept_until = change.now + app.config.codes.ttl + AFTERLIFE;
    for challenge in of_anybody.iter().chain(&own) {
        spent_tokens::consume(change.db(), "challenge", &challenge.to_string(), kept_until).await?;
    }
    Ok(own)
}

/// Lets their pages say so, after the commit: the database has had the last word.
pub async fn show(app: &App, challenges: Vec<Uuid>, now: Timestamp) {
    for challenge in challenges {
        let _ = app.challenges.exhaust(challenge, now).await;
    }
}
