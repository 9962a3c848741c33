//! The keys that sign access tokens; the private part is sealed.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// RFC 7638 thumbprint.
    #[sea_orm(unique)]
    pub kid: String,
    /// One creator wins each generation.
    #[sea_orm(unique)]
    pub generation: i32,
    /// `ES256` or `EdDSA`.
    pub algorithm: String,
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub private_key_sealed: Vec<u8>,
    #[sea_orm(column_type = "JsonBinary")]
    pub public_jwk: Json,
    pub publish_at: Timestamp,
    pub activate_at: Timestamp,
    pub retire_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
