//! Accounts at providers that a user can sign in with. Who it is says the issuer and its subject together, never an address.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_providers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    /// The provider's id in the settings.
    pub provider: String,
    pub issuer: String,
    /// The subject; unique together with the issuer.
    pub provider_user_id: String,
    /// As the provider tells it.
    pub email: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub metadata: Json,
    pub linked_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
