//! Requests for a new password, each of them.

use entity::{
    Timestamp,
    password_reset_attempts::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement,
    sea_query::{Expr, ExprTrait, Order},
};
use uuid::Uuid;

use super::error::StorageError;

/// Adds one.
pub async fn insert(db: &impl ConnectionTrait, row: Model) -> Result<(), StorageError> {
    Entity::insert(ActiveModel::from(row).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Notes that one led to a new password.
pub async fn mark_success(db: &impl ConnectionTrait, id: Uuid) -> Result<(), StorageError> {
    Entity::update_many().col_expr(Column::Success, Expr::value(true)).filter(Column::Id.eq(id)).exec(db).await?;
    Ok(())
}

/// Those for a user's account, the newest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().filter(Column::UserId.eq(user_id)).order_by_desc(Column::CreatedAt).all(db).await?)
}

/// Which of them are wanted; each part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// For this contact, in canonical form.
    pub contact: Option<String>,
    /// From this address.
    pub ip_address: Option<String>,
    /// Whether they led to a new password.
    pub success: Option<bool>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// A window on the list, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Only what is older than this.
    pub after: Option<(Timestamp, Uuid)>,
    /// Only what is newer than this.
    pub before: Option<(Timestamp, Uuid)>,
    /// From the end of the list backwards: the oldest first.
    pub from_end: bool,
    /// How many at most.
    pub limit: u64,
}

/// The statement of a page; a test explains it for every filter.
#[must_use]
pub fn statement(backend: DbBackend, filter: &Filter, window: Window) -> Statement {
    let place = || Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
    let at = |(at, id): (Timestamp, Uuid)| Expr::tuple([Expr::val(at), Expr::val(id)]);
    let order = if window.from_end { Order::Asc } else { Order::Desc };
    let wanted = Condition::all()
        .add_option(filter.contact.as_ref().map(|contact| Column::Contact.eq(contact)))
        .add_option(filter.ip_address.as_ref().map(|address| Column::IpAddress.eq(address)))
        // Written out, so that the index of the few successes is used.
        .add_option(filter.success.map(|success| Expr::cust(if success { "success" } else { "NOT success" })))
        .add_option(filter.since.map(|since| Column::CreatedAt.gte(since)))
        .add_option(filter.until.map(|until| Column::CreatedAt.lt(until)))
        .add_option(window.after.map(|after| place().lt(at(after))))
        .add_option(window.before.map(|before| place().gt(at(before))));
    Entity::find().filter(wanted).order_by(Column::CreatedAt, order.clone()).order_by(Column::Id, order).limit(window.limit).build(backend)
}

/// A page of those that are wanted, in the direction of the window.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter, window: Window) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().from_raw_sql(statement(db.get_database_backend(), filter, window)).all(db).await?)
}
