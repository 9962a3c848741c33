//! Begins a session inside a change: device, session, room for it, event, audit row and the notice about a new device.

use std::time::Duration;

use entity::{
    account_events::Kind,
    known_devices,
    link_tokens::Purpose,
    user_audit_log::Category,
    user_sessions::{self, Actor, LoginMethod, Status, TokenDelivery},
    users,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    assess_risk::{self, Marked},
    caller::Caller,
    change::Change,
    failure::Failure,
    issue_tokens::{self, Tokens},
    notify::{self, NoticeLink},
    second_step::Clearance,
};
use crate::{
    app::App,
    crypto::{opaque_token::OpaqueToken, refresh_token::RefreshToken},
    domain::device::Device,
    outbound::message::Template,
    storage::{
        audit::Entry,
        sessions::{self, Ending},
        users as users_storage,
    },
};

/// What a session begins with.
pub struct NewSession<'a> {
    /// Whose it is.
    pub user: &'a users::Model,
    /// How they proved who they are.
    pub login_method: LoginMethod,
    /// RFC 8176 names of the proofs.
    pub amr: &'a [&'a str],
    /// That nothing more has to be proved.
    pub clearance: Clearance,
    /// How its tokens travel.
    pub delivery: TokenDelivery,
    /// The device, where the account knows it.
    pub known_device: Option<known_devices::Model>,
    /// Whether the account was made by this.
    pub is_new_user: bool,
}

/// A session that will be there once the change is committed.
#[must_use]
pub struct Started {
    /// Whether the account was made by this.
    is_new_user: bool,
    /// Its row.
    pub session: user_sessions::Model,
    /// The first of its chain.
    refresh_token: RefreshToken,
    /// What makes this device known from now on.
    device_token: String,
}

/// A session that is there.
pub struct SignedIn {
    /// Whether the account was made by this.
    pub is_new_user: bool,
    /// Whose it is.
    pub user: users::Model,
    /// Its row.
    pub session: user_sessions::Model,
    /// Its tokens.
    pub tokens: Tokens,
}

impl Started {
    /// Commits the change, and issues the tokens.
    pub async fn commit<R>(self, change: Change<'_>, user: users::Model) -> Result<Box<SignedIn>, Failure<R>> {
        let (app, now) = (change.app(), change.now);
        change.commit().await?;
        let mut tokens = issue_tokens::run(app, &self.session, &user, Some(&self.refresh_token), now)?;
        tokens.device_token = Some(self.device_token);
        let user = users::Model { last_login_at: Some(now), ..user };
        Ok(Box::new(SignedIn { is_new_user: self.is_new_user, user, session: self.session, tokens }))
    }
}

/// Writes the session. The caller's change holds the lock on the user's row, so that the limit on live sessions holds.
pub async fn run<R>(app: &App, caller: &Caller, change: &mut Change<'_>, new: NewSession<'_>) -> Result<Started, Failure<R>> {
    let now = change.now;
    let device = Device::from_user_agent(caller.user_agent.as_deref());
    let is_known = new.known_device.is_some();
    let location = assess_risk::location_of(app.places.find(caller.ip));
    let (score, signals) = (new.clearance.signals.score(), json!(new.clearance.signals.names()));
    let is_suspicious = score >= app.config.risk.suspicious_from;
    let looks = Looks { device: &device, country: location.country.as_deref(), is_suspicious };
    let (device_id, device_token) = remember_device(app, caller, change, &new, looks).await?;
    let session_id = app.entropy.uuid(now);
    let refresh_token = RefreshToken::first(&app.entropy, session_id);
    let limits = &app.config.sessions;
    let mut session = user_sessions::Model {
        id: session_id,
        user_id: new.user.id,
        refresh_generation: 1,
        confirmed_generation: 1,
        confirmed_at: Some(now),
        refresh_key_id: app.key_ring.primary_id().to_owned(),
        refresh_token_hash: refresh_token.hash().to_vec(),
        refreshed_at: now,
        branch_generation: None,
        branch_token_hash: None,
        token_delivery: new.delivery,
        amr: json!(new.amr),
        status: if is_suspicious { Status::Suspicious } else { Status::Active },
        known_device_id: Some(device_id),
        device_type: device.kind,
        device_name: device.name.clone(),
        browser: device.browser.clone(),
        os: device.os.clone(),
        user_agent: caller.user_agent.clone(),
        ip_address: Some(caller.ip.to_string()),
        login_method: new.login_method,
        authenticated_at: now,
        risk_score: i32::from(score),
        risk_signals: signals.clone(),
        is_suspicious,
        expires_at: now + limits.sliding_ttl,
        absolute_expires_at: now + limits.absolute_ttl,
        last_activity_at: now,
        revoked_at: None,
        revoked_by: None,
        revoked_reason: None,
        version: 1,
        created_at: now,
        updated_at: now,
        second_factor: new.clearance.second_factor,
        strong_proof_at: new.clearance.is_strong.then_some(now),
        location_country: None,
        location_city: None,
        location_timezone: None,
        location_latitude: None,
        location_longitude: None,
        proofs_void_before: None,
    };
    location.put(&mut session);
    if new.is_new_user && new.user.last_login_at.is_none() {
        users_storage::advance_last_login_later(change.later(), new.user.id, now);
    }
    change.tell_session(Kind::SessionCreated, new.user.id, session_id);
    change.audit(
        Entry::success("login", Category::Authentication, Some(new.user.id))
            .in_session(session_id)
            .at_risk(score)
            .with(json!({ "method": method_name(new.login_method), "newDevice": !is_known })),
    );
    sessions::insert_later(change.later(), session.clone());
    if is_suspicious {
        assess_risk::tell_marked(app, caller, change, Marked { user: new.user, session_id, score, signals }).await?;
    } else if !is_known && !new.is_new_user {
        let template = Template::NewDevice(notify::sighting(caller, now));
        let link =
            NoticeLink { purpose: Purpose::DisownSession, session_id: Some(session_id), expires_at: now + app.config.links.disown_ttl };
        notify::first_contact_with_link(app, caller, change, (new.user, template), link).await?;
    }
    let others = u64::from(limits.max_live).saturating_sub(1);
    let asked = [users_storage::is_second_step_on(new.user.id), sessions::is_one_too_many(&session, others, now)];
    let [second_step_is_on, is_one_too_many] = change.write_and_ask(asked).await?;
    if second_step_is_on && !new.clearance.holds_with_totp {
        // Switched on since the gate looked: once more, and the gate asks.
        return Err(Failure::Overloaded { retry_after: Duration::from_secs(1) });
    }
    if is_one_too_many {
        make_room(change, new.user.id, (session_id, others)).await?;
    }
    Ok(Started { is_new_user: new.is_new_user, session, refresh_token, device_token })
}

/// What the device looks like.
#[derive(Clone, Copy)]
struct Looks<'a> {
    device: &'a Device,
    country: Option<&'a str>,
    is_suspicious: bool,
}

/// The device's row and its token: the one that it brought, or a new one. What looked suspicious makes no device look like that from now on.
async fn remember_device<R>(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    new: &NewSession<'_>,
    looks: Looks<'_>,
) -> Result<(Uuid, String), Failure<R>> {
    use crate::storage::known_devices as storage;
    let now = change.now;
    let seen = (!looks.is_suspicious).then_some(storage::Seen { name: &looks.device.name, country: looks.country });
    if let (Some(known), Some(token)) = (&new.known_device, &caller.device_token) {
        let (id, token) = (known.id, token.clone());
        storage::advance_last_seen_later(change.later(), id, seen, now);
        return Ok((id, token));
    }
    let (token, hash) = if let (Some(token), Some(hash)) = (&caller.device_token, caller.device_hash()) {
        // Another sign-in may have made it known meanwhile.
        if let Some(known) = storage::find(change.db(), new.user.id, &hash).await? {
            storage::advance_last_seen_later(change.later(), known.id, seen, now);
            return Ok((known.id, token.clone()));
        }
        (token.clone(), hash)
    } else {
        let fresh = OpaqueToken::generate(&app.entropy);
        (fresh.raw().to_owned(), fresh.hash())
    };
    let row = known_devices::Model {
        id: app.entropy.uuid(change.now),
        user_id: new.user.id,
        token_hash: hash.to_vec(),
        name: looks.device.name.clone(),
        trusted_until: None,
        last_seen_at: change.now,
        created_at: change.now,
        location_country: looks.country.filter(|_| !looks.is_suspicious).map(str::to_owned),
    };
    let id = row.id;
    storage::insert_later(change.later(), row);
    Ok((id, token))
}

async fn make_room<R>(change: &mut Change<'_>, user_id: Uuid, (newest, others): (Uuid, u64)) -> Result<(), Failure<R>> {
    let ending = Ending { by: Actor::System, reason: "too many sessions", suspicious: false };
    for ended in sessions::revoke_beyond(change.db(), user_id, (newest, others), ending, change.now).await? {
        change.tell_session(Kind::SessionRevoked, user_id, ended);
        let mut entry =
            Entry::success("session_revoked", Category::Security, Some(user_id)).in_session(ended).with(json!({ "reason": ending.reason }));
        entry.actor = Actor::System;
        entry.actor_user_id = None;
        change.audit(entry);
    }
    Ok(())
}

/// As the audit log names it.
pub const fn method_name(method: LoginMethod) -> &'static str {
    match method {
        LoginMethod::Password => "password",
        LoginMethod::EmailCode => "email_code",
        LoginMethod::PhoneCode => "phone_code",
        LoginMethod::MagicLink => "magic_link",
        LoginMethod::Passkey => "passkey",
        LoginMethod::Oauth => "oauth",
        LoginMethod::SignUp => "sign_up",
    }
}
