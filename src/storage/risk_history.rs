//! What a sign-in is compared with: where the account was lately, and whether somebody guessed at it. One question for both.

use std::time::Duration;

use entity::Timestamp;
use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use super::error::StorageError;

/// Whose, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose sign-in.
    pub user_id: Uuid,
    /// Kind and key of the counter of failures; none where that is known already.
    pub counter: Option<(&'a str, &'a [u8])>,
    /// How long a failure is recent.
    pub window: Duration,
    /// How many are more than slips, 1 to 5.
    pub failures: usize,
}

/// Where a session of the account was last seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// In tenths of a degree, where that is known.
    pub position: Option<(i32, i32)>,
    /// When.
    pub at: Timestamp,
}

/// What there is to compare with.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The newest sessions with a place, ended ones among them.
    pub seen: Vec<Seen>,
    /// Whether somebody guessed at the account lately.
    pub has_failures: bool,
}

/// A suspicious session makes no place an account's own, unless more than one factor was given in it and it was not ended.
const QUERY: &str = "SELECT f.failed, s.location_country, s.location_latitude, s.location_longitude, s.refreshed_at \
     FROM (SELECT EXISTS (SELECT 1 FROM attempt_counters WHERE kind = $2 AND key = $3 \
             AND (locks > 0 OR substr(recent, CAST($4 AS integer), 15) > CAST($5 AS text))) AS failed) AS f \
     LEFT JOIN (SELECT location_country, location_latitude, location_longitude, refreshed_at FROM user_sessions \
           WHERE user_id = $1 AND location_country IS NOT NULL \
             AND (NOT is_suspicious OR ((second_factor IS NOT NULL OR strong_proof_at IS NOT NULL) AND status <> 'revoked')) \
           ORDER BY created_at DESC LIMIT 30) AS s ON TRUE";

/// Reads it.
pub async fn find(db: &impl ConnectionTrait, question: Question<'_>, now: Timestamp) -> Result<History, StorageError> {
    let (kind, key) = question.counter.unwrap_or_default();
    // The place of the failure that makes them enough, as `attempt_counters` keeps them: newest first, 15 digits each.
    let place = i32::try_from(question.failures.saturating_sub(1)).unwrap_or(0).saturating_mul(15).saturating_add(1);
    let since = format!("{:015}", Ord::max((now - question.window).millis(), 0));
    let values: Vec<Value> = vec![question.user_id.into(), kind.into(), key.to_vec().into(), place.into(), since.into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), QUERY, values)).await?;
    let mut history = History::default();
    for row in rows {
        history.has_failures = row.try_get_by_index(0)?;
        let country: Option<String> = row.try_get_by_index(1)?;
        let position: (Option<i32>, Option<i32>) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
        let at: Option<Timestamp> = row.try_get_by_index(4)?;
        if let (Some(country), Some(at)) = (country, at) {
            history.seen.push(Seen { country, position: position.0.zip(position.1), at });
        }
    }
    Ok(history)
}
