//! The life of the keys that sign access tokens:
//! 1. the very first one is published and used at once;
//! 2. each next one is published an hour before it is used, so that no verifier meets it unprepared;
//! 3. the one before it then stops signing, and is shown for 15 minutes more.
//!
//! Any instance may make the next one: the unique generation decides which one counts.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use entity::signing_keys::Model;
use sea_orm::ConnectionTrait;
use zeroize::Zeroizing;

use crate::{
    clock::Timestamp,
    crypto::{
        access_token::{CannotSign, SigningKeys},
        secret_box::SecretBox,
        signing_key::{Algorithm, BadKey, Schedule, SigningKey},
    },
    entropy::Entropy,
    storage::{error::StorageError, signing_keys},
};

const PURPOSE: &str = "signing key";
const PUBLISHED_AHEAD: Duration = Duration::from_hours(1);
/// A retired key is of no use to anybody after this, whatever the life of an access token.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);
/// Unknown names come from anybody: they make us look for new keys no more often than this.
const BETWEEN_RELOADS: Duration = Duration::from_secs(5);

/// The rules of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Of the keys that are made.
    pub algorithm: Algorithm,
    /// How long a key signs.
    pub every: Duration,
    /// The longest life of an access token.
    pub access_ttl: Duration,
}

/// Keeps this instance's keys in step with the database.
#[derive(Debug)]
pub struct KeyRotation {
    rotation: Rotation,
    keys: SigningKeys,
    secrets: SecretBox,
    entropy: Entropy,
    last_reload: AtomicI64,
}

/// Why there are no keys to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyFault {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It was sealed by a secret that is not set.
    #[error("the signing key {kid} does not open with any of the configured secrets")]
    Sealed {
        /// Its name.
        kid: String,
    },
    /// It cannot be made or read.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// It cannot be used.
    #[error(transparent)]
    Unusable(#[from] CannotSign),
}

impl KeyRotation {
    /// Without any key yet: call [`Self::ensure`] before the first request.
    #[must_use]
    pub fn new(rotation: Rotation, secrets: SecretBox, entropy: Entropy) -> Self {
        let keys = SigningKeys::new(rotation.access_ttl);
        Self { rotation, keys, secrets, entropy, last_reload: AtomicI64::new(i64::MIN) }
    }

    /// The keys in force: sign and verify with them.
    #[must_use]
    pub const fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Makes the next key if its time has come, and puts what the database has in force. At start, and every few minutes.
    pub async fn ensure(&self, db: &impl ConnectionTrait, now: Timestamp) -> Result<(), SigningKeyFault> {
        let mut rows = signing_keys::list(db).await?;
        if let Some(schedule) = self.next_schedule(rows.last(), now) {
            let generation = rows.last().map_or(1, |newest| newest.generation.saturating_add(1));
            let row = self.new_row(generation, schedule, now)?;
            if signing_keys::insert(db, row).await? {
                tracing::info!(key.generation = generation, key.activate_at = %schedule.activate_at, "made a signing key");
            }
            rows = signing_keys::list(db).await?;
        }
        if let Some(newest) = rows.last() {
            // Also where the maker was stopped before it came to this.
            signing_keys::retire_before(db, newest.generation, newest.activate_at).await?;
        }
        let opened = self.open_all(&rows, now)?;
        for (row, key) in opened.iter().filter(|(row, _)| self.secrets.is_stale(&row.private_key_sealed)) {
            let anew = self.secrets.seal(PURPOSE, key.private_pkcs8(), &self.entropy);
            signing_keys::reseal(db, row.id, &row.private_key_sealed, anew).await?;
        }
        self.put_in_force(opened)
    }

    /// Looks for a key that another instance may have made, after a token named an unknown one; `false` where that was done a moment ago.
    pub async fn reload_for_unknown_key(&self, db: &impl ConnectionTrait, now: Timestamp) -> Result<bool, SigningKeyFault> {
        let before = now - BETWEEN_RELOADS;
        let turn =
            self.last_reload.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| (last <= before.millis()).then_some(now.millis()));
        if turn.is_err() {
            return Ok(false);
        }
        let rows = signing_keys::list(db).await?;
        self.put_in_force(self.open_all(&rows, now)?)?;
        Ok(true)
    }

    /// Removes the rows of keys that nobody needs any more; how many.
    pub async fn forget_retired(&self, db: &impl ConnectionTrait, now: Timestamp) -> Result<u64, SigningKeyFault> {
        Ok(signing_keys::delete_retired(db, now - self.forgotten_after()).await?)
    }

    fn forgotten_after(&self) -> Duration {
        FORGOTTEN_AFTER.max(2 * self.rotation.access_ttl)
    }

    /// When the next key is to be shown and used; `None` while it is not yet time to make one.
    fn next_schedule(&self, newest: Option<&Model>, now: Timestamp) -> Option<Schedule> {
        let Some(newest) = newest else {
            return Some(Schedule { publish_at: now, activate_at: now, retire_at: None });
        };
        let is_old = now + PUBLISHED_AHEAD >= newest.activate_at + self.rotation.every;
        let is_other = newest.algorithm != self.rotation.algorithm.as_str();
        // One that is still waiting for its hour is never overtaken.
        let due = newest.activate_at <= now && (is_old || is_other);
        due.then(|| Schedule { publish_at: now, activate_at: now + PUBLISHED_AHEAD, retire_at: None })
    }

    fn new_row(&self, generation: i32, schedule: Schedule, now: Timestamp) -> Result<Model, SigningKeyFault> {
        let key = SigningKey::generate(self.rotation.algorithm, &self.entropy, schedule)?;
        Ok(Model {
            id: self.entropy.uuid(now),
            kid: key.kid().to_owned(),
            generation,
            algorithm: key.algorithm().as_str().to_owned(),
            private_key_sealed: self.secrets.seal(PURPOSE, key.private_pkcs8(), &self.entropy),
            public_jwk: key.public_jwk(),
            publish_at: schedule.publish_at,
            activate_at: schedule.activate_at,
            retire_at: schedule.retire_at,
            created_at: now,
        })
    }

    /// The keys that still count. One that does not open is a fault if it is the newest; an older one is left out, and what it signed is refused.
    fn open_all<'a>(&self, rows: &'a [Model], now: Timestamp) -> Result<Vec<(&'a Model, SigningKey)>, SigningKeyFault> {
        let mut opened = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            let next = rows.get(index + 1);
            let retire_at = row.retire_at.or(next.map(|next| next.activate_at));
            if retire_at.is_some_and(|retire_at| retire_at + self.forgotten_after() < now) {
                continue;
            }
            match self.open(row, retire_at) {
                Ok(key) => opened.push((row, key)),
                Err(error) if next.is_some() => tracing::warn!(%error, "left out a signing key"),
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }

    /// The public part is derived, not read: who can write rows cannot thereby make us trust a key.
    fn open(&self, row: &Model, retire_at: Option<Timestamp>) -> Result<SigningKey, SigningKeyFault> {
        let sealed = || SigningKeyFault::Sealed { kid: row.kid.clone() };
        let private = Zeroizing::new(self.secrets.open(PURPOSE, &row.private_key_sealed).ok_or_else(sealed)?);
        let algorithm = Algorithm::parse(&row.algorithm).ok_or(BadKey)?;
        let schedule = Schedule { publish_at: row.publish_at, activate_at: row.activate_at, retire_at };
        Ok(SigningKey::from_pkcs8(algorithm, private, schedule)?)
    }

    fn put_in_force(&self, opened: Vec<(&Model, SigningKey)>) -> Result<(), SigningKeyFault> {
        Ok(self.keys.replace(opened.into_iter().map(|(_, key)| key).collect())?)
    }
}
