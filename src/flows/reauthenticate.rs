//! Proves again who is there: the session keeps its id, its `auth_time` is now, and its tokens are new.
//!
//! A refresh token in a cookie stays as it is, for other tabs hold the same one. One that travels in bodies is replaced by a fresh one,
//! since its secret is not at hand to derive the next from; the old one works until the new one was used.

use entity::{
    account_events::Kind,
    user_audit_log::Category,
    user_sessions::{self, TokenDelivery},
};
use serde_json::json;

use super::{
    caller::{Caller, SignedIn},
    change::Change,
    failure::Failure,
    issue_tokens,
    lockout::Subject,
    prove_password::{self, Attempt, Proof},
    refresh_session::{self, Outcome},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::password::Password,
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::{attempt_counters, audit::Entry, known_devices, sessions, sessions::Branches, users as user_storage},
};

/// With what.
pub enum Given {
    /// As typed.
    Password(String),
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the password.
    CredentialsInvalid,
    /// Too many wrong ones.
    Locked {
        /// When it ends.
        until: Timestamp,
        /// When it was refused.
        now: Timestamp,
    },
}

/// Proves it.
pub async fn run(app: &App, caller: &Caller, given: Given) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let Given::Password(typed) = given;
    let proof = prove(app, caller, me, &typed, "reauthentication", now).await?;
    let counter = match proof {
        Proof::Right { counter, .. } => counter,
        Proof::Wrong => return Err(Failure::Refused(Refusal::CredentialsInvalid)),
        Proof::Locked { until } => return Err(Failure::Refused(Refusal::Locked { until, now })),
    };
    let user_id = me.live.user.id;
    let mut change = Change::begin(app, caller, now).await?;
    attempt_counters::clear(change.db(), counter.counted().kind, counter.counted().key).await?;
    if !sessions::advance_authentication(change.db(), me.live.session.id, with_method(&me.live.session, "pwd"), now).await? {
        return Err(Failure::Unauthenticated(super::caller::Reason::SessionEnded));
    }
    change.tell_session(Kind::SessionRefreshed, user_id, me.live.session.id);
    change.audit(Entry::success("reauthentication", Category::Authentication, Some(user_id)).in_session(me.live.session.id));
    change.commit().await?;
    let ended = || Failure::Unauthenticated(super::caller::Reason::SessionEnded);
    let session = sessions::find_by_id(app.database.write(), me.live.session.id).await?.ok_or_else(ended)?;
    let user = user_storage::find_by_id(app.database.write(), user_id).await?.ok_or_else(ended)?;
    if session.token_delivery == TokenDelivery::Body {
        let next = refresh_session::fresh(app, &session);
        if let Some(outcome) = refresh_session::replace(app, caller, (&session, &user), &next, Branches::Yes, now).await? {
            return Ok(outcome);
        }
    }
    let tokens = issue_tokens::run(app, &session, &user, None, now)?;
    Ok(Outcome { session, user, tokens })
}

/// Checks the password of the signed-in user, under the allowance of the device that the session is on.
pub async fn prove<R>(
    app: &App,
    caller: &Caller,
    me: &SignedIn,
    typed: &str,
    event_type: &'static str,
    now: Timestamp,
) -> Result<Proof, Failure<R>> {
    // Fresh, for the cached row may be older than the last change of password.
    let user = user_storage::find_by_id(app.database.write(), me.live.user.id)
        .await?
        .unwrap_or_else(|| entity::users::Model::clone(&me.live.user));
    let device = match me.live.session.known_device_id {
        Some(id) => known_devices::find_by_id(app.database.read(), id).await?,
        None => None,
    };
    let subject = match &device {
        Some(device) => Subject::Device(&user, device),
        None => Subject::Account(&user),
    };
    let password = Password::parse(typed, 1, app.config.passwords.max_length).ok();
    let attempt = Attempt { subject, password: password.as_ref(), event_type };
    prove_password::run(app, caller, attempt, now).await
}

fn with_method(session: &user_sessions::Model, method: &str) -> serde_json::Value {
    let mut methods: Vec<String> = serde_json::from_value(session.amr.clone()).unwrap_or_default();
    if !methods.iter().any(|known| known == method) {
        methods.push(method.to_owned());
    }
    json!(methods)
}
