//! What was added to the coins of an account, or taken: rows are added and never changed.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, user_sessions::Actor};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coin_entries")]
pub struct Model {
    /// The order in which the entries of an account were decided.
    #[sea_orm(primary_key)]
    pub seq: i64,
    #[sea_orm(unique)]
    pub id: Uuid,
    pub user_id: Uuid,
    /// Positive when earned, negative when spent; never 0.
    pub amount: i32,
    pub balance_after: i32,
    pub reason: String,
    /// Counts once for an account.
    pub idempotency_key: String,
    pub actor: Actor,
    /// The administrator, where it was a person who is still there.
    pub actor_user_id: Option<Uuid>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
