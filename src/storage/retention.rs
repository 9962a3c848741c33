//! What goes once its time is over, in batches that are small enough to disturb nobody.

use std::time::Duration;

use entity::{
    Timestamp, account_events, attempt_counters, dev_inbox, known_devices, link_tokens, messages, password_reset_attempts,
    pending_sign_ups, spent_tokens, user_audit_log, user_sessions,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use super::error::StorageError;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Clocks of instances may differ a little: what one of them holds for over may still count for another.
const SLACK: Duration = HOUR;
/// A late click is told that the link has expired, not that there never was one.
const SIGN_UP_AFTERLIFE: Duration = DAY;
const LINK_TOKENS_KEPT: Duration = DAY.saturating_mul(30);
const RESET_ATTEMPTS_KEPT: Duration = DAY.saturating_mul(90);
const MESSAGES_KEPT: Duration = DAY.saturating_mul(30);
const ENDED_SESSIONS_KEPT: Duration = DAY.saturating_mul(90);
/// The cookie of a device lives as long.
const UNSEEN_DEVICES_KEPT: Duration = DAY.saturating_mul(400);
/// So long, that nobody learns from it whether an identifier has an account: counters of accounts stay until a success.
const NOBODYS_COUNTERS_KEPT: Duration = DAY.saturating_mul(365);

/// What goes once its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Marks of things that were used, once those would have run out anyway.
    Tokens,
    /// Sign-ups that nobody finished.
    SignUps,
    /// Links of messages, 30 days after they were made.
    Links,
    /// Requests for a new password, after 90 days.
    ResetAttempts,
    /// Messages that were sent or given up, after 30 days.
    Messages,
    /// Those that told somebody that their account is gone, at once.
    Farewells,
    /// Budgets of wrong codes whose window is over.
    CodeBudgets,
    /// Wrong passwords for identifiers that belong to nobody, after a year.
    NobodysCounters,
    /// Attempts of login tokens, which live for minutes.
    LoginAttempts,
    /// Sessions that were ended 90 days ago.
    RevokedSessions,
    /// Those that expired 90 days ago.
    ExpiredSessions,
    /// Devices that were not seen for 400 days.
    Devices,
    /// Events that no cursor reaches any more.
    Events,
    /// Audit rows whose time is over.
    AuditRows,
    /// What the development inbox has too much.
    InboxMessages,
}

impl Spent {
    /// All of it.
    pub const ALL: [Self; 15] = [
        Self::Tokens,
        Self::SignUps,
        Self::Links,
        Self::ResetAttempts,
        Self::Messages,
        Self::Farewells,
        Self::CodeBudgets,
        Self::NobodysCounters,
        Self::LoginAttempts,
        Self::RevokedSessions,
        Self::ExpiredSessions,
        Self::Devices,
        Self::Events,
        Self::AuditRows,
        Self::InboxMessages,
    ];

    /// As metrics and log have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "spent_tokens",
            Self::SignUps => "pending_sign_ups",
            Self::Links => "link_tokens",
            Self::ResetAttempts => "password_reset_attempts",
            Self::Messages => "messages",
            Self::Farewells => "farewells",
            Self::CodeBudgets => "code_budgets",
            Self::NobodysCounters => "counters_of_nobody",
            Self::LoginAttempts => "login_attempts",
            Self::RevokedSessions => "revoked_sessions_of_long_ago",
            Self::ExpiredSessions => "expired_sessions_of_long_ago",
            Self::Devices => "known_devices",
            Self::Events => "account_events",
            Self::AuditRows => "audit_rows",
            Self::InboxMessages => "inbox_messages",
        }
    }
}

/// When it is, and what the settings say about it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the program's clock.
    pub now: Timestamp,
    /// By the clock that says otherwise, if the database's is behind: it judges audit rows itself.
    pub database_now: Timestamp,
    /// In how long wrong codes are counted.
    pub code_window: Duration,
    /// How long a session can live.
    pub session_ttl: Duration,
    /// How long a cursor of the event streams is good.
    pub cursor_ttl: Duration,
}

/// Removes at most `limit` rows, and says how many. What has begun to count again meanwhile stays.
pub async fn delete(db: &impl ConnectionTrait, what: Spent, moment: Moment, limit: u64) -> Result<u64, StorageError> {
    use attempt_counters::Column as Counter;
    let now = moment.now;
    match what {
        Spent::Tokens => {
            let over = spent_tokens::Column::ExpiresAt.lte(now - SLACK).into();
            // Kind and id together are its key.
            let key = Expr::tuple([Expr::col(spent_tokens::Column::Kind), Expr::col(spent_tokens::Column::Id)]);
            let some = spent_tokens::Entity::find()
                .select_only()
                .columns([spent_tokens::Column::Kind, spent_tokens::Column::Id])
                .filter::<Condition>(over)
                .order_by_asc(spent_tokens::Column::ExpiresAt)
                .limit(limit)
                .into_query();
            Ok(spent_tokens::Entity::delete_many().filter(key.in_subquery(some)).exec(db).await?.rows_affected)
        }
        Spent::SignUps => {
            let over = pending_sign_ups::Column::ExpiresAt.lte(now - SIGN_UP_AFTERLIFE).into();
            some_of::<pending_sign_ups::Entity>(db, (pending_sign_ups::Column::Id, pending_sign_ups::Column::ExpiresAt), over, limit).await
        }
        Spent::Links => {
            let over = Condition::all()
                .add(link_tokens::Column::CreatedAt.lte(now - LINK_TOKENS_KEPT))
                .add(link_tokens::Column::ExpiresAt.lte(now));
            some_of::<link_tokens::Entity>(db, (link_tokens::Column::Id, link_tokens::Column::CreatedAt), over, limit).await
        }
        Spent::ResetAttempts => {
            use password_reset_attempts::Column;
            let over = Column::CreatedAt.lte(now - RESET_ATTEMPTS_KEPT).into();
            some_of::<password_reset_attempts::Entity>(db, (Column::Id, Column::CreatedAt), over, limit).await
        }
        Spent::Messages => {
            use messages::Column;
            let over = Condition::all().add(Column::CreatedAt.lte(now - MESSAGES_KEPT)).add(Column::State.ne(messages::State::Pending));
            some_of::<messages::Entity>(db, (Column::Id, Column::CreatedAt), over, limit).await
        }
        Spent::Farewells => {
            use messages::Column;
            // Written out, so that the index of these alone is used.
            let farewell = Expr::cust("template = 'account_deleted'");
            let over = Condition::all().add(farewell).add(Column::State.ne(messages::State::Pending));
            some_of::<messages::Entity>(db, (Column::Id, Column::State), over, limit).await
        }
        Spent::CodeBudgets => {
            let over = Condition::all()
                .add(Counter::Kind.eq("code"))
                .add(Counter::UpdatedAt.lte(now - moment.code_window))
                .add(Condition::any().add(Counter::LastFailureAt.is_null()).add(Counter::LastFailureAt.lte(now - moment.code_window)))
                .add(Condition::any().add(Counter::LockedUntil.is_null()).add(Counter::LockedUntil.lte(now)));
            some_of::<attempt_counters::Entity>(db, (Counter::Id, Counter::UpdatedAt), over, limit).await
        }
        Spent::NobodysCounters => {
            let over = Condition::all()
                .add(Counter::Kind.eq("password"))
                .add(Counter::UserId.is_null())
                .add(Counter::UpdatedAt.lte(now - NOBODYS_COUNTERS_KEPT));
            some_of::<attempt_counters::Entity>(db, (Counter::Id, Counter::UpdatedAt), over, limit).await
        }
        Spent::LoginAttempts => {
            let over = Condition::all()
                .add(Counter::Kind.eq("second_factor"))
                .add(Counter::UserId.is_null())
                .add(Counter::UpdatedAt.lte(now - SLACK));
            some_of::<attempt_counters::Entity>(db, (Counter::Id, Counter::UpdatedAt), over, limit).await
        }
        Spent::RevokedSessions => {
            use user_sessions::Column;
            let over = Condition::all().add(Expr::cust("status = 'revoked'")).add(Column::RevokedAt.lte(now - ENDED_SESSIONS_KEPT));
            some_of::<user_sessions::Entity>(db, (Column::Id, Column::RevokedAt), over, limit).await
        }
        Spent::ExpiredSessions => {
            use user_sessions::Column;
            let over = Condition::all().add(Expr::cust("status = 'expired'")).add(Column::ExpiresAt.lte(now - ENDED_SESSIONS_KEPT));
            some_of::<user_sessions::Entity>(db, (Column::Id, Column::ExpiresAt), over, limit).await
        }
        Spent::Devices => {
            use known_devices::Column;
            let over = Column::LastSeenAt.lte(now - UNSEEN_DEVICES_KEPT.max(moment.session_ttl)).into();
            some_of::<known_devices::Entity>(db, (Column::Id, Column::LastSeenAt), over, limit).await
        }
        Spent::Events => {
            use account_events::Column;
            // Of the rows after a cursor some may have begun a little before it.
            let over = Column::At.lt(now - moment.cursor_ttl - SLACK).into();
            some_of::<account_events::Entity>(db, (Column::Seq, Column::At), over, limit).await
        }
        Spent::AuditRows => {
            use user_audit_log::Column;
            let over = Column::ExpiresAt.lte(Ord::min(now, moment.database_now)).into();
            some_of::<user_audit_log::Entity>(db, (Column::Seq, Column::ExpiresAt), over, limit).await
        }
        Spent::InboxMessages => {
            use dev_inbox::Column;
            let kept = dev_inbox::Entity::find().select_only().column(Column::Id).order_by_desc(Column::SentAt).order_by_desc(Column::Id);
            let kept = kept.limit(super::dev_inbox::KEPT).into_query();
            let over = Column::Id.not_in_subquery(kept).into();
            some_of::<dev_inbox::Entity>(db, (Column::Id, Column::SentAt), over, limit).await
        }
    }
}

/// The oldest rows that are over. The condition stands outside too: a row that was changed meanwhile is judged as it is now.
async fn some_of<E: EntityTrait>(
    db: &impl ConnectionTrait,
    (key, age): (E::Column, E::Column),
    over: Condition,
    limit: u64,
) -> Result<u64, StorageError> {
    let some = E::find().select_only().column(key).filter(over.clone()).order_by_asc(age).limit(limit).into_query();
    Ok(E::delete_many().filter(key.in_subquery(some)).filter(over).exec(db).await?.rows_affected)
}
