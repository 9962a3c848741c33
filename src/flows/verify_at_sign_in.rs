//! The first sign-in of an account whose contact nobody proved yet (an imported one): after the right password a code goes to that contact, and
//! only with both a session begins. What stands in the account stays: who has the password and reads the mail is who it was made for.

use entity::{
    Channel,
    account_events::Kind,
    user_audit_log::{Category, Status},
    user_sessions::{LoginMethod, TokenDelivery},
    users,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    ask_for_code::new_challenge,
    assess_risk::Failures,
    caller::Caller,
    change::Change,
    check_code::Budget,
    confirm_sign_up,
    failure::Failure,
    notify,
    release_contact::{self, Holders},
    second_step::{self, FirstFactor, Gate},
    send_code::{self, Letter, LinkOf, Meant},
    sign_in::{self, Outcome, find_device},
    start_session::{self, NewSession},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::contact::Contact,
    ephemeral::{
        challenges::{Challenge, Purpose},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
    storage::{
        audit::Entry,
        spent_tokens, user_contacts,
        users::{self as storage, ProvedContact, SignIn},
    },
};

/// The contact that has to be proved first; `None` where one is proved, or there is none.
pub fn unproved_contact(user: &users::Model) -> Option<(Channel, String)> {
    if user.email_verified_at.is_some() || user.phone_verified_at.is_some() {
        return None;
    }
    let email = user.email.clone().map(|email| (Channel::Email, email));
    email.or_else(|| user.phone.clone().map(|phone| (Channel::Sms, phone)))
}

/// Sends the code. `write` is what the right password changes.
pub async fn begin(
    app: &App,
    caller: &Caller,
    (user, contact): (&users::Model, (Channel, String)),
    write: SignIn<'_>,
    now: Timestamp,
) -> Result<Challenge, Failure<sign_in::Refusal>> {
    if !Contact::from_canonical(&contact.1).is_some_and(|contact| app.reaches_contact(&contact)) {
        return Err(Failure::Refused(sign_in::Refusal::ChannelDisabled));
    }
    // The password was right: what strangers ask for must not keep its owner out.
    let budget = Budget::Own(user.id);
    budget.take_send(app, caller, (contact.0, &contact.1), now).await?;
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    let (challenge, secrets) = new_challenge(app, contact, Meant::Really, (Purpose::SignUp, Some(user.id), None), now);
    app.challenges.create(&challenge, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    if !storage::keep_password(change.db(), user.id, write).await? {
        return Err(Failure::Refused(sign_in::Refusal::CredentialsInvalid));
    }
    let template = Template::VerificationCode { challenge_id: challenge.id };
    let letter = Letter { template, locale: notify::locale(app, caller, Some(user)), delivery: Delivery::Send, budget };
    send_code::run(app, &mut change, &challenge, secrets, LinkOf::None, letter).await?;
    let mut entry = Entry::success("login", Category::Authentication, Some(user.id))
        .with(json!({ "channel": challenge.channel.as_str(), "verificationRequired": true }));
    entry.status = Status::Pending;
    change.audit(entry);
    change.commit().await?;
    Ok(challenge)
}

/// The right code came: the contact is proved, and the session begins.
pub async fn finish(
    app: &App,
    caller: &Caller,
    (challenge, user_id): (&Challenge, Uuid),
    delivery: TokenDelivery,
    now: Timestamp,
) -> Result<Outcome, Failure<confirm_sign_up::Refusal>> {
    let gone = || Failure::Refused(confirm_sign_up::Refusal::CodeInvalid { attempts_left: None });
    let contact = (challenge.channel, challenge.contact.as_str());
    let known_device = find_device(app, caller, Some(user_id)).await?;
    let by = ProvedContact { channel: contact.0, contact: contact.1, since: challenge.created_at };
    let (login_method, amr) = (LoginMethod::Password, &["pwd", "otp"]);
    let before = storage::find_by_id(app.database.read(), user_id).await?.ok_or_else(gone)?;
    let first = FirstFactor {
        user: &before,
        known_device: known_device.as_ref(),
        login_method,
        amr,
        proved: Some(by),
        identity: None,
        failures: Failures::Unknown,
    };
    let gate = second_step::run(app, caller, first, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", contact.1).await?;
    // The account first: every flow takes its row before the tokens. Whoever proved the contact meanwhile has taken it away from this account.
    let proved = user_contacts::verify(change.db(), user_id, contact, now).await.map_err(|error| {
        if error.is_conflict_on("users", "email") || error.is_conflict_on("users", "phone") {
            Failure::Refused(confirm_sign_up::contact_taken(contact.0))
        } else {
            error.into()
        }
    })?;
    if !proved || !storage::advance_sign_in_by_contact(change.db(), user_id, by, now).await? {
        return Err(gone());
    }
    if !spent_tokens::consume(change.db(), "challenge", &challenge.id.to_string(), challenge.gone_at()).await? {
        return Err(gone());
    }
    let user = storage::find_by_id(change.db(), user_id).await?.ok_or_else(gone)?;
    release_contact::run(&mut change, contact, user_id, Holders::Keep).await?;
    change.tell(if contact.0 == Channel::Email { Kind::EmailVerified } else { Kind::PhoneVerified }, user_id);
    change.audit(
        Entry::success("contact_verification", Category::Account, Some(user_id)).with(json!({ "channel": challenge.channel.as_str() })),
    );
    let clearance = match gate {
        Gate::Open(clearance) => clearance,
        Gate::Asks(mut asked) => {
            second_step::send(app, caller, &mut change, (&user, login_method), &mut asked).await?;
            change.commit().await?;
            return Ok(Outcome::SecondFactorRequired(asked));
        }
    };
    let new = NewSession { user: &user, login_method, amr, clearance, delivery, known_device, is_new_user: false };
    let started = start_session::run(app, caller, &mut change, new).await?;
    Ok(Outcome::SignedIn(started.commit(change, user).await?))
}
