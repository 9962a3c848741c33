//! One change, whole or not at all: what is written, its audit rows, its events and its messages share a transaction; the world is told after it.

use entity::{Timestamp, account_events::Kind};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::{caller::Caller, enqueue_message};
use crate::{
    app::App,
    outbound::message::NewMessage,
    storage::{
        account_events::{self, NewEvent},
        audit,
        database::Database,
        error::StorageError,
    },
};

/// A transaction and what it will tell.
pub struct Change<'a> {
    app: &'a App,
    transaction: DatabaseTransaction,
    request: Option<audit::Request>,
    audit: Vec<audit::NewRow>,
    events: Vec<NewEvent>,
    has_messages: bool,
    /// When it happens.
    pub now: Timestamp,
}

impl<'a> Change<'a> {
    /// Begins a change that a request asked for.
    pub async fn begin(app: &'a App, caller: &Caller, now: Timestamp) -> Result<Self, StorageError> {
        Self::open(app, Some(caller.audit_request()), now).await
    }

    /// Begins a change that the program itself makes.
    pub async fn begin_own(app: &'a App, now: Timestamp) -> Result<Self, StorageError> {
        Self::open(app, None, now).await
    }

    async fn open(app: &'a App, request: Option<audit::Request>, now: Timestamp) -> Result<Self, StorageError> {
        let transaction = app.database.begin().await?;
        Ok(Self { app, transaction, request, audit: Vec::new(), events: Vec::new(), has_messages: false, now })
    }

    /// Where to write.
    pub const fn db(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Holds everybody else off who asks for the same lock, until the end of the change.
    pub async fn lock(&self, area: &str, key: &str) -> Result<(), StorageError> {
        Database::lock(&self.transaction, area, key).await
    }

    /// Adds an audit row.
    pub fn audit(&mut self, entry: audit::Entry) {
        self.audit.push(audit::NewRow { id: self.app.entropy.uuid(self.now), entry });
    }

    /// Adds an event of the account.
    pub fn tell(&mut self, kind: Kind, user_id: Uuid) {
        self.push(kind, user_id, None);
    }

    /// Adds an event of a session.
    pub fn tell_session(&mut self, kind: Kind, user_id: Uuid, session_id: Uuid) {
        self.push(kind, user_id, Some(session_id));
    }

    fn push(&mut self, kind: Kind, user_id: Uuid, session_id: Option<Uuid>) {
        self.events.push(NewEvent { id: self.app.entropy.uuid(self.now), kind, user_id, session_id, at: self.now });
    }

    /// Adds a message for the courier.
    pub async fn send(&mut self, message: NewMessage) -> Result<(), StorageError> {
        self.has_messages = true;
        enqueue_message::run(&self.transaction, &self.app.secret_box, &self.app.entropy, message).await.map(drop)
    }

    /// Writes what is to be told, commits, and tells it.
    pub async fn commit(self) -> Result<(), StorageError> {
        audit::insert(&self.transaction, self.app.epoch, self.audit, self.request.as_ref(), self.now).await?;
        let events = account_events::insert(&self.transaction, self.app.epoch, &self.events).await?;
        self.transaction.commit().await?;
        self.app.events.publish(&events);
        if self.has_messages {
            self.app.courier.ring();
        }
        Ok(())
    }

    /// Undoes everything.
    pub async fn abandon(self) -> Result<(), StorageError> {
        Ok(self.transaction.rollback().await?)
    }
}

/// Writes audit rows that belong to no change: what was refused.
pub async fn record(app: &App, caller: &Caller, entries: Vec<audit::Entry>, now: Timestamp) -> Result<(), StorageError> {
    let rows = entries.into_iter().map(|entry| audit::NewRow { id: app.entropy.uuid(now), entry }).collect();
    audit::insert(app.database.write(), app.epoch, rows, Some(&caller.audit_request()), now).await
}
