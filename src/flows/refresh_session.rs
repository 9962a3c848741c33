//! Trades a refresh token for new tokens.
//!
//! The secret of each refresh token derives from the one before, so that the very same successor can be given again although only hashes
//! are kept: a lost answer, a sleeping laptop and many tabs all end up with one and the same token.
//!
//! 1. The current token: one conditional write rotates it. Who loses that race asks again, and then holds the parent.
//! 2. Its parent, while nothing that was issued with the current one has been used (or within seconds of that): the current one again.
//! 3. Any other ancestor, found by walking its secrets forward: a theft. The session ends, its owner is told.
//! 4. Anything else is merely invalid.
//!
//! Where the place, the network or the browser is another one than before, the same write marks the session. Nothing is asked.

use std::time::Duration;

use entity::{
    Timestamp,
    account_events::Kind,
    user_audit_log::{Category, Severity},
    user_sessions::{self, Actor, Status},
    users,
};

use super::{
    assess_risk::{self, Marked},
    caller::Caller,
    change::Change,
    failure::Failure,
    issue_tokens::{self, Tokens},
    notify,
};
use crate::{
    app::App,
    crypto::{keyed_hash::constant_time_eq, refresh_token::RefreshToken},
    domain::risk,
    ephemeral::rate_limits::Rule,
    outbound::message::Template,
    storage::{
        audit::Entry,
        known_devices,
        rotations::{self, Alarm, Branches, Rotation},
        sessions::{self, Ending, Which},
        users as user_storage,
    },
};

/// Longer chains than a session can grow are not walked.
const LONGEST_WALK: u32 = 150_000;

/// How often a lost race is run again: each loss means that somebody else won, so that the next look finds the parent's case.
const RACES: usize = 3;

/// New tokens.
pub struct Outcome {
    /// The session as it is now.
    pub session: user_sessions::Model,
    /// Whose it is.
    pub user: users::Model,
    /// The tokens.
    pub tokens: Tokens,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None came, it is none of ours, or its session is over.
    Invalid,
    /// It had been replaced, and the replacement used: the session was ended.
    Reused,
}

/// What a presented token turned out to be.
enum Standing {
    Current,
    /// The current one replaced it; here is that one, derived anew.
    Parent(RefreshToken),
    /// A re-authentication replaced it with one that is not derived from it, and that one was never used.
    Branched,
    Stolen,
    Invalid,
}

/// Refreshes the session of a token.
pub async fn run(app: &App, caller: &Caller, token: &str) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let token = RefreshToken::parse(token).ok_or(Failure::Refused(Refusal::Invalid))?;
    app.rate_limits.take(Rule::RefreshPerSession, &token.session_id.simple().to_string(), now).await?;
    for _ in 0..RACES {
        let (session, user) = find(app, &token, now).await?;
        match standing(app, &session, &token, now) {
            Standing::Current => {
                if let Some(outcome) = rotate(app, caller, (&session, &user), &token, now).await? {
                    return Ok(outcome);
                }
            }
            Standing::Branched => {
                // The answer of the re-authentication was lost: its token is replaced, and the old one stays the branch.
                let next = u32::try_from(session.refresh_generation).unwrap_or(0) + 1;
                let next = heir(app, &session, &token, next).unwrap_or_else(|| fresh(app, &session));
                if let Some(outcome) = replace(app, caller, (&session, &user), &next, Branches::No, now).await? {
                    return Ok(outcome);
                }
            }
            Standing::Parent(current) => {
                let session = seen_again(app, caller, (session, &user), now).await?;
                let tokens = issue_tokens::run(app, &session, &user, Some(&current), now)?;
                return Ok(Outcome { session, user, tokens });
            }
            Standing::Stolen => return Err(end_stolen(app, caller, &session, &user, now).await),
            Standing::Invalid => return Err(Failure::Refused(Refusal::Invalid)),
        }
    }
    Err(Failure::Overloaded { retry_after: Duration::from_secs(1) })
}

async fn find(app: &App, token: &RefreshToken, now: Timestamp) -> Result<(user_sessions::Model, users::Model), Failure<Refusal>> {
    let invalid = || Failure::Refused(Refusal::Invalid);
    // From the writer's side: a replica or an older snapshot must not decide about a theft.
    let db = app.database.write();
    let session = sessions::find_by_id(db, token.session_id).await?.filter(|session| is_live(session, now)).ok_or_else(invalid)?;
    let user = user_storage::find_by_id(db, session.user_id).await?.ok_or_else(invalid)?;
    if user.status != users::Status::Active {
        return Err(invalid());
    }
    Ok((session, user))
}

/// Neither ended nor past its time.
pub fn is_live(session: &user_sessions::Model, now: Timestamp) -> bool {
    matches!(session.status, Status::Active | Status::Suspicious) && session.expires_at > now && session.absolute_expires_at > now
}

fn standing(app: &App, session: &user_sessions::Model, token: &RefreshToken, now: Timestamp) -> Standing {
    let current = u32::try_from(session.refresh_generation).unwrap_or(0);
    let key_id = session.refresh_key_id.as_str();
    if token.generation == current {
        let is_current = constant_time_eq(&token.hash(), &session.refresh_token_hash);
        return if is_current { Standing::Current } else { Standing::Invalid };
    }
    if token.generation > current {
        return Standing::Invalid;
    }
    let unused = session.confirmed_generation < session.refresh_generation
        || session.confirmed_at.is_none_or(|at| now.since(at) < app.config.sessions.reuse_grace);
    if token.generation + 1 == current
        && let Some(successor) = token.successor(&app.key_ring, key_id)
        && constant_time_eq(&successor.hash(), &session.refresh_token_hash)
    {
        return if unused { Standing::Parent(successor) } else { Standing::Stolen };
    }
    if let (Some(generation), Some(hash)) = (session.branch_generation, session.branch_token_hash.as_deref()) {
        let branch = u32::try_from(generation).unwrap_or(0);
        let is_branch = token.generation == branch && constant_time_eq(&token.hash(), hash);
        if is_branch
            && let Some(heir) = heir(app, session, token, current)
            && constant_time_eq(&heir.hash(), &session.refresh_token_hash)
        {
            return if unused { Standing::Parent(heir) } else { Standing::Stolen };
        }
        if is_branch && session.confirmed_generation <= generation {
            return Standing::Branched;
        }
        if is_branch && unused {
            // Another process of the same client, a moment late: there is no successor to give it, and it is no theft either.
            return Standing::Invalid;
        }
        if token.generation <= branch && token.walks_to(&app.key_ring, key_id, (branch, hash), LONGEST_WALK) {
            return Standing::Stolen;
        }
    }
    if token.walks_to(&app.key_ring, key_id, (current, &session.refresh_token_hash), LONGEST_WALK) {
        return Standing::Stolen;
    }
    Standing::Invalid
}

/// Rotates the current token; `None` where somebody else did meanwhile.
async fn rotate(
    app: &App,
    caller: &Caller,
    (session, user): (&user_sessions::Model, &users::Model),
    token: &RefreshToken,
    now: Timestamp,
) -> Result<Option<Outcome>, Failure<Refusal>> {
    let next = token.successor(&app.key_ring, &session.refresh_key_id).unwrap_or_else(|| {
        // The secret that derived the chain is gone from the settings: a fresh token, as at a re-authentication.
        fresh(app, session)
    });
    replace(app, caller, (session, user), &next, Branches::No, now).await
}

/// What takes the place, as `generation`, of a token that followed on this one without deriving from it: always the same one, so that
/// asking twice gives no two.
fn heir(app: &App, session: &user_sessions::Model, branch: &RefreshToken, generation: u32) -> Option<RefreshToken> {
    let mut parent = branch.clone();
    parent.generation = generation.checked_sub(1)?;
    parent.successor(&app.key_ring, &session.refresh_key_id)
}

/// A token with a new secret, for the generation after the session's.
pub fn fresh(app: &App, session: &user_sessions::Model) -> RefreshToken {
    let generation = u32::try_from(session.refresh_generation).unwrap_or(0) + 1;
    RefreshToken::fresh(&app.entropy, session.id, generation)
}

/// Puts `next` in the place of the session's current token, whole or not at all.
pub async fn replace<R>(
    app: &App,
    caller: &Caller,
    (session, user): (&user_sessions::Model, &users::Model),
    next: &RefreshToken,
    branches: Branches,
    now: Timestamp,
) -> Result<Option<Outcome>, Failure<R>> {
    let expires_at = (now + app.config.sessions.sliding_ttl).min(session.absolute_expires_at);
    let changed = assess_risk::of_refresh(app, caller, session, now);
    // With a fresh token comes who proved just now who they are: wherever from.
    let alarm = changed.alarm.filter(|_| branches == Branches::No);
    let rotation = Rotation {
        generation: session.refresh_generation,
        token_hash: &session.refresh_token_hash,
        next_token_hash: &next.hash(),
        expires_at,
        ip_address: Some(caller.ip.to_string()),
        user_agent: caller.user_agent.clone(),
        branches,
        location: changed.location.clone(),
        alarm: alarm.clone(),
    };
    let mut change = Change::begin(app, caller, now).await?;
    if !rotations::rotate(change.db(), session.id, rotation, now).await? {
        change.abandon().await?;
        return Ok(None);
    }
    change.tell_session(Kind::SessionRefreshed, user.id, session.id);
    let mut entry = Entry::success("token_refresh", Category::Authentication, Some(user.id)).in_session(session.id);
    entry.risk_score = alarm.as_ref().map(|alarm| alarm.score);
    change.audit(entry);
    if let Some(alarm) = alarm.as_ref().filter(|alarm| alarm.marks) {
        mark(app, caller, &mut change, (session, user), alarm).await?;
    }
    change.commit().await?;
    let mut session = user_sessions::Model {
        refresh_generation: session.refresh_generation + 1,
        refresh_token_hash: next.hash().to_vec(),
        refreshed_at: now,
        last_activity_at: now,
        expires_at,
        ip_address: Some(caller.ip.to_string()),
        version: session.version + 1,
        updated_at: now,
        user_agent: caller.user_agent.clone().or_else(|| session.user_agent.clone()),
        ..session.clone()
    };
    if let Some(location) = changed.location {
        location.put(&mut session);
    }
    if let Some(alarm) = alarm {
        alarm.put(&mut session, now);
    }
    let tokens = issue_tokens::run(app, &session, user, Some(next), now)?;
    Ok(Some(Outcome { session, user: user.clone(), tokens }))
}

/// Whoever gets the current token once more is looked at like whoever rotates it: only what marks the session is written.
async fn seen_again(
    app: &App,
    caller: &Caller,
    (mut session, user): (user_sessions::Model, &users::Model),
    now: Timestamp,
) -> Result<user_sessions::Model, Failure<Refusal>> {
    let alarm = assess_risk::of_refresh(app, caller, &session, now).alarm.filter(|alarm| alarm.marks);
    let Some(alarm) = alarm else { return Ok(session) };
    let mut change = Change::begin(app, caller, now).await?;
    if !rotations::raise_alarm(change.db(), session.id, alarm.clone(), now).await? {
        return Err(Failure::Refused(Refusal::Invalid));
    }
    change.tell_session(Kind::SessionRefreshed, user.id, session.id);
    mark(app, caller, &mut change, (&session, user), &alarm).await?;
    change.commit().await?;
    alarm.put(&mut session, now);
    Ok(session)
}

/// A refresh that looks risky ends the trust in its device; its owner is told when the session becomes suspicious.
async fn mark<R>(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    (session, user): (&user_sessions::Model, &users::Model),
    alarm: &Alarm,
) -> Result<(), Failure<R>> {
    if let Some(device) = session.known_device_id
        && known_devices::revoke_trust_of(change.db(), device).await?
    {
        change.tell(Kind::Updated, user.id);
        let entry = Entry::success("device_trust_ended", Category::Security, Some(user.id));
        change.audit(entry.by(Actor::Security, None).in_session(session.id));
    }
    let marked = Marked { user, session_id: session.id, score: alarm.score, signals: alarm.signals.clone() };
    if session.is_suspicious {
        assess_risk::note_marked(change, &marked);
        return Ok(());
    }
    assess_risk::tell_marked(app, caller, change, marked).await
}

async fn end_stolen(app: &App, caller: &Caller, session: &user_sessions::Model, user: &users::Model, now: Timestamp) -> Failure<Refusal> {
    let ended = async {
        let mut change = Change::begin(app, caller, now).await?;
        let ending = Ending { by: Actor::Security, reason: "refresh token reused", suspicious: true };
        if !sessions::revoke(change.db(), Which::One(session.id), ending, now).await?.is_empty() {
            change.tell_session(Kind::SessionRevoked, user.id, session.id);
            if let Some(device) = session.known_device_id {
                known_devices::revoke_trust_of(change.db(), device).await?;
            }
            let mut entry =
                Entry::failure("refresh_token_reused", Category::Security, Some(user.id), "REFRESH_TOKEN_REUSED").in_session(session.id);
            entry.actor = Actor::Security;
            entry.severity = Severity::Critical;
            entry.risk_score = Some(risk::HIGHEST);
            change.audit(entry);
            let template = Template::RefreshTokenReused(notify::sighting(caller, now));
            for message in notify::all_contacts(app, caller, user, &template, now) {
                change.send(message);
            }
        }
        change.commit().await
    };
    match ended.await {
        Ok(()) => Failure::Refused(Refusal::Reused),
        Err(error) => error.into(),
    }
}
