//! Changes what the signed-in user says about themselves: what is left out stays.
//!
//! Whether a username is free, the database's constraint decides.

use entity::{account_events::Kind, user_audit_log::Category, users};
use serde_json::json;

use super::{
    caller::{Caller, Reason, SignedIn},
    change::{self, Change},
    failure::Failure,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::{
        profile::ProfileRefusal,
        profile_edit::{Edit, ProfileEdit},
        username::Username,
    },
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::{
        audit::Entry,
        users::{self as storage, ProfileWrite},
    },
};

/// What is typed.
#[derive(Debug, Default)]
pub struct Input {
    /// As typed.
    pub username: Edit<String>,
    /// The rest.
    pub profile: ProfileEdit,
}

/// What is wrong with the input; several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a username.
    UsernameInvalid,
    /// Somebody else has it.
    UsernameTaken,
    /// A part of the profile.
    Profile(ProfileRefusal),
}

/// Changes it, and returns the account as it is now.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<users::Model, Failure<Vec<Refusal>>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let (username, touched) = parse(&me.live.user, &input, now).map_err(Failure::Refused)?;
    if touched.is_empty() {
        return Ok(users::Model::clone(&me.live.user));
    }
    if username.is_some() {
        // It tells who has a name as well as `usernameAvailable` does.
        app.rate_limits.take(Rule::UsernameAvailablePerIp, &ip_subject(caller.ip), now).await?;
    }
    let profile = input.profile;
    let write = ProfileWrite {
        username,
        display_name: profile.display_name.into_value(),
        full_name: profile.full_name.into_value(),
        first_name: profile.first_name.into_value(),
        last_name: profile.last_name.into_value(),
        bio: profile.bio.into_value(),
        locale: profile.locale.into_value(),
        date_of_birth: profile.date_of_birth.into_value(),
        country: profile.country.into_value(),
        state: profile.state.into_value(),
        postal_code: profile.postal_code.into_value(),
    };
    let ended = change(app, caller, me, write, &touched, now).await;
    if let Err(Failure::Refused(_)) = &ended {
        let entry = Entry::failure("profile_update", Category::Account, Some(me.live.user.id), "USERNAME_TAKEN");
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn change(
    app: &App,
    caller: &Caller,
    me: &SignedIn,
    write: ProfileWrite,
    touched: &[&'static str],
    now: Timestamp,
) -> Result<users::Model, Failure<Vec<Refusal>>> {
    let id = me.live.user.id;
    let mut change = Change::begin(app, caller, now).await?;
    let written = storage::update_profile(change.db(), id, write, now).await.map_err(|error| {
        if error.is_conflict_on("users", "username") { Failure::Refused(vec![Refusal::UsernameTaken]) } else { error.into() }
    })?;
    // It was ended, or is not active any more, since the request was let in.
    let user = written.ok_or(Failure::Unauthenticated(Reason::SessionEnded))?;
    change.tell(Kind::Updated, id);
    change.audit(
        Entry::success("profile_update", Category::Account, Some(id)).in_session(me.live.session.id).with(json!({ "fields": touched })),
    );
    change.commit().await?;
    Ok(user)
}

type Parsed = (Option<Option<String>>, Vec<&'static str>);

/// The username that is written, if any, and the names of what is touched.
fn parse(user: &users::Model, input: &Input, now: Timestamp) -> Result<Parsed, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let username = match &input.username {
        Edit::Keep => None,
        Edit::Clear => Some(None),
        Edit::Set(raw) => match Username::recognize(raw) {
            // Who was given a reserved name may send it along with the rest.
            Some(name) if user.username.as_deref() == Some(name.as_str()) => None,
            _ => {
                let name = Username::parse(raw);
                if name.is_none() {
                    refusals.push(Refusal::UsernameInvalid);
                }
                name.map(|name| Some(name.as_str().to_owned()))
            }
        },
    };
    refusals.extend(input.profile.problems(now).into_iter().map(Refusal::Profile));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut touched = input.profile.touched();
    if username.is_some() {
        touched.insert(0, "username");
    }
    Ok((username, touched))
}
