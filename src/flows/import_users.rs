//! Takes accounts over from another program: the operator at the command line vouches for what the file says.
//!
//! 1. Every line must be well formed, and its password hash one that can be checked at a sign-in.
//! 2. No two lines may name the same, and none what another account has. An account that is there already, under the same names, stays as it is:
//!    so the same file may be taken again.
//! 3. What is new is written in batches: accounts, their events and audit rows together.

mod record;

use std::collections::HashMap;

use entity::{account_events::Kind, user_audit_log::Category, user_sessions::Actor, users::Model};
use serde_json::json;
use sha2::{Digest, Sha256};

pub use self::record::{Problem, Why};
use super::{change::Change, failure::Failure};
use crate::{
    app::App,
    storage::{
        audit::Entry,
        error::StorageError,
        users::{self as storage, Names},
    },
};

/// Lines that are looked up, and accounts that are written, at once.
pub const BATCH: usize = 200;

/// A line of the file.
#[derive(Clone, Debug)]
pub struct Line {
    /// From 1 on.
    pub number: u64,
    /// Without its end.
    pub text: String,
}

/// What a line comes to.
#[derive(Debug)]
pub enum Finding {
    /// It would be a new account.
    New(Box<Model>),
    /// The account is there already.
    Known,
    /// It cannot be taken.
    Wrong(Vec<Problem>),
}

/// What earlier lines have named: some 60 bytes for each name, whatever its length.
#[derive(Debug, Default)]
pub struct Seen(HashMap<[u8; 16], u64>);

impl Seen {
    /// The line that named it first, where that is another one.
    fn find_or_add(&mut self, kind: &str, name: &str, line: u64) -> Option<u64> {
        let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let first = *self.0.entry(key).or_insert(line);
        (first != line).then_some(first)
    }
}

/// Looks at lines and writes nothing: what each of them comes to, in their order.
pub async fn check(app: &App, lines: &[Line], seen: &mut Seen) -> Result<Vec<(u64, Finding)>, StorageError> {
    let now = app.clock.now();
    let default_country = app.config.phones.default_country.as_deref();
    let read = lines.iter().map(|line| {
        let record = record::read(&line.text, default_country, app.entropy.uuid(now), now);
        (line.number, record.and_then(|record| once(record, seen, line.number)))
    });
    let read: Vec<_> = read.collect();
    let mut names = Names::default();
    for user in read.iter().filter_map(|(_, record)| record.as_ref().ok()).map(|record| &record.user) {
        names.ids.push(user.id);
        names.emails.extend(user.email.clone());
        names.phones.extend(user.phone.clone());
        names.usernames.extend(user.username.clone());
    }
    let there = Known::of(storage::list_named(app.database.read(), names).await?);
    Ok(read
        .into_iter()
        .map(|(number, record)| {
            let finding = match record {
                Err(problems) => Finding::Wrong(problems),
                Ok(record) => there.judge(record),
            };
            (number, finding)
        })
        .collect())
}

fn once(record: record::Record, seen: &mut Seen, line: u64) -> Result<record::Record, Vec<Problem>> {
    let user = &record.user;
    let id = record.has_own_id.then(|| user.id.to_string());
    let named = [("id", id.as_ref()), ("email", user.email.as_ref()), ("phone", user.phone.as_ref()), ("username", user.username.as_ref())];
    let problems: Vec<_> = named
        .into_iter()
        .filter_map(|(field, name)| Some(Problem::new(field, Why::Repeated(seen.find_or_add(field, name?, line)?))))
        .collect();
    if problems.is_empty() { Ok(record) } else { Err(problems) }
}

/// The accounts that have one of the names of a batch.
struct Known {
    by_name: HashMap<(&'static str, String), Vec<usize>>,
    users: Vec<Model>,
}

impl Known {
    fn of(users: Vec<Model>) -> Self {
        let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, user) in users.iter().enumerate() {
            let names = [("id", Some(user.id.to_string())), ("email", user.email.clone()), ("phone", user.phone.clone())];
            for (field, name) in names.into_iter().chain([("username", user.username.clone())]) {
                if let Some(name) = name {
                    by_name.entry((field, name)).or_default().push(index);
                }
            }
        }
        Self { by_name, users }
    }

    fn holders(&self, field: &'static str, name: Option<&String>) -> impl Iterator<Item = &Model> {
        let found = name.and_then(|name| self.by_name.get(&(field, name.clone())));
        found.into_iter().flatten().filter_map(|index| self.users.get(*index))
    }

    fn judge(&self, record: record::Record) -> Finding {
        let user = record.user;
        let id = user.id.to_string();
        let named =
            [("id", Some(&id)), ("email", user.email.as_ref()), ("phone", user.phone.as_ref()), ("username", user.username.as_ref())];
        let same = |other: &&Model| {
            (!record.has_own_id || other.id == user.id)
                && (user.email.is_none() || user.email == other.email)
                && (user.phone.is_none() || user.phone == other.phone)
                && (user.username.is_none() || user.username == other.username)
        };
        let all = || named.into_iter().flat_map(|(field, name)| self.holders(field, name));
        if all().next().is_none() {
            return Finding::New(Box::new(user));
        }
        if all().all(|other| same(&other)) {
            return Finding::Known;
        }
        let taken = named.into_iter().filter(|(field, name)| self.holders(field, *name).any(|other| !same(&other)));
        Finding::Wrong(taken.map(|(field, _)| Problem::new(field, Why::Taken)).collect())
    }
}

/// Writes new accounts, all of them or none; `false` where somebody else has taken one of the names since they were looked at.
pub async fn write(app: &App, accounts: Vec<Model>) -> Result<bool, Failure<std::convert::Infallible>> {
    let now = app.clock.now();
    let mut change = Change::begin_own(app, now).await?;
    let told: Vec<_> =
        accounts.iter().map(|user| (user.id, user.email_verified_at.is_some() || user.phone_verified_at.is_some())).collect();
    match storage::insert_many(change.db(), accounts).await {
        Err(StorageError::Conflict { .. }) => {
            change.abandon().await?;
            return Ok(false);
        }
        written => written?,
    }
    for (id, verified) in told {
        change.tell(Kind::Created, id);
        let mut entry =
            Entry::success("account_created", Category::Admin, Some(id)).with(json!({ "imported": true, "verified": verified }));
        (entry.actor, entry.actor_user_id) = (Actor::System, None);
        change.audit(entry);
    }
    change.commit().await?;
    Ok(true)
}
