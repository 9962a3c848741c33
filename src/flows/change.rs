//! One change, whole or not at all: what is written, its audit rows, its events and its messages share a transaction; the world is told after it.

use entity::{
    Channel, Timestamp,
    account_events::{self as event_rows, Kind},
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::{
    caller::Caller,
    enqueue_message,
    limit_sms::{self, Asker},
};
use crate::{
    app::App,
    outbound::message::{Delivery, NewMessage},
    storage::{
        account_events::{self, NewEvent},
        audit,
        batch::{Batch, Question},
        database::Database,
        error::StorageError,
    },
};

/// A transaction and what it will tell.
pub struct Change<'a> {
    app: &'a App,
    transaction: DatabaseTransaction,
    request: Option<audit::Request>,
    asker: Option<Asker>,
    audit: Vec<audit::NewRow>,
    events: Vec<NewEvent>,
    /// What is written of them already, and told after the commit.
    written: Vec<event_rows::Model>,
    has_messages: bool,
    /// Notices by text message, not counted yet.
    texts: Vec<NewMessage>,
    later: Batch,
    /// When it happens.
    pub now: Timestamp,
}

impl<'a> Change<'a> {
    /// Begins a change that a request asked for.
    pub async fn begin(app: &'a App, caller: &Caller, now: Timestamp) -> Result<Self, StorageError> {
        Self::open(app, Some(caller), now).await
    }

    /// Begins a change that the program itself makes.
    pub async fn begin_own(app: &'a App, now: Timestamp) -> Result<Self, StorageError> {
        Self::open(app, None, now).await
    }

    async fn open(app: &'a App, caller: Option<&Caller>, now: Timestamp) -> Result<Self, StorageError> {
        let (request, asker) = (caller.map(|caller| caller.audit_request(&app.places)), caller.map(Asker::of));
        let transaction = app.database.begin().await?;
        Ok(Self {
            app,
            transaction,
            request,
            asker,
            audit: Vec::new(),
            events: Vec::new(),
            written: Vec::new(),
            has_messages: false,
            texts: Vec::new(),
            later: Batch::default(),
            now,
        })
    }

    /// What it is made in.
    pub const fn app(&self) -> &'a App {
        self.app
    }

    /// Where to write.
    pub const fn db(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// What is written together with what is told: writes that decide nothing, and that nothing in this change reads.
    pub const fn later(&mut self) -> &mut Batch {
        &mut self.later
    }

    /// Holds everybody else off who asks for the same lock, until the end of the change.
    pub async fn lock(&self, area: &str, key: &str) -> Result<(), StorageError> {
        Database::lock(&self.transaction, area, key).await
    }

    /// Who asked for it, as far as text messages are counted; nobody where the program itself did.
    pub const fn asker(&self) -> Option<&Asker> {
        self.asker.as_ref()
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

    /// Adds a message for the courier. A text message is counted before it is written, as a notice.
    pub fn send(&mut self, message: NewMessage) {
        if message.channel == Channel::Sms {
            self.texts.push(message);
        } else {
            self.send_counted(message);
        }
    }

    /// Adds a message that was counted where that matters.
    pub fn send_counted(&mut self, message: NewMessage) {
        self.has_messages = true;
        enqueue_message::run(&mut self.later, &self.app.secret_box, &self.app.entropy, message);
    }

    /// Writes what is to be told so far, an event among it, and asks on the way; what is written with it must make no difference to the answers.
    pub async fn write_and_ask<const N: usize>(&mut self, questions: [Question; N]) -> Result<[bool; N], StorageError> {
        for mut notice in std::mem::take(&mut self.texts) {
            if !limit_sms::allows_notice(self.app, &notice.recipient, self.now).await {
                notice.delivery = Delivery::Decoy;
            }
            self.send_counted(notice);
        }
        let (epoch, audit, events) = (self.app.epoch, std::mem::take(&mut self.audit), std::mem::take(&mut self.events));
        let mut later = std::mem::take(&mut self.later);
        audit::insert_later(&mut later, epoch, audit, self.request.as_ref(), self.now);
        let written = account_events::insert(&self.transaction, epoch, &events, later, questions).await?;
        self.written.extend(written.rows);
        written.answers.try_into().map_err(|_| StorageError::Inconsistent("not every question was answered"))
    }

    /// Writes what is to be told, commits, and tells it.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        self.write_and_ask([]).await?;
        self.transaction.commit().await?;
        self.app.events.publish(&self.written);
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
    audit::insert(app.database.write(), app.epoch, rows, Some(&caller.audit_request(&app.places)), now).await
}
