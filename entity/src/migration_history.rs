//! Every migration step that ran.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "migration_history")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    #[sea_orm(column_name = "type")]
    pub r#type: String,
    pub batch: i32,
    pub description: String,
    pub file: String,
    pub checksum: String,
    /// `running`, `completed`, `failed` or `rolled_back`.
    pub status: String,
    pub started_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    pub execution_time_ms: Option<i64>,
    pub error_message: Option<String>,
    pub can_rollback: bool,
    pub rolled_back_at: Option<Timestamp>,
    pub rolled_back_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
