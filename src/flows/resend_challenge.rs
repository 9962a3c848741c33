//! Sends the code of a challenge again, as a new code; the old one stops working, and the end does not move.

use entity::{
    user_audit_log::{Category, Status},
    users,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    caller::Caller,
    change::Change,
    failure::Failure,
    lockout, notify,
    send_code::{self, Letter, LinkOf, Meant, Secrets},
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::{
        challenges::{Challenge, Purpose, Reissue, State},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
    storage::{audit::Entry, pending_sign_ups as sign_ups},
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

/// Sends a new code.
pub async fn run(app: &App, caller: &Caller, challenge_id: &str) -> Result<Challenge, Failure<Refusal>> {
    let now = app.clock.now();
    let id = Uuid::try_parse(challenge_id).map_err(|_| Failure::Refused(Refusal::NotFound))?;
    let challenge = app.challenges.find(id, now).await?.ok_or(Failure::Refused(Refusal::NotFound))?;
    refuse_ended(&challenge)?;
    if challenge.resend_at > now {
        return Err(Failure::Refused(Refusal::TooSoon { resend_at: challenge.resend_at, now }));
    }
    match challenge.purpose {
        Purpose::SignUp => {}
        Purpose::SignIn
        | Purpose::PasswordReset
        | Purpose::EmailChange
        | Purpose::PhoneChange
        | Purpose::Reauthentication
        | Purpose::ContactVerification
        | Purpose::Risk => return Err(Failure::Refused(Refusal::NotFound)),
    }
    app.rate_limits.take(Rule::CodesPerContact, &lockout::contact_limit_name(app, &challenge.contact), now).await?;
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    resend_sign_up(app, caller, &challenge, now).await
}

async fn resend_sign_up(app: &App, caller: &Caller, challenge: &Challenge, now: Timestamp) -> Result<Challenge, Failure<Refusal>> {
    let Some(sign_up) = sign_ups::find_live(app.database.read(), challenge.subject.unwrap_or_default(), now).await? else {
        return Err(Failure::Refused(Refusal::Exhausted));
    };
    let (meant, delivery) = if sign_up.decoy { (Meant::AsDecoy, Delivery::Decoy) } else { (Meant::Really, Delivery::Send) };
    let secrets = Secrets::draw(app, challenge.channel);
    let resend_at = now + app.config.codes.resend_after;
    let code_hash = secrets.code_hash(app, challenge.id, meant);
    let challenge = match app.challenges.reissue(challenge.id, code_hash, resend_at, now).await? {
        Reissue::Reissued(challenge) => challenge,
        Reissue::TooSoon(challenge) => return Err(Failure::Refused(Refusal::TooSoon { resend_at: challenge.resend_at, now })),
        Reissue::Refused(challenge) => return Err(refuse_ended(&challenge).err().unwrap_or(Failure::Refused(Refusal::Exhausted))),
        Reissue::Unknown => return Err(Failure::Refused(Refusal::NotFound)),
    };
    let mut change = Change::begin(app, caller, now).await?;
    let link_of = LinkOf { pending_sign_up_id: sign_up.id, expires_at: sign_up.expires_at };
    let nobody: Option<&users::Model> = None;
    let letter =
        Letter { template: Template::SignUpCode { challenge_id: challenge.id }, locale: notify::locale(app, caller, nobody), delivery };
    send_code::run(app, &mut change, &challenge, secrets, link_of, letter).await?;
    let mut entry =
        Entry::success("sign_up", Category::Account, None).with(json!({ "channel": challenge.channel.as_str(), "resent": true }));
    entry.status = Status::Pending;
    change.audit(entry);
    change.commit().await?;
    Ok(challenge)
}

fn refuse_ended(challenge: &Challenge) -> Result<(), Failure<Refusal>> {
    match challenge.state {
        State::Pending => Ok(()),
        State::Done | State::Expired => Err(Failure::Refused(Refusal::Expired)),
        State::Exhausted => Err(Failure::Refused(Refusal::Exhausted)),
    }
}
