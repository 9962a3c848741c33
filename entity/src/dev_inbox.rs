//! Messages that the development inbox received; the content is sealed.

use sea_orm::entity::prelude::*;

use crate::{Channel, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dev_inbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub recipient: String,
    /// JSON with subject, text, html, code and link.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub content_sealed: Vec<u8>,
    pub channel: Channel,
    pub sent_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
