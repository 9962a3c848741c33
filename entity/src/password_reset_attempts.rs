//! Requests for a new password, whether or not they led to one.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "password_reset_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Null where the contact is nobody's.
    pub user_id: Option<Uuid>,
    /// Canonical form.
    pub contact: String,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    /// Whether a link or code was sent that can be right.
    pub token_generated: bool,
    /// Whether it led to a new password.
    pub success: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
