//! Makes a machine token: the operator at the command line gives a listener or a back end what it needs, and no more.

use std::time::Duration;

use entity::{machine_tokens, user_audit_log::Category, user_sessions::Actor};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{change::Change, failure::Failure};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::machine_token::MachineToken,
    domain::machine_scope::MachineScope,
    storage::{audit::Entry, machine_tokens as storage},
};

/// Longer names are none.
const LONGEST_NAME: usize = 100;
/// A hundred years: one that is to hold for good says nothing.
const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);
/// Whom the row names: nobody is signed in at the command line.
const BY: &str = "command line";

/// What the operator says.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is for.
    pub name: String,
    /// What it opens.
    pub scopes: Vec<MachineScope>,
    /// How long it holds; none: until it is revoked.
    pub expires_in: Option<Duration>,
}

/// The token, which is shown this once.
pub struct Outcome {
    /// Names it from now on.
    pub id: Uuid,
    /// The token itself.
    pub token: Zeroizing<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Empty, longer than 100 characters, or with control characters.
    NameInvalid,
    /// It would open nothing.
    NoScope,
    /// It would be over at once.
    ExpiresAtOnce,
    /// It would hold for more than a hundred years.
    HoldsTooLong,
}

/// Makes it.
pub async fn run(app: &App, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let name = input.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(Failure::Refused(Refusal::NameInvalid));
    }
    if input.scopes.is_empty() {
        return Err(Failure::Refused(Refusal::NoScope));
    }
    if input.expires_in.is_some_and(|expires_in| expires_in.is_zero()) {
        return Err(Failure::Refused(Refusal::ExpiresAtOnce));
    }
    if input.expires_in.is_some_and(|expires_in| expires_in > LONGEST) {
        return Err(Failure::Refused(Refusal::HoldsTooLong));
    }
    let token = MachineToken::generate(&app.entropy);
    let row = machine_tokens::Model {
        id: app.entropy.uuid(now),
        name: name.to_owned(),
        token_hash: token.hash().to_vec(),
        scopes: MachineScope::list_to_text(&input.scopes),
        created_by: BY.to_owned(),
        last_used_at: None,
        expires_at: input.expires_in.map(|expires_in| now + expires_in),
        revoked_at: None,
        created_at: now,
        updated_at: now,
    };
    let outcome = Outcome { id: row.id, token: token.raw(), expires_at: row.expires_at };
    let told = json!({
        "machineToken": row.id, "name": row.name, "scopes": MachineScope::list_from(&row.scopes).into_iter().map(MachineScope::as_str).collect::<Vec<_>>(),
        "expiresAt": row.expires_at.map(|at| at.to_string()),
    });
    let mut change = Change::begin_own(app, now).await?;
    storage::insert(change.db(), row).await?;
    change.audit(Entry::success("machine_token_created", Category::Security, None).by(Actor::System, None).with(told));
    change.commit().await?;
    app.events.freshness().machine_tokens_changed();
    Ok(outcome)
}
