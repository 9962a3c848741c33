//! An event of an account.

use async_graphql::{Context, Enum, ID, Object, Result};
use entity::account_events::Kind;

use super::user::User;
use crate::{
    flows::event_streams::Told,
    graphql::{
        loaders::{UserId, load},
        scalar::DateTime,
    },
};

/// What happened to an account.
#[derive(Clone, Debug)]
pub struct AccountEvent {
    told: Told,
    kind: AccountEventKind,
}

/// What can happen to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum AccountEventKind {
    Created,
    Updated,
    EmailVerified,
    EmailChanged,
    PhoneVerified,
    PhoneChanged,
    PasswordChanged,
    SecondFactorChanged,
    PasskeyChanged,
    IdentityChanged,
    StatusChanged,
    RoleChanged,
    CoinsChanged,
    Locked,
    Unlocked,
    DeletionScheduled,
    DeletionCancelled,
    Deleted,
}

impl AccountEvent {
    /// None for an event of a session.
    pub fn new(told: Told) -> Option<Self> {
        let kind = match told.event.row.kind {
            Kind::Created => AccountEventKind::Created,
            Kind::Updated => AccountEventKind::Updated,
            Kind::EmailVerified => AccountEventKind::EmailVerified,
            Kind::EmailChanged => AccountEventKind::EmailChanged,
            Kind::PhoneVerified => AccountEventKind::PhoneVerified,
            Kind::PhoneChanged => AccountEventKind::PhoneChanged,
            Kind::PasswordChanged => AccountEventKind::PasswordChanged,
            Kind::SecondFactorChanged => AccountEventKind::SecondFactorChanged,
            Kind::PasskeyChanged => AccountEventKind::PasskeyChanged,
            Kind::IdentityChanged => AccountEventKind::IdentityChanged,
            Kind::StatusChanged => AccountEventKind::StatusChanged,
            Kind::RoleChanged => AccountEventKind::RoleChanged,
            Kind::CoinsChanged => AccountEventKind::CoinsChanged,
            Kind::Locked => AccountEventKind::Locked,
            Kind::Unlocked => AccountEventKind::Unlocked,
            Kind::DeletionScheduled => AccountEventKind::DeletionScheduled,
            Kind::DeletionCancelled => AccountEventKind::DeletionCancelled,
            Kind::Deleted => AccountEventKind::Deleted,
            Kind::SessionCreated
            | Kind::SessionRefreshed
            | Kind::SessionMarkedSuspicious
            | Kind::SessionTrusted
            | Kind::SessionExpired
            | Kind::SessionRevoked => return None,
        };
        Some(Self { told, kind })
    }
}

#[Object]
impl AccountEvent {
    async fn id(&self) -> ID {
        ID(self.told.event.row.id.to_string())
    }

    /// Give it as `after` to go on from here.
    async fn cursor(&self) -> &str {
        &self.told.cursor
    }

    async fn kind(&self) -> AccountEventKind {
        self.kind
    }

    async fn user_id(&self) -> ID {
        ID(self.told.event.row.user_id.to_string())
    }

    /// As it is now; null where it is deleted.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        load(ctx, UserId(self.told.event.row.user_id)).await.map(|user| user.map(User)).transpose()
    }

    async fn at(&self) -> DateTime {
        self.told.event.row.at.into()
    }
}
