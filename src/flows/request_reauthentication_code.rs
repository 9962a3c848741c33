//! Sends the signed-in user a code for `reauthenticate`: only to an account that has nothing better, for its mailbox alone may be what a thief has.

use entity::{Channel, user_audit_log::Category};
use serde_json::json;

use super::{
    ask_for_code::new_challenge,
    caller::Caller,
    change::{self, Change},
    check_code::Budget,
    failure::Failure,
    notify, reauthentication_methods,
    send_code::{self, Letter, LinkOf, Meant},
};
use crate::{
    app::App,
    ephemeral::{
        challenges::{Challenge, Purpose},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
    storage::{audit::Entry, users as storage},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The account has something better, or no such contact that is proved.
    MethodDisabled,
}

/// Sends it.
pub async fn run(app: &App, caller: &Caller, channel: Channel) -> Result<Challenge, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let session_id = me.live.session.id;
    // Fresh, for the cached row may be older than the last change of password.
    let user = storage::find_by_id(app.database.read(), me.live.user.id).await?;
    let user = user.ok_or(Failure::Refused(Refusal::MethodDisabled))?;
    let Some(target) = reauthentication_methods::code_channels(app, &user).await?.into_iter().find(|(offered, _)| *offered == channel)
    else {
        let entry = Entry::failure("reauthentication", Category::Authentication, Some(user.id), "METHOD_DISABLED").in_session(session_id);
        change::record(app, caller, vec![entry], now).await?;
        return Err(Failure::Refused(Refusal::MethodDisabled));
    };
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    let budget = Budget::Own(session_id);
    budget.take_send(app, caller, (target.0, &target.1), now).await?;
    let about = (Purpose::Reauthentication, Some(user.id), Some(session_id));
    let (challenge, secrets) = new_challenge(app, target, Meant::Really, about, now);
    app.challenges.create(&challenge, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    let template = Template::ReauthenticationCode { challenge_id: challenge.id };
    let letter = Letter { template, locale: notify::locale(app, caller, Some(&user)), delivery: Delivery::Send, budget };
    send_code::run(app, &mut change, &challenge, secrets, LinkOf::None, letter).await?;
    let mut entry = Entry::success("reauthentication", Category::Authentication, Some(user.id))
        .in_session(session_id)
        .with(json!({ "channel": challenge.channel.as_str() }));
    entry.status = entity::user_audit_log::Status::Pending;
    change.audit(entry);
    change.commit().await?;
    Ok(challenge)
}
