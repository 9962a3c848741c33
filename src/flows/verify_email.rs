//! Finishes a sign-up with the token of the link. Signs nobody in: who opens a link may be a mail scanner, or on another device.
//!
//! 1. The token must be live, and its sign-up too. Looking uses nothing up.
//! 2. What was typed at the sign-up is kept in the browser that began, or with its password (a wrong one counts as a failed sign-in and
//!    uses nothing up); otherwise it is dropped, for who typed it may not be who owns the address.
//! 3. One change: the token and its challenge are spent, the account is made.

use entity::{
    link_tokens::{self, Purpose},
    pending_sign_ups,
    user_audit_log::Category,
};

use super::{
    caller::Caller,
    change::{self, Change},
    confirm_sign_up::parse_username,
    failure::Failure,
    lockout::Subject,
    make_account::{self, Taken, TypedBy},
    prove_password::{self, Guess, Proof},
    verify_contact_link,
};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::{keyed_hash::constant_time_eq, opaque_token::OpaqueToken},
    domain::password::Password,
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::{audit::Entry, link_tokens as storage, pending_sign_ups as sign_ups, spent_tokens},
};

/// What the page sends.
pub struct Input {
    /// Of the link.
    pub token: String,
    /// The one chosen at the sign-up.
    pub password: Option<String>,
    /// Instead of the one of the sign-up.
    pub username: Option<String>,
}

/// A verified address.
pub struct Outcome {
    /// Which.
    pub email: String,
    /// Since when.
    pub verified_at: Timestamp,
    /// Whether the password chosen at the sign-up holds.
    pub password_kept: bool,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Never was one, was used, or its sign-up is over.
    TokenInvalid,
    /// Too late.
    TokenExpired,
    /// Not the password of the sign-up.
    CredentialsInvalid,
    /// The account's password is needed, and none was typed.
    PasswordRequired,
    /// The account has no password: the link counts in the browser that asked for it, or where the account is signed in.
    SessionRequired,
    /// Too many wrong ones.
    Locked {
        /// When it ends.
        until: Timestamp,
        /// When it was refused.
        now: Timestamp,
    },
    /// Not a username.
    UsernameInvalid,
    /// Somebody has it; the link is still good.
    UsernameTaken,
    /// The address belongs to an account by now.
    EmailTaken,
}

impl Refusal {
    /// As the audit log has it; `None` where the check of the password has written it already.
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::TokenInvalid => Some("TOKEN_INVALID"),
            Self::TokenExpired => Some("TOKEN_EXPIRED"),
            Self::CredentialsInvalid | Self::Locked { .. } => None,
            Self::PasswordRequired => Some("CREDENTIALS_INVALID"),
            Self::SessionRequired => Some("METHOD_DISABLED"),
            Self::UsernameInvalid => Some("USERNAME_INVALID"),
            Self::UsernameTaken => Some("USERNAME_TAKEN"),
            Self::EmailTaken => Some("EMAIL_TAKEN"),
        }
    }
}

/// Verifies an address.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let hash = OpaqueToken::parse(&input.token);
    let found = match &hash {
        Some(hash) => storage::find_by_hash(app.database.read(), hash).await?.filter(|link| link.purpose == Purpose::EmailVerification),
        None => None,
    };
    if let Some(link) = found.as_ref().filter(|link| link.user_id.is_some()) {
        return verify_contact_link::run(app, caller, link.clone(), input.password.as_deref(), now).await;
    }
    let ended = verify(app, caller, found, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended
        && let Some(code) = refusal.code()
    {
        change::record(app, caller, vec![Entry::failure("sign_up", Category::Account, None, code)], now).await?;
    }
    ended
}

async fn verify(
    app: &App,
    caller: &Caller,
    token: Option<link_tokens::Model>,
    input: Input,
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let username = parse_username(input.username.as_deref()).ok_or(Failure::Refused(Refusal::UsernameInvalid))?;
    let (token, sign_up) = find(app, token, now).await?;
    let typed_by = judge(app, caller, &sign_up, input.password.as_deref(), now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", &sign_up.contact).await?;
    if !storage::consume(change.db(), &token.token_hash, Purpose::EmailVerification, now).await? {
        return Err(Failure::Refused(Refusal::TokenInvalid));
    }
    let challenge_ends = now + app.config.sign_up.pending_ttl;
    if !spent_tokens::consume(change.db(), "challenge", &sign_up.challenge_id.to_string(), challenge_ends).await? {
        return Err(Failure::Refused(Refusal::TokenInvalid));
    }
    let user = make_account::run(app, caller, &mut change, &sign_up, username, typed_by).await.map_err(|failure| {
        failure.map(|conflict| match conflict {
            Taken::Username => Refusal::UsernameTaken,
            Taken::Contact => Refusal::EmailTaken,
        })
    })?;
    change.commit().await?;
    // The spent token has the last word; this lets waiting tabs see how it ended.
    let _ = app.challenges.finish(sign_up.challenge_id, now).await;
    Ok(Outcome { email: sign_up.contact, verified_at: now, password_kept: user.password_hash.is_some() })
}

async fn find(
    app: &App,
    token: Option<link_tokens::Model>,
    now: Timestamp,
) -> Result<(link_tokens::Model, pending_sign_ups::Model), Failure<Refusal>> {
    let invalid = || Failure::Refused(Refusal::TokenInvalid);
    let db = app.database.read();
    let token = token.ok_or_else(invalid)?;
    if token.used_at.is_some() {
        return Err(invalid());
    }
    if token.expires_at <= now {
        return Err(Failure::Refused(Refusal::TokenExpired));
    }
    let sign_up_id = token.pending_sign_up_id.ok_or_else(invalid)?;
    let sign_up = sign_ups::find_live(db, sign_up_id, now).await?.filter(|sign_up| !sign_up.decoy).ok_or_else(invalid)?;
    Ok((token, sign_up))
}

async fn judge(
    app: &App,
    caller: &Caller,
    sign_up: &pending_sign_ups::Model,
    typed: Option<&str>,
    now: Timestamp,
) -> Result<TypedBy, Failure<Refusal>> {
    let began_here = match (&sign_up.device_hash, caller.device_hash()) {
        (Some(of_sign_up), Some(of_caller)) => constant_time_eq(of_sign_up, &of_caller),
        _ => false,
    };
    let (Some(typed), Some(chosen)) = (typed, &sign_up.password_hash) else {
        return Ok(if began_here { TypedBy::Prover } else { TypedBy::Anybody });
    };
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let subject = sign_up.id.to_string();
    let password = Password::parse(typed, 1, app.config.passwords.max_length).ok();
    let guess = Guess { subject: Subject::Nobody(&subject), hash: Some(chosen), password: password.as_ref(), event_type: "login" };
    match prove_password::guess(app, caller, guess, now).await? {
        Proof::Right { .. } => Ok(TypedBy::Prover),
        Proof::Wrong => Err(Failure::Refused(Refusal::CredentialsInvalid)),
        Proof::Locked { until } => Err(Failure::Refused(Refusal::Locked { until, now })),
    }
}
