//! Pictures that belong to nobody any more and whose files are still to be removed.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "avatar_removals")]
pub struct Model {
    /// As `users.avatar_key` had it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
