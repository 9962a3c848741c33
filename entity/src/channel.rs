//! By which way a person is reached.

use sea_orm::entity::prelude::*;

/// By which way a person is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Channel {
    /// E-mail.
    #[sea_orm(string_value = "email")]
    Email,
    /// A text message.
    #[sea_orm(string_value = "sms")]
    Sms,
}

impl Channel {
    /// As the database, the settings and the short-lived store have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// The other way.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Sms].into_iter().find(|channel| channel.as_str() == text)
    }
}
