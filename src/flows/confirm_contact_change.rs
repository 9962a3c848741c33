//! Finishes a change of address or number with the code: the new contact is proved, the old one is the account's no more.
//!
//! 1. The challenge must be the caller's own; nothing is counted against somebody else's.
//! 2. The code, against the account's own budget.
//! 3. One change: the challenge is spent, the contact takes its place unless somebody else has proved it meanwhile, trust in devices and links
//!    to the old contact end, and both contacts are told. The links of the old address undo it for seven days.

use std::time::Duration;

use entity::{Channel, account_events::Kind, link_tokens::Purpose, user_audit_log::Category, users};

use super::{
    caller::{Caller, SignedIn},
    change::{self, Change},
    change_contact::{event_type, purpose},
    check_code::{self, Budget},
    failure::Failure,
    hold_account, notify,
    release_contact::{self, Holders},
    undo_link::{self, Notice},
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::{
        challenges::{AFTERLIFE, Challenge},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::Template,
    storage::{
        audit::Entry, email_change_links, error::StorageError, known_devices, link_tokens, spent_tokens, user_contacts, users as storage,
    },
};

/// For so long the old address can undo a change.
pub const UNDO: Duration = Duration::from_hours(7 * 24);
/// What could sign in or set a password, and went to a contact that is the account's no more.
pub const LINKS_OF_A_CONTACT: [Purpose; 4] = [Purpose::EmailVerification, Purpose::PasswordReset, Purpose::MagicLink, Purpose::Invitation];

/// What is typed.
pub struct Input {
    /// Of the change.
    pub challenge_id: String,
    /// As typed.
    pub code: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the code, or used up, or not of this change.
    CodeInvalid {
        /// Guesses left; `None` where there is nothing to guess.
        attempts_left: Option<u32>,
    },
    /// Too late.
    CodeExpired,
    /// No guesses left.
    TooManyAttempts {
        /// When there are again; `None` where it is another challenge that is needed.
        retry_after: Option<Duration>,
    },
    /// Somebody else has proved it by now.
    Taken(Channel),
}

impl Refusal {
    /// As the audit log has it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CodeInvalid { .. } => "CODE_INVALID",
            Self::CodeExpired => "CODE_EXPIRED",
            Self::TooManyAttempts { .. } => "TOO_MANY_ATTEMPTS",
            Self::Taken(Channel::Email) => "EMAIL_TAKEN",
            Self::Taken(Channel::Sms) => "PHONE_TAKEN",
        }
    }

    /// A conflict on a contact means that it is taken.
    pub fn of_conflict(error: StorageError) -> Failure<Self> {
        if error.is_conflict_on("users", "email") {
            Failure::Refused(Self::Taken(Channel::Email))
        } else if error.is_conflict_on("users", "phone") {
            Failure::Refused(Self::Taken(Channel::Sms))
        } else {
            error.into()
        }
    }
}

impl From<check_code::Refusal> for Refusal {
    fn from(refusal: check_code::Refusal) -> Self {
        match refusal {
            check_code::Refusal::Invalid { attempts_left } => Self::CodeInvalid { attempts_left },
            check_code::Refusal::Expired => Self::CodeExpired,
            check_code::Refusal::TooManyAttempts { retry_after } => Self::TooManyAttempts { retry_after },
        }
    }
}

/// Finishes it; returns the account as it is now.
pub async fn run(app: &App, caller: &Caller, channel: Channel, input: Input) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let ended = confirm(app, caller, me, channel, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure(event_type(channel), Category::Security, Some(me.live.user.id), refusal.code());
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn confirm(
    app: &App,
    caller: &Caller,
    me: &SignedIn,
    channel: Channel,
    input: Input,
    now: Timestamp,
) -> Result<users::Model, Failure<Refusal>> {
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let challenge = check_code::find(app, &input.challenge_id, purpose(channel), now).await.map_err(|failure| failure.map(Into::into))?;
    if challenge.user_id != Some(me.live.user.id) {
        return Err(Failure::Refused(Refusal::CodeInvalid { attempts_left: None }));
    }
    let budget = Budget::Own(me.live.user.id);
    let challenge = check_code::run(app, challenge, &input.code, budget, now).await.map_err(|failure| failure.map(Into::into))?;
    match write(app, caller, me, &challenge, now).await {
        Ok(user) => {
            // The spent token has the last word; this lets other tabs see that it is done.
            let _ = app.challenges.finish(challenge.id, now).await;
            Ok(user)
        }
        Err(failure) => {
            // Only a success uses the code up: what went wrong was not the code.
            let _ = app.challenges.give_back(challenge.id, now).await;
            Err(failure)
        }
    }
}

async fn write(app: &App, caller: &Caller, me: &SignedIn, challenge: &Challenge, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let stopped = || Failure::Refused(Refusal::CodeInvalid { attempts_left: None });
    let channel = challenge.channel;
    let mut change = Change::begin(app, caller, now).await?;
    let before = hold_account::run(&change, me, Some(&challenge.contact)).await?;
    if !spent_tokens::consume(change.db(), "challenge", &challenge.id.to_string(), challenge.expires_at + AFTERLIFE).await? {
        return Err(stopped());
    }
    let confirmed = user_contacts::confirm_pending(change.db(), before.id, channel, challenge.id, now).await;
    if !confirmed.map_err(Refusal::of_conflict)? {
        // Stopped, or replaced by another one, since the code was sent.
        return Err(stopped());
    }
    release_contact::run(&mut change, (channel, &challenge.contact), before.id, Holders::Wipe).await?;
    known_devices::revoke_trust(change.db(), before.id).await?;
    if channel == Channel::Email {
        link_tokens::consume_all_of_user(change.db(), before.id, &LINKS_OF_A_CONTACT, now).await?;
    }
    let user = storage::find_by_id(change.db(), before.id).await?.ok_or_else(stopped)?;
    tell(app, caller, &mut change, (&before, &user), challenge).await?;
    change.tell(if channel == Channel::Email { Kind::EmailChanged } else { Kind::PhoneChanged }, user.id);
    change.audit(Entry::success(event_type(channel), Category::Security, Some(user.id)).in_session(me.live.session.id));
    change.commit().await?;
    Ok(user)
}

/// The contacts that the account has now, and the one that it had.
async fn tell(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    (before, user): (&users::Model, &users::Model),
    challenge: &Challenge,
) -> Result<(), StorageError> {
    let now = change.now;
    let sighting = notify::sighting(caller, now);
    let template = match challenge.channel {
        Channel::Email => Template::EmailChanged(sighting),
        Channel::Sms => Template::PhoneChanged(sighting),
    };
    for message in notify::all_contacts(app, caller, user, &template, now) {
        change.send(message);
    }
    let old = match challenge.channel {
        Channel::Email => before.email.as_deref().filter(|_| before.email_verified_at.is_some()),
        Channel::Sms => None,
    };
    if let Some(address) = old {
        email_change_links::prolong(change.db(), user.id, address, now + UNDO, now).await?;
        let notice = Notice { user, address, challenge_id: challenge.id, template, expires_at: now + UNDO };
        undo_link::send(app, caller, change, notice).await?;
    } else if challenge.channel == Channel::Sms
        && let Some(message) = notify::number(app, caller, before, &template, now)
    {
        change.send(message);
    }
    Ok(())
}
