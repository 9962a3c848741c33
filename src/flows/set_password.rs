//! Sets the first password of the signed-in user. Every other session ends, as with a change.

use entity::{user_audit_log::Category, users};
use uuid::Uuid;

use super::{
    caller::Caller,
    change::{self, Change},
    change_password::{personal_words, tell_changed, with_password},
    failure::Failure,
    revoke_sessions,
    sign_up::judge_password,
    void_proofs,
};
use crate::{
    app::App,
    domain::password::{Password, PasswordRefusal, Weakness},
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::{audit::Entry, sessions::Which, users as storage},
};

/// A password where there was none.
pub struct Outcome {
    /// The account as it is now.
    pub user: users::Model,
    /// The sessions that it ended.
    pub revoked: Vec<Uuid>,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The account has one.
    HasOne,
    /// Too short or too long.
    Password(PasswordRefusal),
    /// Too easily guessed.
    Weak(Weakness),
}

/// Sets it.
pub async fn run(app: &App, caller: &Caller, new_password: &str) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let rules = &app.config.passwords;
    let new = Password::parse(new_password, rules.min_length, rules.max_length)
        .map_err(|refusal| Failure::Refused(Refusal::Password(refusal)))?;
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let user = storage::find_by_id(app.database.read(), me.live.user.id).await?;
    let Some(user) = user.filter(|user| user.password_hash.is_none()) else {
        let entry = Entry::failure("password_set", Category::Security, Some(me.live.user.id), "METHOD_DISABLED");
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
        return Err(Failure::Refused(Refusal::HasOne));
    };
    if let Some(weakness) = judge_password(app, new.clone(), personal_words(&user)).await? {
        return Err(Failure::Refused(Refusal::Weak(weakness)));
    }
    let hash = app.passwords.hash(new).await?;
    let mut change = Change::begin(app, caller, now).await?;
    if !storage::set_first_password(change.db(), user.id, &hash, now).await? {
        return Err(Failure::Refused(Refusal::HasOne));
    }
    let revoked = revoke_sessions::end(&mut change, me, Which::AllOfBut(user.id, me.live.session.id), "password set").await?;
    change.audit(Entry::success("password_set", Category::Security, Some(user.id)).in_session(me.live.session.id));
    let challenges = tell_changed(app, caller, &mut change, &user).await?;
    change.commit().await?;
    void_proofs::show(app, challenges, now).await;
    Ok(Outcome { user: with_password(user, hash, now), revoked })
}
