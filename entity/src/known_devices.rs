//! A browser or app that has signed in to an account before.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "known_devices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    /// SHA-256 of the device token; unique together with the user.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub token_hash: Vec<u8>,
    pub name: String,
    pub trusted_until: Option<Timestamp>,
    pub last_seen_at: Timestamp,
    pub created_at: Timestamp,
    /// Where it signed in last, if that looked like its owner. ISO 3166-1 alpha-2.
    pub location_country: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
