//! Sessions: each is the family of its refresh tokens.

use entity::{
    Timestamp,
    user_sessions::{self, Actor, Column, SecondFactor, Status},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType},
};
use uuid::Uuid;

use super::{
    batch::{Batch, Question, Write},
    error::StorageError,
};

/// The session with this id, whatever its status.
pub async fn find_by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<user_sessions::Model>, StorageError> {
    Ok(user_sessions::Entity::find_by_id(id).one(db).await?)
}

/// The session with this id, where it belongs to this user.
pub async fn find_of_user(db: &impl ConnectionTrait, user_id: Uuid, id: Uuid) -> Result<Option<user_sessions::Model>, StorageError> {
    Ok(user_sessions::Entity::find_by_id(id).filter(Column::UserId.eq(user_id)).one(db).await?)
}

/// Adds a session, with other writes.
pub fn insert_later(batch: &mut Batch, session: user_sessions::Model) {
    let insert = user_sessions::Entity::insert(user_sessions::ActiveModel::from(session).reset_all());
    batch.push(Write::Insert(insert.into_query()));
}

/// Whether a session is one too many: whether its user has more than `others` live ones beside it.
#[must_use]
pub fn is_one_too_many(session: &user_sessions::Model, others: u64, now: Timestamp) -> Question {
    let beyond = user_sessions::Entity::find()
        .select_only()
        .expr(Expr::value(1))
        .filter(Column::UserId.eq(session.user_id))
        .filter(Column::Id.ne(session.id))
        .filter(live(now))
        .offset(others)
        .limit(1);
    Question(beyond.into_query())
}

/// Neither ended nor past its time.
pub(super) fn live(now: Timestamp) -> Condition {
    Condition::all()
        .add(Column::Status.is_in([Status::Active, Status::Suspicious]))
        .add(Column::ExpiresAt.gt(now))
        .add(Column::AbsoluteExpiresAt.gt(now))
}

/// Notes the first use of what was issued with a generation; later ones change nothing.
pub async fn confirm_generation(db: &impl ConnectionTrait, id: Uuid, generation: i32, now: Timestamp) -> Result<(), StorageError> {
    user_sessions::Entity::update_many()
        .col_expr(Column::ConfirmedGeneration, Expr::value(generation))
        .col_expr(Column::ConfirmedAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::ConfirmedGeneration.lt(generation))
        .filter(Column::RefreshGeneration.gte(generation))
        .exec(db)
        .await?;
    Ok(())
}

/// A new proof of who is there.
#[derive(Clone, Debug)]
pub struct NewProof {
    /// RFC 8176 names of all that were given in the session.
    pub amr: serde_json::Value,
    /// Whether it is worth a second factor.
    pub is_strong: bool,
    /// What it is as a second factor, if it is one.
    pub second_factor: Option<SecondFactor>,
}

/// Notes it; false where the session is over.
pub async fn advance_authentication(db: &impl ConnectionTrait, id: Uuid, proof: NewProof, now: Timestamp) -> Result<bool, StorageError> {
    let mut update = user_sessions::Entity::update_many();
    if proof.is_strong {
        update = update.col_expr(Column::StrongProofAt, Expr::value(now));
    }
    if let Some(factor) = proof.second_factor {
        update = update.col_expr(Column::SecondFactor, Expr::value(factor));
    }
    let result = update
        .col_expr(Column::AuthenticatedAt, Expr::value(now))
        .col_expr(Column::Amr, Expr::value(proof.amr))
        .col_expr(Column::LastActivityAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(id))
        .filter(live(now))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Notes activity of sessions that have had none since `before`.
pub async fn advance_activity(db: &impl ConnectionTrait, ids: &[Uuid], before: Timestamp, now: Timestamp) -> Result<(), StorageError> {
    user_sessions::Entity::update_many()
        .col_expr(Column::LastActivityAt, Expr::value(now))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::LastActivityAt.lt(before))
        .exec(db)
        .await?;
    Ok(())
}

/// Who ends a session, and why.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// On whose behalf.
    pub by: Actor,
    /// A few words for the list of sessions.
    pub reason: &'a str,
    /// Whether somebody else was in it: by `Security` where its token was stolen, else its owner says so.
    pub suspicious: bool,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// This one.
    One(Uuid),
    /// All of a user.
    AllOf(Uuid),
    /// All of a user but one.
    AllOfBut(Uuid, Uuid),
    /// All of a user that were begun on a device.
    AllOnDevice(Uuid, Uuid),
}

/// Ends live sessions, and returns the ids of those that it ended: nobody else ended them.
pub async fn revoke(db: &impl ConnectionTrait, which: Which, ending: Ending<'_>, now: Timestamp) -> Result<Vec<Uuid>, StorageError> {
    let wanted = match which {
        Which::One(id) => Condition::all().add(Column::Id.eq(id)),
        Which::AllOf(user) => Condition::all().add(Column::UserId.eq(user)),
        Which::AllOfBut(user, kept) => Condition::all().add(Column::UserId.eq(user)).add(Column::Id.ne(kept)),
        Which::AllOnDevice(user, device) => Condition::all().add(Column::UserId.eq(user)).add(Column::KnownDeviceId.eq(device)),
    };
    end(db, wanted, ending, now).await
}

/// Ends the oldest sessions of a user until `newest` and at most `others` remain: of two that began at once, or by clocks that differ, the
/// one that asks is the newest. The caller holds the lock on the user, so that no two count at once.
pub async fn revoke_beyond(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    (newest, others): (Uuid, u64),
    ending: Ending<'_>,
    now: Timestamp,
) -> Result<Vec<Uuid>, StorageError> {
    let beyond: Vec<Uuid> = user_sessions::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::UserId.eq(user_id))
        .filter(Column::Id.ne(newest))
        .filter(live(now))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .offset(others)
        .limit(100)
        .into_tuple()
        .all(db)
        .await?;
    if beyond.is_empty() {
        return Ok(beyond);
    }
    end(db, Condition::all().add(Column::Id.is_in(beyond)), ending, now).await
}

async fn end(db: &impl ConnectionTrait, wanted: Condition, ending: Ending<'_>, now: Timestamp) -> Result<Vec<Uuid>, StorageError> {
    let mut update = user_sessions::Entity::update_many()
        .col_expr(Column::Status, Expr::value(Status::Revoked))
        .col_expr(Column::RevokedAt, Expr::value(now))
        .col_expr(Column::RevokedBy, Expr::value(ending.by))
        .col_expr(Column::RevokedReason, Expr::value(ending.reason))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1));
    if ending.suspicious {
        update = update.col_expr(Column::IsSuspicious, Expr::value(true));
    }
    if ending.suspicious && ending.by == Actor::Security {
        update = update
            .col_expr(Column::RiskScore, Expr::value(100))
            .col_expr(Column::RiskSignals, Expr::value(serde_json::json!(["refresh_token_reused"])));
    }
    let ended = update.filter(wanted).filter(live(now)).exec_with_returning(db).await?;
    Ok(ended.into_iter().map(|session| session.id).collect())
}

/// Marks at most `limit` sessions whose time is over as expired, and returns which those were, with their users: nobody else marked them.
pub async fn expire_due(db: &impl ConnectionTrait, limit: u64, now: Timestamp) -> Result<Vec<(Uuid, Uuid)>, StorageError> {
    // Written out, so that the indexes of live sessions are used.
    let overdue = Condition::all()
        .add(Expr::cust("status IN ('active', 'suspicious')"))
        .add(Condition::any().add(Column::ExpiresAt.lte(now)).add(Column::AbsoluteExpiresAt.lte(now)));
    let some = user_sessions::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(overdue.clone())
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let expired = user_sessions::Entity::update_many()
        .col_expr(Column::Status, Expr::value(Status::Expired))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.in_subquery(some))
        .filter(overdue)
        .exec_with_returning(db)
        .await?;
    Ok(expired.into_iter().map(|session| (session.id, session.user_id)).collect())
}

/// Which sessions a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this user.
    pub user_id: Option<Uuid>,
    /// Of any of these statuses, as they are now.
    pub status: Option<Vec<Status>>,
    /// Marked suspicious, or not.
    pub suspicious: Option<bool>,
    /// Begun after this.
    pub created_after: Option<Timestamp>,
    /// With at least this risk.
    pub risk_score_at_least: Option<i32>,
    /// From this address.
    pub ip_address: Option<String>,
}

impl Filter {
    fn condition(&self, now: Timestamp) -> Condition {
        let mut all = Condition::all();
        if let Some(user_id) = self.user_id {
            all = all.add(Column::UserId.eq(user_id));
        }
        if let Some(statuses) = &self.status {
            let mut any = Condition::any().add(Expr::value(false));
            for status in statuses {
                any = any.add(match status {
                    Status::Active => live(now).add(Column::Status.eq(Status::Active)),
                    // Here and below, written out where an index is of these alone.
                    Status::Suspicious => live(now).add(Expr::cust("status = 'suspicious'")),
                    Status::Revoked => Condition::all().add(Column::Status.eq(Status::Revoked)),
                    Status::Expired => Condition::any().add(Column::Status.eq(Status::Expired)).add(
                        Condition::all()
                            .add(Column::Status.is_in([Status::Active, Status::Suspicious]))
                            .add(Condition::any().add(Column::ExpiresAt.lte(now)).add(Column::AbsoluteExpiresAt.lte(now))),
                    ),
                });
            }
            all = all.add(any);
        }
        if let Some(suspicious) = self.suspicious {
            all = all.add(Expr::cust(if suspicious { "is_suspicious" } else { "NOT is_suspicious" }));
        }
        if let Some(after) = self.created_after {
            all = all.add(Column::CreatedAt.gt(after));
        }
        if let Some(score) = self.risk_score_at_least {
            all = all.add(Column::RiskScore.gte(score));
            if score > 0 {
                all = all.add(Expr::cust("risk_score > 0"));
            }
        }
        if let Some(ip) = &self.ip_address {
            all = all.add(Column::IpAddress.eq(ip.as_str()));
        }
        all
    }
}

/// A window on a list that is ordered newest first, by (creation, id).
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Only what comes after this position.
    pub after: Option<(Timestamp, Uuid)>,
    /// Only what comes before this position.
    pub before: Option<(Timestamp, Uuid)>,
    /// From the end of the list backwards.
    pub from_end: bool,
    /// How many at most.
    pub limit: u64,
}

/// Sessions, in the direction of the window.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
    window: Window,
    now: Timestamp,
) -> Result<Vec<user_sessions::Model>, StorageError> {
    Ok(page(filter, window, now).all(db).await?)
}

/// The query of [`list`].
#[must_use]
pub fn page(filter: &Filter, window: Window, now: Timestamp) -> Select<user_sessions::Entity> {
    // Compared as a pair, so that a page far down begins where the index says.
    let place = || Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
    let of = |(at, id): (Timestamp, Uuid)| Expr::tuple([Expr::value(at), Expr::value(id)]);
    let mut query = user_sessions::Entity::find().filter(filter.condition(now));
    if let Some(position) = window.after {
        query = query.filter(place().lt(of(position)));
    }
    if let Some(position) = window.before {
        query = query.filter(place().gt(of(position)));
    }
    query = if window.from_end {
        query.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id)
    } else {
        query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id)
    };
    query.limit(window.limit)
}

/// How many there are; counting stops at `at_most`.
pub async fn count(db: &impl ConnectionTrait, filter: &Filter, at_most: u64, now: Timestamp) -> Result<u64, StorageError> {
    let ids: Vec<Uuid> = user_sessions::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(filter.condition(now))
        .limit(at_most)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.len() as u64)
}

/// The sessions with these ids, in no order.
pub async fn list_by_ids(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<user_sessions::Model>, StorageError> {
    Ok(user_sessions::Entity::find().filter(Column::Id.is_in(ids.iter().copied())).all(db).await?)
}
