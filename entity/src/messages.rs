//! What the courier has to deliver, or has delivered.

use sea_orm::entity::prelude::*;

use crate::{Channel, Timestamp};

/// Discarded is what a decoy becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    #[sea_orm(string_value = "pending")]
    Pending,
    #[sea_orm(string_value = "sent")]
    Sent,
    #[sea_orm(string_value = "dead")]
    Dead,
    #[sea_orm(string_value = "expired")]
    Expired,
    #[sea_orm(string_value = "discarded")]
    Discarded,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Option<Uuid>,
    pub channel: Channel,
    pub recipient: String,
    pub template: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub parameters: Json,
    /// Code and link token; emptied when sent, dead or expired.
    pub secret_sealed: Option<Vec<u8>>,
    pub locale: String,
    pub state: State,
    pub attempts: i32,
    pub next_attempt_at: Timestamp,
    /// After this it is no longer worth sending.
    pub expires_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
