//! What happened, append-only.

use crate::{Timestamp, user_sessions::Actor};
use sea_orm::entity::prelude::*;

/// The area it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Category {
    #[sea_orm(string_value = "authentication")]
    Authentication,
    #[sea_orm(string_value = "security")]
    Security,
    #[sea_orm(string_value = "account")]
    Account,
    #[sea_orm(string_value = "admin")]
    Admin,
    #[sea_orm(string_value = "system")]
    System,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    #[sea_orm(string_value = "success")]
    Success,
    #[sea_orm(string_value = "failure")]
    Failure,
    #[sea_orm(string_value = "partial")]
    Partial,
    #[sea_orm(string_value = "pending")]
    Pending,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Severity {
    #[sea_orm(string_value = "debug")]
    Debug,
    #[sea_orm(string_value = "info")]
    Info,
    #[sea_orm(string_value = "warning")]
    Warning,
    #[sea_orm(string_value = "error")]
    Error,
    #[sea_orm(string_value = "critical")]
    Critical,
}

/// How long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Retention {
    #[sea_orm(string_value = "standard")]
    Standard,
    #[sea_orm(string_value = "extended")]
    Extended,
    #[sea_orm(string_value = "permanent")]
    Permanent,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_audit_log")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    #[sea_orm(unique)]
    pub id: Uuid,
    pub epoch: i32,
    pub xid: i64,
    pub user_id: Option<Uuid>,
    pub actor: Actor,
    pub actor_user_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub request_id: Option<String>,
    pub event_type: String,
    pub event_category: Category,
    pub action: String,
    pub resource_type: Option<String>,
    pub resource_id: Option<String>,
    pub status: Status,
    pub result_code: Option<String>,
    pub message: Option<String>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub country: Option<String>,
    pub city: Option<String>,
    pub risk_score: Option<i32>,
    pub request_method: Option<String>,
    pub request_path: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub request_params: Option<Json>,
    pub response_status: Option<i32>,
    #[sea_orm(column_type = "JsonBinary")]
    pub metadata: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub tags: Json,
    pub severity: Severity,
    pub is_sensitive: bool,
    pub retention_policy: Retention,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
