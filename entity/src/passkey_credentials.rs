//! The passkeys of a user (WebAuthn credentials).

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// Whether the credential may leave its authenticator (the backup-eligible flag, which never changes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum DeviceType {
    #[sea_orm(string_value = "single_device")]
    SingleDevice,
    #[sea_orm(string_value = "multi_device")]
    MultiDevice,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "passkey_credentials")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    /// Unique over all users.
    #[sea_orm(column_type = "VarBinary(StringLen::None)", unique)]
    pub credential_id: Vec<u8>,
    /// As the WebAuthn library keeps it; only its public side.
    #[sea_orm(column_type = "JsonBinary")]
    pub public_key: Json,
    pub counter: i64,
    pub device_type: DeviceType,
    pub backed_up: bool,
    #[sea_orm(column_type = "JsonBinary")]
    pub transports: Json,
    pub name: String,
    pub last_used_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
