//! A sign-up before its contact is proved: never a user, reserves nothing.

use sea_orm::entity::prelude::*;

use crate::{Channel, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pending_sign_ups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub channel: Channel,
    /// Canonical e-mail address or E.164 number.
    pub contact: String,
    pub password_hash: Option<String>,
    pub username: Option<String>,
    /// The profile that takes effect with the confirmation.
    #[sea_orm(column_type = "JsonBinary")]
    pub profile: Json,
    /// Hash of the device token of the browser that began.
    pub device_hash: Option<Vec<u8>>,
    #[sea_orm(unique)]
    pub challenge_id: Uuid,
    /// Whether the contact was registered already: then nothing can confirm it.
    pub decoy: bool,
    pub expires_at: Timestamp,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
