//! An event of a session.

use async_graphql::{Context, Enum, ID, Object, Result};
use entity::account_events::Kind;
use uuid::Uuid;

use super::session::Session;
use crate::{
    flows::event_streams::Told,
    graphql::{
        loaders::{SessionId, load},
        scalar::DateTime,
    },
};

/// What happened to a session.
#[derive(Clone, Debug)]
pub struct SessionEvent {
    told: Told,
    kind: SessionEventKind,
    session_id: Uuid,
}

/// What can happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum SessionEventKind {
    Created,
    Refreshed,
    MarkedSuspicious,
    Trusted,
    Expired,
    Revoked,
}

impl SessionEvent {
    /// None for an event of an account.
    pub fn new(told: Told) -> Option<Self> {
        let kind = match told.event.row.kind {
            Kind::SessionCreated => SessionEventKind::Created,
            Kind::SessionRefreshed => SessionEventKind::Refreshed,
            Kind::SessionMarkedSuspicious => SessionEventKind::MarkedSuspicious,
            Kind::SessionTrusted => SessionEventKind::Trusted,
            Kind::SessionExpired => SessionEventKind::Expired,
            Kind::SessionRevoked => SessionEventKind::Revoked,
            Kind::Created
            | Kind::Updated
            | Kind::EmailVerified
            | Kind::EmailChanged
            | Kind::PhoneVerified
            | Kind::PhoneChanged
            | Kind::PasswordChanged
            | Kind::SecondFactorChanged
            | Kind::PasskeyChanged
            | Kind::IdentityChanged
            | Kind::StatusChanged
            | Kind::RoleChanged
            | Kind::CoinsChanged
            | Kind::Locked
            | Kind::Unlocked
            | Kind::DeletionScheduled
            | Kind::DeletionCancelled
            | Kind::Deleted => return None,
        };
        let session_id = told.event.row.session_id?;
        Some(Self { told, kind, session_id })
    }
}

#[Object]
impl SessionEvent {
    async fn id(&self) -> ID {
        ID(self.told.event.row.id.to_string())
    }

    /// Give it as `after` to go on from here.
    async fn cursor(&self) -> &str {
        &self.told.cursor
    }

    async fn kind(&self) -> SessionEventKind {
        self.kind
    }

    async fn session_id(&self) -> ID {
        ID(self.session_id.to_string())
    }

    async fn user_id(&self) -> ID {
        ID(self.told.event.row.user_id.to_string())
    }

    /// As it is now; null where it is deleted.
    async fn session(&self, ctx: &Context<'_>) -> Option<Result<Session>> {
        load(ctx, SessionId(self.session_id)).await.map(|session| session.map(Session::from)).transpose()
    }

    async fn at(&self) -> DateTime {
        self.told.event.row.at.into()
    }
}
