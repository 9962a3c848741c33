//! Signs in whoever a provider says they are: by the account that is linked, by an address that both proved, or by a new account.
//!
//! 1. Whose it is: the account with this issuer and subject; else, where the provider proved an address, the account that proved it too (where the
//!    deployment wants that); else nobody's. An address that the provider did not prove is as if it were not there.
//! 2. The status of the account, and the gate: whoever has a second factor is asked for it. What is to be linked waits for it too.
//! 3. One change: the account still so, the result spent, the link, the session. Or a new account, which takes the address from whoever held it
//!    without a proof.
//! 4. Where something else happened meanwhile, it is looked at anew.

use std::time::Duration;

use entity::{
    Channel,
    account_events::Kind,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
    users,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    assess_risk::{self, Failures},
    caller::Caller,
    change::Change,
    complete_oauth::Refusal,
    failure::Failure,
    notify,
    oauth_trip::{self, Taken},
    provider_identity::{self, ProvedIdentity},
    release_contact::{self, Holders},
    second_step::{self, Clearance, FirstFactor, Gate},
    sign_in::{Outcome, find_device, refused_by_status},
    start_session::{self, NewSession},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::provider_person,
    outbound::message::Template,
    storage::{audit::Entry, error::StorageError, identities, pending_sign_ups as sign_ups, users as user_storage},
};

/// How often it is looked at anew where others are at the same account.
const TRIES: u8 = 5;
/// RFC 8176 has no name for it; others write this one.
const AMR: &[&str] = &["fed"];

/// Whose it is.
enum Owner {
    /// Of the account that it is linked to.
    Linked(Box<users::Model>),
    /// Of the account that proved the same address.
    ByEmail(Box<users::Model>),
    /// Of nobody yet.
    Nobody,
}

/// Begins the session.
pub async fn run(app: &App, caller: &Caller, taken: &Taken, delivery: TokenDelivery, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    for _ in 0..TRIES {
        let ended = match find_owner(app, &taken.identity).await? {
            Owner::ByEmail(user) if !taken.identity.leads_to(app, &user) => {
                return Err(refuse(app, caller, taken, (Some(user.id), "IDENTITY_CONFLICT"), Refusal::Conflict, now).await);
            }
            Owner::Linked(user) | Owner::ByEmail(user) => enter(app, caller, taken, *user, delivery, now).await?,
            Owner::Nobody if !app.config.sign_up.enabled => {
                return Err(refuse(app, caller, taken, (None, "SIGN_UP_DISABLED"), Refusal::SignUpDisabled, now).await);
            }
            Owner::Nobody => begin(app, caller, taken, delivery, now).await?,
        };
        if let Some(outcome) = ended {
            return Ok(outcome);
        }
    }
    Err(Failure::Overloaded { retry_after: Duration::from_secs(1) })
}

async fn find_owner(app: &App, identity: &ProvedIdentity) -> Result<Owner, StorageError> {
    let db = app.database.write();
    if let Some(linked) = identities::find(db, &identity.issuer, &identity.subject).await? {
        return Ok(user_storage::find_by_id(db, linked.user_id).await?.map_or(Owner::Nobody, |user| Owner::Linked(Box::new(user))));
    }
    let Some(email) = &identity.verified_email else { return Ok(Owner::Nobody) };
    Ok(user_storage::find_by_verified_email(db, email).await?.map_or(Owner::Nobody, |user| Owner::ByEmail(Box::new(user))))
}

/// Uses the result up, and writes down why it came to nothing.
async fn refuse(
    app: &App,
    caller: &Caller,
    taken: &Taken,
    (user_id, code): (Option<Uuid>, &'static str),
    refusal: Refusal,
    now: Timestamp,
) -> Failure<Refusal> {
    let written = async {
        let mut change = Change::begin(app, caller, now).await?;
        let is_first = taken.spend(&change).await?;
        let about = json!({ "method": "oauth", "provider": taken.provider });
        change.audit(Entry::failure("login", Category::Authentication, user_id, code).with(about));
        change.commit().await?;
        Ok::<bool, StorageError>(is_first)
    };
    match written.await {
        Ok(true) => Failure::Refused(refusal),
        Ok(false) => Failure::Refused(Refusal::Trip(oauth_trip::Refusal::CodeInvalid)),
        Err(error) => error.into(),
    }
}

/// Signs in to an account that is there; none where it is not as it was looked at.
async fn enter(
    app: &App,
    caller: &Caller,
    taken: &Taken,
    user: users::Model,
    delivery: TokenDelivery,
    now: Timestamp,
) -> Result<Option<Outcome>, Failure<Refusal>> {
    if let Some(refusal) = refused_by_status(user.status) {
        return Err(refuse(app, caller, taken, (Some(user.id), refusal.code()), Refusal::Account(refusal), now).await);
    }
    let known_device = find_device(app, caller, Some(user.id)).await?;
    let identity = Some(&taken.identity);
    let login_method = LoginMethod::Oauth;
    let first = FirstFactor {
        user: &user,
        known_device: known_device.as_ref(),
        login_method,
        amr: AMR,
        proved: None,
        identity,
        failures: Failures::Unknown,
    };
    let gate = second_step::run(app, caller, first, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    // The account first: every flow takes its row before the tokens, so that no two wait for each other.
    let clearance = match gate {
        Gate::Open(clearance) => clearance,
        Gate::Asks(mut asked) => {
            spend(taken, &change).await?;
            second_step::send(app, caller, &mut change, (&user, login_method), &mut asked).await?;
            change.commit().await?;
            return Ok(Some(Outcome::SecondFactorRequired(asked)));
        }
    };
    let holds = identities::advance_sign_in(change.db(), user.id, now).await?
        && provider_identity::link(app, caller, &mut change, &user, &taken.identity).await?;
    if !holds {
        change.abandon().await?;
        return Ok(None);
    }
    spend(taken, &change).await?;
    let new = NewSession { user: &user, login_method, amr: AMR, clearance, delivery, known_device, is_new_user: false };
    let started = start_session::run(app, caller, &mut change, new).await?;
    Ok(Some(Outcome::SignedIn(started.commit(change, user).await?)))
}

async fn spend(taken: &Taken, change: &Change<'_>) -> Result<(), Failure<Refusal>> {
    if taken.spend(change).await? { Ok(()) } else { Err(Failure::Refused(Refusal::Trip(oauth_trip::Refusal::CodeInvalid))) }
}

/// Makes the account; none where somebody else has made it, or proved the address, meanwhile.
async fn begin(
    app: &App,
    caller: &Caller,
    taken: &Taken,
    delivery: TokenDelivery,
    now: Timestamp,
) -> Result<Option<Outcome>, Failure<Refusal>> {
    let identity = &taken.identity;
    let email = identity.verified_email.clone();
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("identity", &format!("{} {}", identity.issuer, identity.subject)).await?;
    if let Some(email) = &email {
        change.lock("contact", email).await?;
    }
    let is_taken = identities::find(change.db(), &identity.issuer, &identity.subject).await?.is_some()
        || match &email {
            Some(email) => user_storage::find_by_verified_email(change.db(), email).await?.is_some(),
            None => false,
        };
    if is_taken {
        change.abandon().await?;
        return Ok(None);
    }
    let user = account(app, identity, now);
    user_storage::insert(change.db(), user.clone()).await?;
    let row = entity::auth_providers::Model { last_used_at: Some(now), ..identity.row(app, user.id, now) };
    if !identities::insert(change.db(), row).await? {
        change.abandon().await?;
        return Ok(None);
    }
    spend(taken, &change).await?;
    if let Some(email) = &email {
        sign_ups::void_all_of_contact(change.db(), Channel::Email, email).await?;
        release_contact::run(&mut change, (Channel::Email, email), user.id, Holders::Wipe).await?;
    }
    change.tell(Kind::Created, user.id);
    let about = json!({ "provider": identity.provider });
    change.audit(Entry::success("account_created", Category::Account, Some(user.id)).with(about));
    for message in notify::all_contacts(app, caller, &user, &Template::AccountCreated {}, now) {
        change.send(message);
    }
    let new = NewSession {
        user: &user,
        login_method: LoginMethod::Oauth,
        amr: AMR,
        clearance: Clearance::of_new_account(assess_risk::of_new_account(app, caller)),
        delivery,
        known_device: None,
        is_new_user: true,
    };
    let started = start_session::run(app, caller, &mut change, new).await?;
    Ok(Some(Outcome::SignedIn(started.commit(change, user).await?)))
}

/// The account of somebody who comes by a provider: with the address, where that is proved, and never with a username.
fn account(app: &App, identity: &ProvedIdentity, now: Timestamp) -> users::Model {
    let ProvedIdentity { verified_email, name, given_name, family_name, locale, .. } = identity.clone();
    let profile = provider_person::profile(name, given_name, family_name, locale);
    users::Model {
        email_verified_at: verified_email.as_ref().map(|_| now),
        email: verified_email,
        display_name: profile.display_name,
        full_name: profile.full_name,
        first_name: profile.first_name,
        last_name: profile.last_name,
        locale: profile.locale,
        last_login_at: Some(now),
        ..users::Model::new(app.entropy.uuid(now), now)
    }
}
