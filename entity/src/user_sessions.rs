//! A signed-in device: the session is the refresh token family.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// Active and suspicious are both live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    #[sea_orm(string_value = "active")]
    Active,
    #[sea_orm(string_value = "suspicious")]
    Suspicious,
    #[sea_orm(string_value = "expired")]
    Expired,
    #[sea_orm(string_value = "revoked")]
    Revoked,
}

/// As told by the user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum DeviceType {
    #[sea_orm(string_value = "desktop")]
    Desktop,
    #[sea_orm(string_value = "mobile")]
    Mobile,
    #[sea_orm(string_value = "tablet")]
    Tablet,
    #[sea_orm(string_value = "api")]
    Api,
}

/// How the session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum LoginMethod {
    #[sea_orm(string_value = "password")]
    Password,
    #[sea_orm(string_value = "email_code")]
    EmailCode,
    #[sea_orm(string_value = "phone_code")]
    PhoneCode,
    #[sea_orm(string_value = "magic_link")]
    MagicLink,
    #[sea_orm(string_value = "passkey")]
    Passkey,
    #[sea_orm(string_value = "oauth")]
    Oauth,
    #[sea_orm(string_value = "sign_up")]
    SignUp,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Actor {
    #[sea_orm(string_value = "user")]
    User,
    #[sea_orm(string_value = "admin")]
    Admin,
    #[sea_orm(string_value = "system")]
    System,
    #[sea_orm(string_value = "security")]
    Security,
}

/// How the refresh token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum TokenDelivery {
    #[sea_orm(string_value = "cookie")]
    Cookie,
    #[sea_orm(string_value = "body")]
    Body,
}

/// What was given besides the first factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum SecondFactor {
    #[sea_orm(string_value = "totp")]
    Totp,
    #[sea_orm(string_value = "recovery_code")]
    RecoveryCode,
    #[sea_orm(string_value = "passkey")]
    Passkey,
    #[sea_orm(string_value = "email_code")]
    EmailCode,
    #[sea_orm(string_value = "sms_code")]
    SmsCode,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    /// Generation of the current refresh token; the first one is 1.
    pub refresh_generation: i32,
    /// The newest generation that was seen in use.
    pub confirmed_generation: i32,
    pub confirmed_at: Option<Timestamp>,
    /// Id of the deployment secret that derives the chain.
    pub refresh_key_id: String,
    /// SHA-256 of the current secret.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub refresh_token_hash: Vec<u8>,
    pub refreshed_at: Timestamp,
    /// The token that a re-authentication replaced without knowing its secret: ancestors walk to it. Null while the chain is whole.
    pub branch_generation: Option<i32>,
    #[sea_orm(column_type = "VarBinary(StringLen::None)", nullable)]
    pub branch_token_hash: Option<Vec<u8>>,
    pub token_delivery: TokenDelivery,
    /// RFC 8176 names of the proofs given in this session.
    #[sea_orm(column_type = "JsonBinary")]
    pub amr: Json,
    pub status: Status,
    pub known_device_id: Option<Uuid>,
    pub device_type: DeviceType,
    pub device_name: String,
    pub browser: Option<String>,
    pub os: Option<String>,
    pub user_agent: Option<String>,
    pub ip_address: Option<String>,
    pub login_method: LoginMethod,
    /// When the person last proved who they are: `auth_time`.
    pub authenticated_at: Timestamp,
    pub risk_score: i32,
    #[sea_orm(column_type = "JsonBinary")]
    pub risk_signals: Json,
    pub is_suspicious: bool,
    /// Sliding.
    pub expires_at: Timestamp,
    pub absolute_expires_at: Timestamp,
    pub last_activity_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub revoked_by: Option<Actor>,
    pub revoked_reason: Option<String>,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The second factor that was given in this session, if any.
    pub second_factor: Option<SecondFactor>,
    /// When a second factor or a passkey with user verification was last given in this session.
    pub strong_proof_at: Option<Timestamp>,
    /// Where `ip_address` lies. ISO 3166-1 alpha-2.
    pub location_country: Option<String>,
    /// Its name in English.
    pub location_city: Option<String>,
    /// IANA.
    pub location_timezone: Option<String>,
    /// In tenths of a degree: coarse on purpose.
    pub location_latitude: Option<i32>,
    pub location_longitude: Option<i32>,
    /// When a refresh looked risky: earlier proofs make the session recent no more.
    pub proofs_void_before: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
