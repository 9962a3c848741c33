//! Messages that wait for the courier, and those that it is done with.

use entity::{
    Timestamp,
    messages::{ActiveModel, Column, Entity, Model, State},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Set,
    sea_query::{Expr, LockBehavior, LockType},
};
use uuid::Uuid;

use super::{
    batch::{Batch, Write},
    error::StorageError,
};

/// The right to deliver a message until its lease ends. The attempt's number makes it worthless once somebody else has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The message.
    pub id: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: i32,
}

impl Lease {
    /// Of a row that [`lease_due`] returned.
    #[must_use]
    pub const fn of(row: &Model) -> Self {
        Self { id: row.id, attempt: row.attempts }
    }
}

/// Adds a message to what is about to be written, in the transaction of what it tells.
pub fn insert_later(batch: &mut Batch, message: Model) {
    batch.push(Write::Insert(Entity::insert(message.into_active_model()).into_query()));
}

/// Written out, so that the index of these alone is used: a value that comes later could be any.
fn pending() -> Expr {
    Expr::cust("state = 'pending'")
}

/// When the next message is due, if one waits.
pub async fn find_next_due_at(db: &impl ConnectionTrait) -> Result<Option<Timestamp>, StorageError> {
    let next = Entity::find()
        .select_only()
        .column(Column::NextAttemptAt)
        .filter(pending())
        .order_by_asc(Column::NextAttemptAt)
        .into_tuple::<Timestamp>()
        .one(db)
        .await?;
    Ok(next)
}

/// Which messages to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that nobody attempted yet.
    New,
    /// Those that were attempted before.
    Attempted,
}

/// Takes at most `limit` messages that are due at `now`, for whoever calls alone until `until`; the longest due first, in no order.
///
/// One statement, on both databases: nobody else can take the same row, and a message whose instance was killed is due again at `until`.
pub async fn lease_due(
    db: &impl ConnectionTrait,
    which: Which,
    now: Timestamp,
    until: Timestamp,
    limit: u64,
) -> Result<Vec<Model>, StorageError> {
    let which = match which {
        Which::New => Column::Attempts.eq(0),
        Which::Attempted => Column::Attempts.gt(0),
    };
    let due = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(pending())
        .filter(which)
        .filter(Column::NextAttemptAt.lte(now))
        .order_by_asc(Column::NextAttemptAt)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let leased = Entity::update_many()
        .col_expr(Column::NextAttemptAt, Expr::value(until))
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.in_subquery(due))
        .filter(pending())
        .filter(Column::NextAttemptAt.lte(now))
        .exec_with_returning(db)
        .await?;
    Ok(leased)
}

/// The messages to a user, the newest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().filter(Column::UserId.eq(user_id)).order_by_desc(Column::CreatedAt).all(db).await?)
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more is to be done; the secret is emptied.
    Ended {
        /// Anything but pending.
        state: State,
        /// Why it did not arrive.
        error: Option<String>,
    },
    /// It is to be tried again.
    Postponed {
        /// When.
        until: Timestamp,
        /// Why.
        error: String,
    },
}

/// Writes what an attempt came to, unless its lease was lost. Returns whether it was written.
pub async fn settle(db: &impl ConnectionTrait, lease: Lease, outcome: Outcome, now: Timestamp) -> Result<bool, StorageError> {
    let change = match outcome {
        Outcome::Ended { state, error } => ended(state, error, now),
        Outcome::Postponed { until, error } => {
            ActiveModel { next_attempt_at: Set(until), last_error: Set(Some(error)), updated_at: Set(now), ..ActiveModel::default() }
        }
    };
    let result = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(lease.id))
        .filter(Column::State.eq(State::Pending))
        .filter(Column::Attempts.eq(lease.attempt))
        .exec(db)
        .await?;
    Ok(result.rows_affected > 0)
}

fn ended(state: State, error: Option<String>, now: Timestamp) -> ActiveModel {
    ActiveModel {
        state: Set(state),
        secret_sealed: Set(None),
        sent_at: Set((state == State::Sent).then_some(now)),
        last_error: Set(error),
        updated_at: Set(now),
        ..ActiveModel::default()
    }
}

/// Writes of several that they were handed over, unless their leases were lost. Returns how many were written.
pub async fn settle_sent(db: &impl ConnectionTrait, leases: &[Lease], now: Timestamp) -> Result<usize, StorageError> {
    let each = leases.iter().map(|lease| Condition::all().add(Column::Id.eq(lease.id)).add(Column::Attempts.eq(lease.attempt)));
    let result = Entity::update_many()
        .set(ended(State::Sent, None, now))
        .filter(each.fold(Condition::any(), Condition::add))
        .filter(Column::State.eq(State::Pending))
        .exec(db)
        .await?;
    Ok(usize::try_from(result.rows_affected).unwrap_or(usize::MAX))
}
