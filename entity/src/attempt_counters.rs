//! Failed attempts, for accounts and for identifiers that do not exist alike.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempt_counters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// `password`, `code` or `second_factor`; unique together with the key.
    pub kind: String,
    /// HMAC of the account id, of account and device, or of the canonical identifier.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub key: Vec<u8>,
    pub user_id: Option<Uuid>,
    /// How many are kept in `recent`.
    pub failures: i32,
    /// In a row.
    pub total: i32,
    /// Locks in a row: each is twice as long as the one before.
    pub locks: i32,
    pub locked_until: Option<Timestamp>,
    pub last_failure_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When the last failures were, the newest first: 15 digits of milliseconds each, and no more of them than lock.
    pub recent: String,
    /// The counter of the account itself, not that of one of its devices.
    pub is_account: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
