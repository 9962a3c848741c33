//! Tidies up: ends what has run out, carries deletions out, and removes what is no longer kept.
//!
//! One instance at a time has its turn, by a lease. It works in small batches, each of which is whole by itself and does no harm when it is done
//! twice: an instance that is killed leaves nothing half done, and another one goes on when its lease has run out.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::sweep_avatars;
use crate::{
    app::App,
    clock::Timestamp,
    events::cursor,
    flows::{erase_account, expire_contact_changes, expire_sessions},
    storage::{
        audit, deletions,
        error::StorageError,
        leases,
        retention::{self, Moment, Spent},
    },
};

const JOB: &str = "clean up";
/// No batch takes longer: the database ends statements after 5 s.
const LEASE: Duration = Duration::from_secs(30);
/// How long the shutdown waits until the lease is given back.
const LONGEST_GOODBYE: Duration = Duration::from_secs(2);
/// Rows of a batch.
const BATCH: u64 = 200;
/// Between full batches, so that others get their turn at the one writer of SQLite.
const PAUSE: Duration = Duration::from_millis(5);

/// What one turn did: by what, how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done(Vec<(&'static str, u64)>);

impl Done {
    /// How many of these were dealt with.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.iter().filter(|(name, _)| *name == what).map(|(_, count)| count).sum()
    }

    fn add(&mut self, what: &'static str, count: u64) {
        metrics::counter!("postern_clean_up_total", "what" => what).increment(count);
        if count > 0 {
            self.0.push((what, count));
        }
    }
}

/// Takes turns until `stop`, and gives the lease back then.
pub async fn run(app: &App, stop: CancellationToken) -> Result<(), StorageError> {
    let every = app.config.clean_up.every;
    let holder = app.entropy.uuid(app.clock.now()).to_string();
    // Instances that started together do not come together.
    let mut pause = every.mul_f64(f64::from(app.entropy.below(1_000)) / 1_000.0);
    let mut has_lease = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
        pause = every;
        has_lease = turn(app, &holder, &stop).await?.is_some();
    }
    if has_lease {
        // It would run out by itself: no reason to hold the shutdown up for a database that is away.
        let release = leases::release(app.database.write(), JOB, &holder, app.clock.now());
        return tokio::time::timeout(LONGEST_GOODBYE, release).await.unwrap_or(Ok(()));
    }
    Ok(())
}

/// One turn, if it is `holder`'s; `None` where another one has it. What fails is logged, and the rest is done all the same.
pub async fn turn(app: &App, holder: &str, stop: &CancellationToken) -> Result<Option<Done>, StorageError> {
    let turn = Turn { app, holder, stop };
    if !turn.renew(LEASE).await? {
        return Ok(None);
    }
    let started = Instant::now();
    let mut done = Done::default();
    let mut failed = false;
    for step in Step::all() {
        match turn.take(step, &mut done).await {
            Ok(Ended::Through) => {}
            Ok(Ended::Interrupted) => return Ok(Some(done)),
            Err(error) => {
                failed = true;
                metrics::counter!("postern_clean_up_failures_total", "what" => step.name()).increment(1);
                tracing::warn!(what = step.name(), %error, "the clean-up could not do its work");
            }
        }
    }
    metrics::histogram!("postern_clean_up_seconds").record(started.elapsed().as_secs_f64());
    if !failed {
        #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
        metrics::gauge!("postern_clean_up_last_success_seconds").set(app.clock.now().seconds() as f64);
    }
    if !done.0.is_empty() {
        tracing::info!(done = ?done.0, "tidied up");
    }
    // Kept until the next turn is due, so that the others do not do the same again.
    turn.renew(app.config.clean_up.every.max(LEASE)).await?;
    Ok(Some(done))
}

/// What is done, in its order: what people wait for comes first.
#[derive(Clone, Copy)]
enum Step {
    Sessions,
    Deletions,
    Avatars,
    DeletedUsers,
    ContactChanges,
    Remove(Spent),
}

impl Step {
    fn all() -> impl Iterator<Item = Self> {
        let told = [Self::Sessions, Self::Deletions, Self::Avatars, Self::DeletedUsers, Self::ContactChanges];
        told.into_iter().chain(Spent::ALL.into_iter().map(Self::Remove))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "expired_sessions",
            Self::Deletions => "deleted_accounts",
            Self::Avatars => "avatars_of_deleted_accounts",
            Self::DeletedUsers => "audit_rows_of_deleted_accounts",
            Self::ContactChanges => "expired_contact_changes",
            Self::Remove(spent) => spent.name(),
        }
    }
}

enum Ended {
    Through,
    /// The program stops, or another instance has the lease.
    Interrupted,
}

struct Turn<'a> {
    app: &'a App,
    holder: &'a str,
    stop: &'a CancellationToken,
}

impl Turn<'_> {
    async fn renew(&self, lasts: Duration) -> Result<bool, StorageError> {
        let now = self.app.clock.now();
        leases::acquire(self.app.database.write(), JOB, self.holder, now + lasts, now).await
    }

    /// Whether the next batch may be begun.
    async fn goes_on(&self) -> Result<bool, StorageError> {
        Ok(!self.stop.is_cancelled() && self.renew(LEASE).await?)
    }

    async fn take(&self, step: Step, done: &mut Done) -> Result<Ended, StorageError> {
        if matches!(step, Step::Deletions) {
            return self.delete_accounts(done).await;
        }
        loop {
            let count = self.batch(step).await?;
            done.add(step.name(), count);
            if count < BATCH {
                return Ok(if self.stop.is_cancelled() { Ended::Interrupted } else { Ended::Through });
            }
            tokio::time::sleep(PAUSE).await;
            if !self.goes_on().await? {
                return Ok(Ended::Interrupted);
            }
        }
    }

    async fn batch(&self, step: Step) -> Result<u64, StorageError> {
        let app = self.app;
        match step {
            Step::Sessions => expire_sessions::run(app, BATCH).await,
            Step::Avatars => sweep_avatars::remove_noted(app, BATCH).await,
            Step::ContactChanges => expire_contact_changes::run(app, BATCH).await,
            Step::DeletedUsers => {
                let since = app.clock.now() - cursor::KEPT;
                audit::erase_deleted_users(app.database.write(), since, BATCH).await
            }
            Step::Remove(spent) => retention::delete(app.database.write(), spent, self.moment(spent).await?, BATCH).await,
            // One by one: see below.
            Step::Deletions => Ok(0),
        }
    }

    async fn moment(&self, spent: Spent) -> Result<Moment, StorageError> {
        let Self { app, .. } = *self;
        let now = app.clock.now();
        // The database guards audit rows by its own clock, and refuses a whole batch for one of them.
        let ahead = if spent == Spent::AuditRows { app.database.now_skew(&app.clock).await? } else { 0 };
        let database_now = Timestamp::from_millis(now.millis().saturating_add(ahead)) - Duration::from_secs(1);
        Ok(Moment {
            now,
            database_now,
            code_window: app.config.codes.budget_window,
            session_ttl: app.config.sessions.absolute_ttl,
            cursor_ttl: cursor::KEPT,
        })
    }

    /// One change each. An account that cannot be deleted now holds no other one up.
    async fn delete_accounts(&self, done: &mut Done) -> Result<Ended, StorageError> {
        let app = self.app;
        let mut after = None;
        let mut failure = None;
        loop {
            let due = deletions::list_due(app.database.read(), after, app.clock.now(), BATCH).await?;
            for (at, user_id) in &due {
                if !self.goes_on().await? {
                    return Ok(Ended::Interrupted);
                }
                after = Some((*at, *user_id));
                match erase_account::run(app, *user_id).await {
                    Ok(erased) => done.add(Step::Deletions.name(), u64::from(erased)),
                    Err(error) => {
                        tracing::warn!(user.id = %user_id, %error, "an account whose deletion is due could not be deleted");
                        failure = Some(error);
                    }
                }
            }
            if (due.len() as u64) < BATCH {
                return failure.map_or(Ok(Ended::Through), Err);
            }
        }
    }
}
