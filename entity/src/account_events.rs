//! The durable outbox of session and account events: what streams read and replay.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// Kinds that begin with `session_` belong to `sessionEvents`, the rest to `accountEvents`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    #[sea_orm(string_value = "session_created")]
    SessionCreated,
    #[sea_orm(string_value = "session_refreshed")]
    SessionRefreshed,
    #[sea_orm(string_value = "session_marked_suspicious")]
    SessionMarkedSuspicious,
    #[sea_orm(string_value = "session_trusted")]
    SessionTrusted,
    #[sea_orm(string_value = "session_expired")]
    SessionExpired,
    #[sea_orm(string_value = "session_revoked")]
    SessionRevoked,
    #[sea_orm(string_value = "created")]
    Created,
    #[sea_orm(string_value = "updated")]
    Updated,
    #[sea_orm(string_value = "email_verified")]
    EmailVerified,
    #[sea_orm(string_value = "email_changed")]
    EmailChanged,
    #[sea_orm(string_value = "phone_verified")]
    PhoneVerified,
    #[sea_orm(string_value = "phone_changed")]
    PhoneChanged,
    #[sea_orm(string_value = "password_changed")]
    PasswordChanged,
    #[sea_orm(string_value = "second_factor_changed")]
    SecondFactorChanged,
    #[sea_orm(string_value = "passkey_changed")]
    PasskeyChanged,
    #[sea_orm(string_value = "identity_changed")]
    IdentityChanged,
    #[sea_orm(string_value = "status_changed")]
    StatusChanged,
    #[sea_orm(string_value = "role_changed")]
    RoleChanged,
    #[sea_orm(string_value = "coins_changed")]
    CoinsChanged,
    #[sea_orm(string_value = "locked")]
    Locked,
    #[sea_orm(string_value = "unlocked")]
    Unlocked,
    #[sea_orm(string_value = "deletion_scheduled")]
    DeletionScheduled,
    #[sea_orm(string_value = "deletion_cancelled")]
    DeletionCancelled,
    #[sea_orm(string_value = "deleted")]
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_events")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    #[sea_orm(unique)]
    pub id: Uuid,
    pub epoch: i32,
    /// PostgreSQL: the transaction that wrote it. SQLite: 0.
    pub xid: i64,
    pub kind: Kind,
    pub user_id: Uuid,
    pub session_id: Option<Uuid>,
    pub at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
