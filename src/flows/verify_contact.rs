//! Sends a code, by e-mail also a link, to a contact that the signed-in user has but never proved.
//!
//! Where somebody else has proved it, the code matches nothing and the owner gets a message instead, as with a change of contact.

use entity::{
    Channel, Timestamp,
    link_tokens::Purpose as LinkPurpose,
    user_audit_log::{Category, Status},
    users,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    ask_for_code::new_challenge,
    caller::{Caller, SignedIn},
    change::{self, Change},
    change_contact::{self, Code},
    check_code::Budget,
    failure::Failure,
    hold_account,
    send_code::{LinkOf, Meant},
    sign_up::find_owner,
};
use crate::{
    app::App,
    domain::contact::Contact,
    ephemeral::{
        challenges::{Challenge, Purpose},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::Template,
    storage::{audit::Entry, users as storage},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The account has no such contact, or has proved it.
    NothingToVerify,
    /// Nothing can be sent by this channel here.
    ChannelDisabled,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::NothingToVerify => "NOT_FOUND",
            Self::ChannelDisabled => "METHOD_DISABLED",
        }
    }
}

/// Sends it.
pub async fn run(app: &App, caller: &Caller, channel: Channel) -> Result<Challenge, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let ended = ask(app, caller, me, channel, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure("contact_verification", Category::Account, Some(me.live.user.id), refusal.code());
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn ask(app: &App, caller: &Caller, me: &SignedIn, channel: Channel, now: Timestamp) -> Result<Challenge, Failure<Refusal>> {
    if !app.reaches(channel) {
        return Err(Failure::Refused(Refusal::ChannelDisabled));
    }
    let user_id = me.live.user.id;
    // Fresh, for an import or an administrator may just have given it.
    let user = storage::find_by_id(app.database.read(), user_id).await?;
    let contact = user.as_ref().and_then(|user| unverified(user, channel)).ok_or(Failure::Refused(Refusal::NothingToVerify))?;
    if !app.reaches_contact(&contact) {
        return Err(Failure::Refused(Refusal::ChannelDisabled));
    }
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    Budget::Wanted(user_id).take_send(app, caller, (channel, contact.as_str()), now).await?;
    let owner = find_owner(app, &contact).await?;
    let meant = if owner.is_some() { Meant::AsDecoy } else { Meant::Really };
    let about = (Purpose::ContactVerification, Some(user_id), None);
    let (challenge, secrets) = new_challenge(app, (channel, contact.as_str().to_owned()), meant, about, now);
    app.challenges.create(&challenge, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    let template = Template::VerificationCode { challenge_id: challenge.id };
    let code = Code { challenge: &challenge, secrets, link_of: link_of(app, caller, user_id, now), template };
    change_contact::send(app, caller, &mut change, code, (&user, owner.as_ref())).await?;
    change.audit(requested(&challenge, me));
    change.commit().await?;
    Ok(challenge)
}

/// The link of the message. It has a row of its own also where the contact is somebody else's, so that it costs the same; then its token
/// reaches nobody.
pub fn link_of(app: &App, caller: &Caller, user_id: Uuid, now: Timestamp) -> LinkOf {
    LinkOf::Account {
        user_id: Some(user_id),
        purpose: LinkPurpose::EmailVerification,
        device_hash: caller.device_hash(),
        reset_attempt_id: None,
        expires_at: now + app.config.sign_up.pending_ttl,
    }
}

/// The contact of a user by this channel, where it is not proved.
fn unverified(user: &users::Model, channel: Channel) -> Option<Contact> {
    let (contact, verified_at) = match channel {
        Channel::Email => (&user.email, user.email_verified_at),
        Channel::Sms => (&user.phone, user.phone_verified_at),
    };
    contact.as_deref().filter(|_| verified_at.is_none()).and_then(Contact::from_canonical)
}

fn requested(challenge: &Challenge, me: &SignedIn) -> Entry {
    let entry = Entry::success("contact_verification", Category::Account, Some(me.live.user.id)).in_session(me.live.session.id);
    Entry { status: Status::Pending, ..entry.with(json!({ "channel": challenge.channel.as_str() })) }
}
