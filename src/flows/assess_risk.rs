//! How unusual a sign-in or a refresh is, and what is told where it is suspicious.
//!
//! A sign-in is compared with what the account did before: its device, the places of its last sessions, wrong passwords a moment ago. One question
//! to the database answers that, and none is asked where nothing is new: a known device in the country where it was last, or no place at all. A
//! refresh is compared with its own session, whose row is at hand.

use std::net::IpAddr;

use entity::{
    account_events::Kind,
    known_devices,
    link_tokens::Purpose,
    user_audit_log::{Category, Severity},
    user_sessions::{self, Actor},
    users,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    caller::Caller,
    change::Change,
    failure::Failure,
    lockout::{PASSWORD, PasswordCounter, Subject},
    notify::{self, NoticeLink},
};
use crate::{
    app::App,
    clock::Timestamp,
    config::Config,
    domain::{
        device::Device,
        risk::{self, Position, Sighting, Signal, Signals},
    },
    outbound::{message::Template, places::Place},
    storage::{
        audit::Entry,
        error::StorageError,
        risk_history::{self, Question},
        rotations::{Alarm, Location},
    },
};

/// Whether somebody guessed at the account a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failures {
    /// The counter of the password told it.
    Told(bool),
    /// It is still to be asked.
    Unknown,
    /// It does not matter: nobody can guess this factor.
    Irrelevant,
}

/// A first factor that was right.
pub struct SignIn<'a> {
    /// Whose.
    pub user: &'a users::Model,
    /// The device, where the account knows it.
    pub known_device: Option<&'a known_devices::Model>,
    /// What came before.
    pub failures: Failures,
}

/// How many wrong passwords before the right one are more than slips: fewer than lock.
pub fn enough_failures(config: &Config) -> usize {
    let before_a_lock = usize::try_from(config.lockout.failures).unwrap_or(usize::MAX).saturating_sub(1);
    risk::FAILURES.min(before_a_lock).max(1)
}

/// What is unusual about a sign-in. To be asked only after the first factor was right.
pub async fn of_sign_in(app: &App, caller: &Caller, sign_in: SignIn<'_>, now: Timestamp) -> Result<Signals, StorageError> {
    let SignIn { user, known_device, failures } = sign_in;
    // An account that never signed in has nothing to be compared with.
    let is_first = user.last_login_at.is_none();
    let place = app.places.find(caller.ip);
    let says_another_name = known_device.is_some_and(|device| device.name != device_name(caller.user_agent.as_deref()));
    let signals = of_new_account(app, caller)
        .with_if(known_device.is_none() && !is_first, Signal::NewDevice)
        .with_if(says_another_name, Signal::UserAgentChanged)
        .with_if(failures == Failures::Told(true), Signal::RecentFailures);
    let is_where_it_was = known_device.is_some_and(|device| device.location_country == place.country);
    let compares_places = place.country.is_some() && !is_first && !is_where_it_was;
    let counter = (failures == Failures::Unknown).then(|| {
        let subject = known_device.map_or(Subject::Account(user), |device| Subject::Device(user, device));
        PasswordCounter::of(app, subject)
    });
    if !compares_places && counter.is_none() {
        return Ok(signals);
    }
    let question = Question {
        user_id: user.id,
        counter: counter.as_ref().map(|counter| (PASSWORD, counter.counted().key)),
        window: app.config.lockout.window,
        failures: enough_failures(&app.config),
    };
    let history = risk_history::find(app.database.read(), question, now).await?;
    let signals = signals.with_if(history.has_failures, Signal::RecentFailures);
    if !compares_places {
        return Ok(signals);
    }
    let earlier: Vec<Sighting> = history.seen.into_iter().map(sighting_of).collect();
    let here = Sighting { country: place.country.clone(), position: position_of(&place), at: now };
    Ok(signals.iter().chain(risk::of_travel(&earlier, &here).iter()).collect())
}

/// What is unusual about the first session of an account that begins with it.
pub fn of_new_account(app: &App, caller: &Caller) -> Signals {
    Signals::default().with_if(app.places.is_anonymous(caller.ip), Signal::AnonymousNetwork)
}

/// What a refresh finds changed.
#[derive(Debug, Default)]
pub struct Changed {
    /// Where the session is now; none where that is as it was.
    pub location: Option<Location>,
    /// What looks risky; none where nothing does.
    pub alarm: Option<Alarm>,
}

/// Compares a refresh with its session: by its row alone.
pub fn of_refresh(app: &App, caller: &Caller, session: &user_sessions::Model, now: Timestamp) -> Changed {
    let (before, place) = (Location::of(session), app.places.find(caller.ip));
    let here = Sighting { country: place.country.clone(), position: position_of(&place), at: now };
    let location = Some(location_of(place)).filter(|location| *location != before);
    let mut signals = Signals::default();
    let last_address = session.ip_address.as_deref().and_then(|text| text.parse::<IpAddr>().ok());
    if last_address != Some(caller.ip) {
        let position = before.latitude.zip(before.longitude).map(|(latitude, longitude)| Position { latitude, longitude });
        let there = Sighting { country: before.country, position, at: session.refreshed_at };
        let is_hidden = app.places.is_anonymous(caller.ip) && !last_address.is_some_and(|last| app.places.is_anonymous(last));
        signals = risk::of_travel(&[there], &here).with_if(is_hidden, Signal::AnonymousNetwork);
    }
    // A browser that was updated has the same name; only then is it looked at closely.
    if session.user_agent != caller.user_agent {
        let is_other = device_name(session.user_agent.as_deref()) != device_name(caller.user_agent.as_deref());
        signals = signals.with_if(is_other, Signal::UserAgentChanged);
    }
    let score = signals.score();
    let alarm = (score > 0).then(|| Alarm { score, signals: json!(signals.names()), marks: score >= app.config.risk.suspicious_from });
    Changed { location, alarm }
}

fn device_name(user_agent: Option<&str>) -> String {
    Device::from_user_agent(user_agent).name
}

fn sighting_of(seen: risk_history::Seen) -> Sighting {
    let position = seen.position.map(|(latitude, longitude)| Position { latitude, longitude });
    Sighting { country: Some(seen.country), position, at: seen.at }
}

fn position_of(place: &Place) -> Option<Position> {
    place.degrees.and_then(|(latitude, longitude)| Position::of_degrees(latitude, longitude))
}

/// A place as sessions keep it: coarse.
pub fn location_of(place: Place) -> Location {
    let position = position_of(&place);
    Location {
        country: place.country,
        city: place.city,
        timezone: place.timezone,
        latitude: position.map(|position| position.latitude),
        longitude: position.map(|position| position.longitude),
    }
}

/// What made a session suspicious.
pub struct Marked<'a> {
    /// Whose it is.
    pub user: &'a users::Model,
    /// Which.
    pub session_id: Uuid,
    /// 0 to 100.
    pub score: u8,
    /// Names of the signals.
    pub signals: serde_json::Value,
}

/// Writes down that a session is suspicious, and tells its owner with a link that ends it.
pub async fn tell_marked<R>(app: &App, caller: &Caller, change: &mut Change<'_>, marked: Marked<'_>) -> Result<(), Failure<R>> {
    let Marked { user, session_id, .. } = marked;
    note_marked(change, &marked);
    change.tell_session(Kind::SessionMarkedSuspicious, user.id, session_id);
    let template = Template::UnusualActivity(notify::sighting(caller, change.now));
    let expires_at = change.now + app.config.links.disown_ttl;
    let link = NoticeLink { purpose: Purpose::DisownSession, session_id: Some(session_id), expires_at };
    notify::first_contact_with_link(app, caller, change, (user, template), link).await
}

/// Writes it down without telling: of a session that was suspicious before.
pub fn note_marked(change: &mut Change<'_>, marked: &Marked<'_>) {
    let mut entry = Entry::success("session_marked_suspicious", Category::Security, Some(marked.user.id))
        .by(Actor::Security, None)
        .in_session(marked.session_id)
        .at_risk(marked.score)
        .with(json!({ "riskSignals": marked.signals }));
    entry.severity = Severity::Warning;
    change.audit(entry);
}
