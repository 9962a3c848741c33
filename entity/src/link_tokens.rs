//! The tokens of links in messages.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// What the link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Purpose {
    #[sea_orm(string_value = "email_verification")]
    EmailVerification,
    #[sea_orm(string_value = "password_reset")]
    PasswordReset,
    #[sea_orm(string_value = "magic_link")]
    MagicLink,
    #[sea_orm(string_value = "email_change_undo")]
    EmailChangeUndo,
    #[sea_orm(string_value = "unlock")]
    Unlock,
    #[sea_orm(string_value = "disown_session")]
    DisownSession,
    #[sea_orm(string_value = "invitation")]
    Invitation,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "link_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Option<Uuid>,
    pub pending_sign_up_id: Option<Uuid>,
    pub purpose: Purpose,
    pub contact: String,
    pub session_id: Option<Uuid>,
    /// SHA-256 of 32 random bytes.
    #[sea_orm(column_type = "VarBinary(StringLen::None)", unique)]
    pub token_hash: Vec<u8>,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// The challenge whose code the same message carries.
    pub challenge_id: Option<Uuid>,
    pub reset_attempt_id: Option<Uuid>,
    /// The browser that asked, where that matters.
    #[sea_orm(column_type = "VarBinary(StringLen::None)", nullable)]
    pub device_hash: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
