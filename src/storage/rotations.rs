//! Refresh tokens that take one another's place, and what is seen of a session on that occasion.

use entity::{
    Timestamp,
    user_sessions::{self, Column, Status},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, UpdateMany,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{error::StorageError, sessions::live};

/// The refresh token that a session has now, and the one that takes its place.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    /// Generation of the token that is replaced.
    pub generation: i32,
    /// Its hash.
    pub token_hash: &'a [u8],
    /// Hash of the next one, whose generation is one higher.
    pub next_token_hash: &'a [u8],
    /// The new end of the session.
    pub expires_at: Timestamp,
    /// What the request came with.
    pub ip_address: Option<String>,
    /// The same.
    pub user_agent: Option<String>,
    /// Where the replaced token's secret was not at hand: it becomes the branch that ancestors walk to.
    pub branches: Branches,
    /// Where the address lies; none where that is as it was.
    pub location: Option<Location>,
    /// What looked risky; none where nothing did.
    pub alarm: Option<Alarm>,
}

/// Where the address of a session lies, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Its name in English.
    pub city: Option<String>,
    /// IANA.
    pub timezone: Option<String>,
    /// In tenths of a degree, both or none.
    pub latitude: Option<i32>,
    /// The same.
    pub longitude: Option<i32>,
}

impl Location {
    /// That of a session.
    #[must_use]
    pub fn of(session: &user_sessions::Model) -> Self {
        Self {
            country: session.location_country.clone(),
            city: session.location_city.clone(),
            timezone: session.location_timezone.clone(),
            latitude: session.location_latitude,
            longitude: session.location_longitude,
        }
    }

    /// Puts it into a row.
    pub fn put(self, session: &mut user_sessions::Model) {
        session.location_country = self.country;
        session.location_city = self.city;
        session.location_timezone = self.timezone;
        session.location_latitude = self.latitude;
        session.location_longitude = self.longitude;
    }
}

/// What is unusual about a refresh.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// 0 to 100.
    pub score: u8,
    /// Names of the signals.
    pub signals: serde_json::Value,
    /// Whether it makes the session suspicious: then what was proved before makes it recent no more.
    pub marks: bool,
}

impl Alarm {
    /// Puts it into a row. The highest score of a session stays, with its signals.
    pub fn put(&self, session: &mut user_sessions::Model, now: Timestamp) {
        if i32::from(self.score) > session.risk_score {
            session.risk_score = i32::from(self.score);
            session.risk_signals = self.signals.clone();
        }
        if self.marks {
            session.status = Status::Suspicious;
            session.is_suspicious = true;
            session.proofs_void_before = Some(now);
        }
    }
}

/// Whether the chain of refresh tokens stays whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branches {
    /// The next token was derived from the replaced one.
    No,
    /// The next token is a fresh one.
    Yes,
}

/// Replaces the current refresh token; false where it is no longer the current one, or the session is over.
pub async fn rotate(db: &impl ConnectionTrait, id: Uuid, rotation: Rotation<'_>, now: Timestamp) -> Result<bool, StorageError> {
    let mut update = user_sessions::Entity::update_many()
        .col_expr(Column::RefreshGeneration, Expr::value(rotation.generation + 1))
        .col_expr(Column::RefreshTokenHash, Expr::value(rotation.next_token_hash.to_vec()))
        .col_expr(Column::RefreshedAt, Expr::value(now))
        .col_expr(Column::LastActivityAt, Expr::value(now))
        .col_expr(Column::ExpiresAt, Expr::value(rotation.expires_at))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1));
    if rotation.branches == Branches::Yes {
        update = update
            .col_expr(Column::BranchGeneration, Expr::value(rotation.generation))
            .col_expr(Column::BranchTokenHash, Expr::value(rotation.token_hash.to_vec()));
    }
    if let Some(ip) = rotation.ip_address {
        update = update.col_expr(Column::IpAddress, Expr::value(ip));
    }
    if let Some(user_agent) = rotation.user_agent {
        update = update.col_expr(Column::UserAgent, Expr::value(user_agent));
    }
    if let Some(location) = rotation.location {
        update = update
            .col_expr(Column::LocationCountry, Expr::value(location.country))
            .col_expr(Column::LocationCity, Expr::value(location.city))
            .col_expr(Column::LocationTimezone, Expr::value(location.timezone))
            .col_expr(Column::LocationLatitude, Expr::value(location.latitude))
            .col_expr(Column::LocationLongitude, Expr::value(location.longitude));
    }
    if let Some(alarm) = rotation.alarm {
        update = with_alarm(update, alarm, now);
    }
    let result = update
        .filter(Column::Id.eq(id))
        .filter(live(now))
        .filter(Column::RefreshGeneration.eq(rotation.generation))
        .filter(Column::RefreshTokenHash.eq(rotation.token_hash.to_vec()))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// As [`Alarm::put`] has it.
fn with_alarm(mut update: UpdateMany<user_sessions::Entity>, alarm: Alarm, now: Timestamp) -> UpdateMany<user_sessions::Entity> {
    let score = i32::from(alarm.score);
    let is_higher = || Expr::col(Column::RiskScore).lt(score);
    update = update
        .col_expr(Column::RiskSignals, Expr::case(is_higher(), Expr::value(alarm.signals)).finally(Expr::col(Column::RiskSignals)).into())
        .col_expr(Column::RiskScore, Expr::case(is_higher(), Expr::value(score)).finally(Expr::col(Column::RiskScore)).into());
    if alarm.marks {
        update = update
            .col_expr(Column::Status, Expr::value(Status::Suspicious))
            .col_expr(Column::IsSuspicious, Expr::value(true))
            .col_expr(Column::ProofsVoidBefore, Expr::value(now));
    }
    update
}

/// Notes what looks risky without a rotation; false where the session is over.
pub async fn raise_alarm(db: &impl ConnectionTrait, id: Uuid, alarm: Alarm, now: Timestamp) -> Result<bool, StorageError> {
    let update = user_sessions::Entity::update_many()
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1));
    let result = with_alarm(update, alarm, now).filter(Column::Id.eq(id)).filter(live(now)).exec(db).await?;
    Ok(result.rows_affected == 1)
}
