//! Seals the seeds of authenticator apps anew that an older secret sealed, so that it can be taken out of the settings.

use uuid::Uuid;

use super::check_factor::SEED_PURPOSE;
use crate::{
    app::App,
    storage::{error::StorageError, totp},
};

/// What one batch did.
pub struct Batch {
    /// Where the next one begins; `None` where this was the last.
    pub last: Option<Uuid>,
    /// How many were sealed anew.
    pub resealed: u64,
}

/// One batch of accounts, by id, after `after`. A seed that no secret opens stays as it is, and is told.
pub async fn run(app: &App, after: Option<Uuid>, limit: u64) -> Result<Batch, StorageError> {
    let some = totp::list_sealed(app.database.read(), after, limit).await?;
    let is_last = (some.len() as u64) < limit;
    let last = some.last().map(|(id, _)| *id);
    let mut resealed = 0;
    for (user_id, sealed) in some.into_iter().filter(|(_, sealed)| app.secret_box.is_stale(sealed)) {
        let Some(seed) = app.secret_box.open(SEED_PURPOSE, &sealed).map(zeroize::Zeroizing::new) else {
            tracing::warn!(user.id = %user_id, "the seed of an authenticator app was sealed by a secret that is no longer set");
            continue;
        };
        let anew = app.secret_box.seal(SEED_PURPOSE, &seed, &app.entropy);
        resealed += u64::from(totp::reseal(app.database.write(), user_id, &sealed, &anew).await?);
    }
    Ok(Batch { last: last.filter(|_| !is_last), resealed })
}
