//! What text messages may cost: how many go to a number, and for an account, a block of addresses, a country and in all.
//!
//! Counted before anything is known of who owns the number, so that a cap tells nobody whether there is an account. Nothing is
//! sent that could not be counted: while the store is away, the answer is OVERLOADED.

use std::net::IpAddr;

use uuid::Uuid;

use super::{caller::Caller, check_code::Budget, failure::Failure, lockout};
use crate::{
    app::App,
    clock::Timestamp,
    domain::contact::Phone,
    ephemeral::rate_limits::{Rule, block_subject, ip_subject},
};

/// Who asks for a code.
#[derive(Clone, Debug)]
pub struct Asker {
    ip: IpAddr,
    account: Option<Account>,
}

#[derive(Clone, Debug)]
struct Account {
    id: Uuid,
    phone: Option<String>,
}

impl Asker {
    /// As far as a number's owner is concerned.
    pub fn of(caller: &Caller) -> Self {
        let account = caller.signed_in().ok().map(|me| {
            let user = &me.live.user;
            Account { id: user.id, phone: user.phone.clone().filter(|_| user.phone_verified_at.is_some()) }
        });
        Self { ip: caller.ip, account }
    }
}

/// Refuses another code to `number` a moment after the last one that the same account or device, or a stranger at the same address, asked for:
/// whoever presses twice, or means to run up costs, waits. Nobody waits for what was asked for elsewhere.
pub async fn cool_down<R>(app: &App, caller: &Caller, budget: Budget, number: &str, now: Timestamp) -> Result<(), Failure<R>> {
    let asker = match budget {
        Budget::OfContact => ip_subject(caller.ip),
        Budget::Own(id) | Budget::Wanted(id) => id.simple().to_string(),
    };
    let subject = format!("{}:{asker}", lockout::contact_limit_name(app, number));
    Ok(app.rate_limits.take_counted(Rule::SmsPause, &subject, now).await??)
}

/// Takes a share of every cap for one code to `number`, in the order in which a single person meets them, so that who is refused
/// early uses up nothing of what is everybody's.
pub async fn take<R>(app: &App, asker: Option<&Asker>, (budget, number): (Budget, &str), now: Timestamp) -> Result<(), Failure<R>> {
    let account = asker.and_then(|asker| asker.account.as_ref());
    // Strangers must not use up what an owner has for the own number, signed in or at a known device.
    let of_number = match account {
        Some(account) if account.phone.as_deref() == Some(number) => Budget::Own(account.id).number_name(app, number),
        Some(_) | None => budget.number_name(app, number),
    };
    let mut shares = vec![(Rule::SmsPerNumber, of_number)];
    shares.extend(account.map(|account| (Rule::SmsPerAccount, account.id.simple().to_string())));
    shares.extend(asker.map(|asker| (Rule::SmsPerBlock, block_subject(asker.ip))));
    shares.extend(Phone::parse(number, None).map(|phone| (Rule::SmsPerCountry, phone.country_code().to_owned())));
    shares.push((Rule::SmsInAll, "all".to_owned()));
    take_shares(app, shares, now).await
}

/// The same for a link that an administrator sends to `number`. What strangers ask for there has shares of its own, so that nobody can keep an
/// invitation from arriving.
pub async fn take_for_link<R>(app: &App, number: &str, now: Timestamp) -> Result<(), Failure<R>> {
    let mut shares = vec![(Rule::SmsPerNumber, format!("link:{}", lockout::contact_limit_name(app, number)))];
    shares.extend(Phone::parse(number, None).map(|phone| (Rule::SmsPerCountry, phone.country_code().to_owned())));
    shares.push((Rule::SmsInAll, "all".to_owned()));
    take_shares(app, shares, now).await
}

async fn take_shares<R>(app: &App, shares: Vec<(Rule, String)>, now: Timestamp) -> Result<(), Failure<R>> {
    for (rule, subject) in shares {
        if let Err(limited) = app.rate_limits.take_counted(rule, &subject, now).await? {
            note(rule, &subject);
            return Err(limited.into());
        }
    }
    Ok(())
}

/// Whether a notice may still go to `number`. Notices have shares of their own, of the same sizes: strangers who ask for codes cannot
/// silence them, and who changes an own account on and on runs up no costs.
pub async fn allows_notice(app: &App, number: &str, now: Timestamp) -> bool {
    let mut shares = vec![(Rule::SmsPerNumber, lockout::contact_limit_name(app, number))];
    shares.extend(Phone::parse(number, None).map(|phone| (Rule::SmsPerCountry, phone.country_code().to_owned())));
    shares.push((Rule::SmsInAll, "all".to_owned()));
    for (rule, subject) in shares {
        if app.rate_limits.take_counted_or_here(rule, &format!("notice:{subject}"), now).await.is_err() {
            note(rule, &subject);
            return false;
        }
    }
    true
}

fn note(rule: Rule, subject: &str) {
    metrics::counter!("postern_sms_capped_total", "cap" => rule.name()).increment(1);
    if matches!(rule, Rule::SmsInAll | Rule::SmsPerCountry) {
        tracing::warn!(cap = rule.name(), subject, "no more text messages today: somebody may be running up costs");
    }
}
