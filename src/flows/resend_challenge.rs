//! Sends the code of a challenge again, as a new code; the old one stops working, and the end does not move.

use entity::{
    Channel, link_tokens,
    user_audit_log::{Category, Status},
    users,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    caller::Caller,
    change::{self, Change},
    change_contact,
    check_code::Budget,
    even_time,
    failure::Failure,
    limit_sms::{self, Asker},
    notify,
    send_code::{self, Letter, LinkOf, Meant, Secrets},
    verify_at_sign_in, verify_contact,
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::{
        challenges::{Challenge, Purpose, Reissue, State},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
    storage::{
        audit::Entry,
        error::StorageError,
        pending_sign_ups as sign_ups,
        users::{self as user_storage, ProvedContact, counts_proof_since},
    },
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such challenge.
    NotFound,
    /// Done, or past its time.
    Expired,
    /// No attempts left, or replaced by a newer one.
    Exhausted,
    /// Not yet.
    TooSoon {
        /// From when on.
        resend_at: Timestamp,
        /// When it was refused.
        now: Timestamp,
    },
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Expired => "CODE_EXPIRED",
            Self::Exhausted => "TOO_MANY_ATTEMPTS",
            Self::TooSoon { .. } => "RESEND_TOO_SOON",
        }
    }
}

/// Sends a new code.
pub async fn run(app: &App, caller: &Caller, challenge_id: &str) -> Result<Challenge, Failure<Refusal>> {
    even_time::of(Box::pin(find_and_resend(app, caller, challenge_id))).await
}

async fn find_and_resend(app: &App, caller: &Caller, challenge_id: &str) -> Result<Challenge, Failure<Refusal>> {
    let now = app.clock.now();
    // Not even an id: there is nothing that a row could be about.
    let id = Uuid::try_parse(challenge_id).map_err(|_| Failure::Refused(Refusal::NotFound))?;
    let challenge = app.challenges.find(id, now).await?;
    let about = challenge.as_ref().and_then(|challenge| challenge.user_id);
    let ended = match challenge {
        Some(challenge) => resend(app, caller, challenge, now).await,
        None => Err(Failure::Refused(Refusal::NotFound)),
    };
    if let Err(Failure::Refused(refusal)) = &ended {
        change::record(app, caller, vec![Entry::failure("challenge_resent", Category::Account, about, refusal.code())], now).await?;
    }
    ended
}

async fn resend(app: &App, caller: &Caller, challenge: Challenge, now: Timestamp) -> Result<Challenge, Failure<Refusal>> {
    refuse_ended(&challenge)?;
    if challenge.resend_at > now {
        return Err(Failure::Refused(Refusal::TooSoon { resend_at: challenge.resend_at, now }));
    }
    let plan = match challenge.purpose {
        Purpose::SignUp => of_sign_up(app, caller, &challenge, now).await?,
        Purpose::SignIn => of_sign_in(app, caller, &challenge, now).await?,
        Purpose::PasswordReset => of_password_reset(app, caller, &challenge, now).await?,
        Purpose::Reauthentication => of_reauthentication(app, caller, &challenge).await?,
        Purpose::EmailChange | Purpose::PhoneChange => of_contact_change(app, caller, &challenge).await?,
        Purpose::ContactVerification => of_contact_verification(app, caller, &challenge, now).await?,
        Purpose::Risk => of_risk(app, caller, &challenge).await?,
    };
    plan.budget.take_send(app, caller, (challenge.channel, &challenge.contact), now).await?;
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    send(app, caller, &challenge, plan, now).await
}

/// What a purpose says about its code.
struct Plan {
    meant: Meant,
    budget: Budget,
    link_of: LinkOf,
    template: Template,
    locale: String,
    event: (&'static str, Category),
    /// The session that asks, where only its account may.
    session_id: Option<Uuid>,
}

async fn of_sign_up(app: &App, caller: &Caller, challenge: &Challenge, now: Timestamp) -> Result<Plan, Failure<Refusal>> {
    if challenge.user_id.is_some() {
        return of_verification(app, caller, challenge).await;
    }
    let Some(sign_up) = sign_ups::find_live(app.database.read(), challenge.subject.unwrap_or_default(), now).await? else {
        return Err(Failure::Refused(Refusal::Exhausted));
    };
    Ok(Plan {
        meant: if sign_up.decoy { Meant::AsDecoy } else { Meant::Really },
        budget: Budget::OfContact,
        link_of: LinkOf::SignUp { pending_sign_up_id: sign_up.id, expires_at: sign_up.expires_at },
        template: Template::SignUpCode { challenge_id: challenge.id },
        locale: notify::locale(app, caller, None),
        event: ("sign_up", Category::Account),
        session_id: None,
    })
}

/// Of an account whose contact was never proved: its password was right when the challenge began.
async fn of_verification(app: &App, caller: &Caller, challenge: &Challenge) -> Result<Plan, Failure<Refusal>> {
    let user = user_storage::find_by_id(app.database.read(), challenge.user_id.unwrap_or_default()).await?;
    let user = user.filter(|user| {
        verify_at_sign_in::unproved_contact(user).is_some_and(|(_, contact)| contact == challenge.contact)
            && counts_proof_since(user, challenge.created_at)
    });
    let user = user.ok_or(Failure::Refused(Refusal::Exhausted))?;
    Ok(Plan {
        meant: Meant::Really,
        budget: Budget::Own(user.id),
        link_of: LinkOf::None,
        template: Template::VerificationCode { challenge_id: challenge.id },
        locale: notify::locale(app, caller, Some(&user)),
        event: ("login", Category::Authentication),
        session_id: None,
    })
}

async fn of_sign_in(app: &App, caller: &Caller, challenge: &Challenge, now: Timestamp) -> Result<Plan, Failure<Refusal>> {
    let owner = still_meant(app, challenge).await?;
    Ok(Plan {
        meant: if owner.is_some() { Meant::Really } else { Meant::AsDecoy },
        budget: Budget::of(app, caller, challenge.user_id).await?,
        link_of: LinkOf::Account {
            user_id: owner.as_ref().map(|user| user.id),
            purpose: link_tokens::Purpose::MagicLink,
            device_hash: caller.device_hash(),
            reset_attempt_id: None,
            expires_at: now + app.config.links.sign_in_ttl,
        },
        template: Template::SignInCode { challenge_id: challenge.id },
        locale: notify::locale(app, caller, owner.as_ref()),
        event: ("login", Category::Authentication),
        session_id: None,
    })
}

async fn of_password_reset(app: &App, caller: &Caller, challenge: &Challenge, now: Timestamp) -> Result<Plan, Failure<Refusal>> {
    let owner = still_meant(app, challenge).await?;
    Ok(Plan {
        meant: if owner.is_some() { Meant::Really } else { Meant::AsDecoy },
        budget: Budget::of(app, caller, challenge.user_id).await?,
        link_of: LinkOf::Account {
            user_id: owner.as_ref().map(|user| user.id),
            purpose: link_tokens::Purpose::PasswordReset,
            device_hash: caller.device_hash(),
            reset_attempt_id: challenge.subject,
            expires_at: now + app.config.links.password_reset_ttl,
        },
        template: Template::PasswordReset { challenge_id: challenge.id },
        locale: notify::locale(app, caller, owner.as_ref()),
        event: ("password_reset", Category::Security),
        session_id: None,
    })
}

/// Only the session that asked may ask again: for anybody else there is no such challenge.
async fn of_reauthentication(app: &App, caller: &Caller, challenge: &Challenge) -> Result<Plan, Failure<Refusal>> {
    let not_found = || Failure::Refused(Refusal::NotFound);
    let me = caller.signed_in().map_err(|_| not_found())?;
    let session_id = me.live.session.id;
    if challenge.subject != Some(session_id) {
        return Err(not_found());
    }
    let owner = still_meant(app, challenge).await?.ok_or_else(not_found)?;
    Ok(Plan {
        meant: Meant::Really,
        budget: Budget::Own(session_id),
        link_of: LinkOf::None,
        template: Template::ReauthenticationCode { challenge_id: challenge.id },
        locale: notify::locale(app, caller, Some(&owner)),
        event: ("reauthentication", Category::Authentication),
        session_id: Some(session_id),
    })
}

/// Of a sign-in that looked risky: its first factor was right when the challenge began.
async fn of_risk(app: &App, caller: &Caller, challenge: &Challenge) -> Result<Plan, Failure<Refusal>> {
    let owner = still_meant(app, challenge).await?.ok_or(Failure::Refused(Refusal::Exhausted))?;
    Ok(Plan {
        meant: Meant::Really,
        budget: Budget::Own(owner.id),
        link_of: LinkOf::None,
        template: Template::RiskCode { challenge_id: challenge.id },
        locale: notify::locale(app, caller, Some(&owner)),
        event: ("login", Category::Authentication),
        session_id: None,
    })
}

/// Only the account that asked for the change may ask again, while that change is the one that waits.
async fn of_contact_change(app: &App, caller: &Caller, challenge: &Challenge) -> Result<Plan, Failure<Refusal>> {
    let (user, session_id) = own(app, caller, challenge).await?;
    if change_contact::waiting(&user, challenge.channel) != Some(challenge.id) {
        return Err(Failure::Refused(Refusal::Exhausted));
    }
    Ok(Plan {
        meant: as_before(challenge),
        budget: Budget::Wanted(user.id),
        link_of: LinkOf::None,
        template: change_contact::code_template(challenge),
        locale: notify::locale(app, caller, Some(&user)),
        event: (change_contact::event_type(challenge.channel), Category::Security),
        session_id: Some(session_id),
    })
}

async fn of_contact_verification(app: &App, caller: &Caller, challenge: &Challenge, now: Timestamp) -> Result<Plan, Failure<Refusal>> {
    let (user, session_id) = own(app, caller, challenge).await?;
    if !counts_proof_since(&user, challenge.created_at) {
        return Err(Failure::Refused(Refusal::Exhausted));
    }
    Ok(Plan {
        meant: as_before(challenge),
        budget: Budget::Wanted(user.id),
        link_of: verify_contact::link_of(app, caller, user.id, now),
        template: Template::VerificationCode { challenge_id: challenge.id },
        locale: notify::locale(app, caller, Some(&user)),
        event: ("contact_verification", Category::Account),
        session_id: Some(session_id),
    })
}

/// The caller's account, as it is now, where the challenge is its own; for anybody else there is no such challenge.
async fn own(app: &App, caller: &Caller, challenge: &Challenge) -> Result<(users::Model, Uuid), Failure<Refusal>> {
    let not_found = || Failure::Refused(Refusal::NotFound);
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let asked = challenge.user_id.filter(|id| *id == me.live.user.id).ok_or_else(not_found)?;
    let user = user_storage::find_by_id(app.database.read(), asked).await?.ok_or_else(not_found)?;
    Ok((user, me.live.session.id))
}

/// What nothing matched before matches nothing again.
const fn as_before(challenge: &Challenge) -> Meant {
    if challenge.code_hash.is_some() { Meant::Really } else { Meant::AsDecoy }
}

/// The account, where the contact is still its own and no newer password has ended the challenge; otherwise the code is a decoy from now on.
async fn still_meant(app: &App, challenge: &Challenge) -> Result<Option<users::Model>, StorageError> {
    let user = user_storage::find_by_id(app.database.read(), challenge.user_id.unwrap_or_default()).await?;
    let proved = ProvedContact { channel: challenge.channel, contact: &challenge.contact, since: challenge.created_at };
    Ok(user.filter(|user| proved.speaks_for(user)))
}

async fn send(app: &App, caller: &Caller, challenge: &Challenge, plan: Plan, now: Timestamp) -> Result<Challenge, Failure<Refusal>> {
    if challenge.channel == Channel::Sms {
        // Before the old code stops working: a refusal must not take it away.
        limit_sms::take(app, Some(&Asker::of(caller)), (plan.budget, &challenge.contact), now).await?;
    }
    let secrets = Secrets::draw(app, challenge.channel);
    let resend_at = now + app.config.codes.resend_after;
    let code_hash = secrets.code_hash(app, challenge.id, plan.meant);
    let challenge = match app.challenges.reissue(challenge.id, code_hash, resend_at, now).await? {
        Reissue::Reissued(challenge) => challenge,
        Reissue::TooSoon(challenge) => return Err(Failure::Refused(Refusal::TooSoon { resend_at: challenge.resend_at, now })),
        Reissue::Refused(challenge) => return Err(refuse_ended(&challenge).err().unwrap_or(Failure::Refused(Refusal::Exhausted))),
        Reissue::Unknown => return Err(Failure::Refused(Refusal::NotFound)),
    };
    let delivery = match plan.meant {
        Meant::Really => Delivery::Send,
        Meant::AsDecoy => Delivery::Decoy,
    };
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", &challenge.contact).await?;
    let letter = Letter { template: plan.template, locale: plan.locale, delivery, budget: plan.budget };
    let addressed = Challenge { user_id: reader(&challenge), ..challenge.clone() };
    send_code::run_counted(app, &mut change, &addressed, secrets, plan.link_of, letter).await?;
    let (event_type, category) = plan.event;
    let mut entry =
        Entry::success(event_type, category, challenge.user_id).with(json!({ "channel": challenge.channel.as_str(), "resent": true }));
    entry.status = Status::Pending;
    match plan.session_id {
        Some(session_id) => entry = entry.in_session(session_id),
        None => entry.actor_user_id = None,
    }
    change.audit(entry);
    change.commit().await?;
    Ok(challenge)
}

/// Whose message it is: that of the account whose contact it goes to. One to a contact that an account has not proved is nobody's, so that what is
/// stored about the account does not tell whether somebody else has.
const fn reader(challenge: &Challenge) -> Option<Uuid> {
    match challenge.purpose {
        Purpose::EmailChange | Purpose::PhoneChange | Purpose::ContactVerification => None,
        Purpose::SignUp | Purpose::SignIn | Purpose::PasswordReset | Purpose::Reauthentication | Purpose::Risk => challenge.user_id,
    }
}

fn refuse_ended(challenge: &Challenge) -> Result<(), Failure<Refusal>> {
    match challenge.state {
        State::Pending => Ok(()),
        State::Done | State::Expired => Err(Failure::Refused(Refusal::Expired)),
        State::Exhausted => Err(Failure::Refused(Refusal::Exhausted)),
    }
}
