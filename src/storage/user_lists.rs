//! Lists of users for administrators: filtered, in three orders, page by page. Whatever is asked for, an index answers.

use entity::{
    Timestamp, attempt_counters,
    users::{Column, Entity, Model, Role, Status},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait, Order as Direction,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Statement, TransactionTrait,
    sea_query::{Expr, ExprTrait, Query, SelectStatement, UnionType},
};
use uuid::Uuid;

use super::{
    error::StorageError,
    user_search::{self, Found, Search, by_bytes},
};

/// So many are looked up by their ids.
const FEW: usize = 100;

/// Which users a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Named so.
    pub search: Option<Search>,
    /// Of any of these.
    pub status: Option<Vec<Status>>,
    /// Of any of these.
    pub role: Option<Vec<Role>>,
    /// Whether their address is proved.
    pub email_verified: Option<bool>,
    /// Whether their number is proved.
    pub phone_verified: Option<bool>,
    /// Whether too many wrong passwords lock them out now.
    pub locked: Option<bool>,
    /// Made after this.
    pub created_after: Option<Timestamp>,
    /// Made before this.
    pub created_before: Option<Timestamp>,
    /// Signed in after this, for the last time.
    pub last_sign_in_after: Option<Timestamp>,
    /// Signed in before this, for the last time.
    pub last_sign_in_before: Option<Timestamp>,
}

/// By what users are ordered; who has none of it comes first when it ascends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// When they were made.
    CreatedAt,
    /// When they last signed in.
    LastSignInAt,
    /// Their address, byte by byte.
    Email,
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub field: Field,
    /// Whether what is greatest comes first.
    pub descends: bool,
}

/// A value that users are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt(Timestamp),
    /// When they last signed in.
    LastSignInAt(Option<Timestamp>),
    /// Their address.
    Email(Option<String>),
}

impl Key {
    /// What a user has of it.
    #[must_use]
    pub fn of(field: Field, user: &Model) -> Self {
        match field {
            Field::CreatedAt => Self::CreatedAt(user.created_at),
            Field::LastSignInAt => Self::LastSignInAt(user.last_login_at),
            Field::Email => Self::Email(user.email.clone()),
        }
    }

    fn expression(&self, backend: DbBackend) -> Expr {
        match self {
            Self::CreatedAt(at) | Self::LastSignInAt(Some(at)) => Expr::value(*at),
            Self::LastSignInAt(None) => Expr::cust(never(backend)),
            Self::Email(email) => Expr::value(email.as_deref().unwrap_or_default()),
        }
    }
}

/// A window on a list.
#[derive(Clone, Debug)]
pub struct Window {
    /// Only what comes after this place.
    pub after: Option<(Key, Uuid)>,
    /// Only what comes before this place.
    pub before: Option<(Key, Uuid)>,
    /// From the end of the list backwards.
    pub from_end: bool,
    /// How many at most.
    pub limit: u64,
}

/// What stands for "never signed in": before every instant that there is.
const fn never(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "timestamptz '1970-01-01 00:00:00+00'",
        _ => "''",
    }
}

/// As the index has it.
fn last_sign_in(backend: DbBackend) -> Expr {
    Expr::cust(format!("coalesce(last_login_at, {})", never(backend)))
}

fn sort_key(backend: DbBackend, field: Field) -> Expr {
    match field {
        Field::CreatedAt => Expr::col(Column::CreatedAt),
        Field::LastSignInAt => last_sign_in(backend),
        Field::Email => by_bytes(backend, "coalesce(email, '')"),
    }
}

impl Filter {
    fn condition(&self, backend: DbBackend, found: Option<&Found>, now: Timestamp) -> Condition {
        Condition::all()
            .add_option(found.map(|found| match found {
                Found::Few(ids) => Condition::all().add(Column::Id.is_in(ids.iter().copied())),
                Found::Many(many) => many.parts().fold(Condition::any(), Condition::add),
            }))
            .add_option(self.status.as_deref().map(of_status))
            .add_option(self.role.as_deref().map(of_role))
            .add_option(self.email_verified.map(|is| nullness(Column::EmailVerifiedAt, is)))
            .add_option(self.phone_verified.map(|is| nullness(Column::PhoneVerifiedAt, is)))
            .add_option(self.locked.map(|is| locked(is, now)))
            .add_option(self.created_after.map(|at| Column::CreatedAt.gt(at)))
            .add_option(self.created_before.map(|at| Column::CreatedAt.lt(at)))
            .add_option(self.last_sign_in_after.map(|at| last_sign_in(backend).gt(at)))
            .add_option(self.last_sign_in_before.map(|at| signed_in_before(backend, at)))
    }
}

/// Written out where an index is of these alone.
fn of_status(wanted: &[Status]) -> Condition {
    let some = Condition::all().add(Column::Status.is_in(wanted.iter().copied()));
    if wanted.contains(&Status::Active) { some } else { some.add(Expr::cust("status <> 'active'")) }
}

fn of_role(wanted: &[Role]) -> Condition {
    match wanted {
        [Role::Admin] => Condition::all().add(Expr::cust("role = 'admin'")),
        _ => Condition::all().add(Column::Role.is_in(wanted.iter().copied())),
    }
}

fn nullness(column: Column, has_value: bool) -> Expr {
    if has_value { column.is_not_null() } else { column.is_null() }
}

/// Who never signed in did not sign in before anything either.
fn signed_in_before(backend: DbBackend, at: Timestamp) -> Condition {
    Condition::all().add(last_sign_in(backend).lt(at)).add(Column::LastLoginAt.is_not_null())
}

fn locked(is_locked: bool, now: Timestamp) -> Expr {
    let locked = attempt_counters::Entity::find()
        .select_only()
        .column(attempt_counters::Column::UserId)
        .filter(Expr::cust("kind = 'password' AND is_account"))
        .filter(attempt_counters::Column::UserId.is_not_null())
        .filter(attempt_counters::Column::LockedUntil.gt(now))
        .into_query();
    if is_locked { Column::Id.in_subquery(locked) } else { Column::Id.not_in_subquery(locked) }
}

/// Users, in the direction of the window.
pub async fn list(
    db: &DatabaseConnection,
    filter: &Filter,
    order: Order,
    window: &Window,
    now: Timestamp,
) -> Result<Vec<Model>, StorageError> {
    let backend = db.get_database_backend();
    let page = |found: Option<&Found>| query(backend, filter, found, (order, window), now);
    let Some(search) = &filter.search else { return Ok(page(None).all(db).await?) };
    let (found, transaction) = follow(db, search).await?;
    let users = page(Some(&found)).all(&transaction).await?;
    transaction.commit().await?;
    Ok(users)
}

/// Where a search leads, and the transaction to read that in.
async fn follow(db: &DatabaseConnection, search: &Search) -> Result<(Found, DatabaseTransaction), StorageError> {
    let transaction = db.begin().await?;
    // A start is looked for in the order of its index, whatever it is: to plan that anew would take longer than to do it.
    plan(&transaction, "force_generic_plan").await?;
    let found = user_search::find(&transaction, search, FEW).await?;
    if matches!(found, Found::Many(_)) {
        // How wide a range is decides which index is the better one: the plan for any range, which PostgreSQL keeps after some executions,
        // goes through thousands of users where this one reads a handful.
        plan(&transaction, "force_custom_plan").await?;
    }
    Ok((found, transaction))
}

/// Whether PostgreSQL plans a statement for its values, in this transaction. SQLite never does.
async fn plan(transaction: &DatabaseTransaction, mode: &str) -> Result<(), StorageError> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(&format!("SET LOCAL plan_cache_mode = {mode}")).await?;
    }
    Ok(())
}

/// The query of [`list`] where the search leads there.
#[must_use]
pub fn query(
    backend: DbBackend,
    filter: &Filter,
    found: Option<&Found>,
    (order, window): (Order, &Window),
    now: Timestamp,
) -> Select<Entity> {
    let Some(Found::Many(many)) = found else { return page(backend, filter.condition(backend, found, now), order, window) };
    // A page of each part, and of those the page: where a part is a range of the index that has the order, nothing else is gone through.
    let all = filter.condition(backend, None, now);
    let mut pages = many.parts().enumerate().map(|(number, part)| {
        let ids = page(backend, all.clone().add(part), order, window).select_only().column(Column::Id).into_query();
        Query::select().column("id").from_subquery(ids, format!("part{number}")).to_owned()
    });
    let Some(mut any) = pages.next() else { return page(backend, all.add(Expr::val(false)), order, window) };
    for other in pages {
        any.union(UnionType::All, other);
    }
    let start = Window { after: None, before: None, ..window.clone() };
    page(backend, Condition::all().add(Column::Id.in_subquery(any)), order, &start)
}

fn page(backend: DbBackend, condition: Condition, order: Order, window: &Window) -> Select<Entity> {
    // Compared as a pair, so that a page far down begins where the index says.
    let place = || Expr::tuple([sort_key(backend, order.field), Expr::col(Column::Id)]);
    let of = |(key, id): &(Key, Uuid)| Expr::tuple([key.expression(backend), Expr::value(*id)]);
    let mut query = Entity::find().filter(condition);
    if let Some(position) = &window.after {
        query = query.filter(if order.descends { place().lt(of(position)) } else { place().gt(of(position)) });
    }
    if let Some(position) = &window.before {
        query = query.filter(if order.descends { place().gt(of(position)) } else { place().lt(of(position)) });
    }
    let direction = if order.descends == window.from_end { Direction::Asc } else { Direction::Desc };
    query.order_by(sort_key(backend, order.field), direction.clone()).order_by(Column::Id, direction).limit(window.limit)
}

/// How many there are: exact up to `exact`; beyond that, what PostgreSQL's statistics say.
pub async fn count(db: &DatabaseConnection, filter: &Filter, exact: u64, now: Timestamp) -> Result<u64, StorageError> {
    let Some(search) = &filter.search else { return count_found(db, filter, None, (exact, now)).await };
    let (found, transaction) = follow(db, search).await?;
    let count = count_found(&transaction, filter, Some(&found), (exact, now)).await?;
    transaction.commit().await?;
    Ok(count)
}

async fn count_found(
    db: &impl ConnectionTrait,
    filter: &Filter,
    found: Option<&Found>,
    (exact, now): (u64, Timestamp),
) -> Result<u64, StorageError> {
    let backend = db.get_database_backend();
    let all = Entity::find().select_only().expr_as(Expr::value(1), "one").filter(filter.condition(backend, found, now)).into_query();
    let some = all.clone().limit(exact.saturating_add(1)).to_owned();
    let count = counted(db, some).await?;
    if count <= exact {
        return Ok(count);
    }
    match backend {
        DbBackend::Postgres => Ok(Ord::max(estimated(db, &all).await?, count)),
        _ => counted(db, all).await,
    }
}

async fn counted(db: &impl ConnectionTrait, rows: SelectStatement) -> Result<u64, StorageError> {
    let count = Query::select().expr_as(Expr::cust("count(*)"), "how_many").from_subquery(rows, "some").to_owned();
    let row = db.query_one(&count).await?.ok_or(StorageError::Inconsistent("a count that counts nothing"))?;
    Ok(u64::try_from(row.try_get::<i64>("", "how_many")?).unwrap_or(0))
}

/// What the planner of PostgreSQL expects.
async fn estimated(db: &impl ConnectionTrait, rows: &SelectStatement) -> Result<u64, StorageError> {
    let statement: Statement = DbBackend::Postgres.build(rows);
    let explain = Statement { sql: format!("EXPLAIN (FORMAT JSON) {}", statement.sql), ..statement };
    let row = db.query_one_raw(explain).await?.ok_or(StorageError::Inconsistent("a plan that says nothing"))?;
    let plan: serde_json::Value = row.try_get_by_index(0)?;
    Ok(plan[0]["Plan"]["Plan Rows"].as_u64().unwrap_or(0))
}
