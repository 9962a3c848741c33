//! A person who has proved at least one contact (or identity).

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Role {
    #[sea_orm(string_value = "user")]
    User,
    #[sea_orm(string_value = "admin")]
    Admin,
}

/// Whether the account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    #[sea_orm(string_value = "active")]
    Active,
    #[sea_orm(string_value = "inactive")]
    Inactive,
    #[sea_orm(string_value = "suspended")]
    Suspended,
    #[sea_orm(string_value = "banned")]
    Banned,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Canonical form; unique among the verified ones.
    pub email: Option<String>,
    pub email_verified_at: Option<Timestamp>,
    /// E.164; unique among the verified ones.
    pub phone: Option<String>,
    pub phone_verified_at: Option<Timestamp>,
    /// Lower case; unique.
    pub username: Option<String>,
    pub display_name: Option<String>,
    pub full_name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub bio: Option<String>,
    pub locale: Option<String>,
    pub date_of_birth: Option<TimeDate>,
    pub country: Option<String>,
    pub state: Option<String>,
    pub postal_code: Option<String>,
    /// PHC string; null for an account without a password.
    pub password_hash: Option<String>,
    pub last_password_change_at: Option<Timestamp>,
    pub role: Role,
    pub status: Status,
    #[sea_orm(column_type = "JsonBinary")]
    pub metadata: Json,
    pub last_login_at: Option<Timestamp>,
    /// Grows with every change: what the caches compare.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Waits for its proof.
    pub pending_email: Option<String>,
    pub pending_email_expires_at: Option<Timestamp>,
    /// The one challenge that proves it.
    pub pending_email_challenge_id: Option<Uuid>,
    /// The same.
    pub pending_phone: Option<String>,
    pub pending_phone_expires_at: Option<Timestamp>,
    pub pending_phone_challenge_id: Option<Uuid>,
    /// Name of the picture in its storage.
    pub avatar_key: Option<String>,
    /// In bytes.
    pub avatar_size: Option<i32>,
    pub avatar_mime_type: Option<String>,
    /// When everything goes, unless the owner changes their mind.
    pub deletion_scheduled_at: Option<Timestamp>,
    /// The seed, sealed.
    #[sea_orm(column_type = "VarBinary(StringLen::None)", nullable)]
    pub totp_secret_sealed: Option<Vec<u8>>,
    /// Null where no authenticator app is set up: what switches the second step on.
    pub totp_enabled_at: Option<Timestamp>,
    /// The newest time step whose code was used.
    pub totp_last_step: Option<i64>,
    /// What was sent to its contacts before this proves nothing any more.
    pub proofs_void_before: Option<Timestamp>,
    /// Never negative.
    pub coin_balance: i32,
    /// All that was ever added.
    pub total_earned_coins: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// An active user who has nothing yet; the database wants at least what makes sense of it.
    #[must_use]
    pub fn new(id: Uuid, now: Timestamp) -> Self {
        Self {
            id,
            email: None,
            email_verified_at: None,
            phone: None,
            phone_verified_at: None,
            username: None,
            display_name: None,
            full_name: None,
            first_name: None,
            last_name: None,
            bio: None,
            locale: None,
            date_of_birth: None,
            country: None,
            state: None,
            postal_code: None,
            password_hash: None,
            last_password_change_at: None,
            role: Role::User,
            status: Status::Active,
            metadata: Json::Object(Default::default()),
            last_login_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
            pending_email: None,
            pending_email_expires_at: None,
            pending_email_challenge_id: None,
            pending_phone: None,
            pending_phone_expires_at: None,
            pending_phone_challenge_id: None,
            avatar_key: None,
            avatar_size: None,
            avatar_mime_type: None,
            deletion_scheduled_at: None,
            totp_secret_sealed: None,
            totp_enabled_at: None,
            totp_last_step: None,
            proofs_void_before: None,
            coin_balance: 0,
            total_earned_coins: 0,
        }
    }
}
