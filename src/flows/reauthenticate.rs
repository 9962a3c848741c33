//! Proves again who is there: the session keeps its id, its `auth_time` is now, and its tokens are new.
//!
//! A refresh token in a cookie stays as it is, for other tabs hold the same one. One that travels in bodies is replaced by a fresh one,
//! since its secret is not at hand to derive the next from; the old one works until the new one was used.

use entity::{
    Channel,
    account_events::Kind,
    user_audit_log::Category,
    user_sessions::{self, LoginMethod, SecondFactor, TokenDelivery},
    users,
};
use sea_orm::ActiveEnum as _;
use serde_json::{Value, json};

use super::{
    caller::{Caller, Reason, SignedIn},
    change::{self, Change},
    check_code::{self, Budget},
    check_factor::{self, Checked, Given as TypedFactor, Holder},
    failure::Failure,
    issue_tokens,
    lockout::{PasswordCounter, Subject},
    oauth_trip::{self, Intent},
    passkey_assertion::{self, Asserted},
    proof,
    prove_password::{self, Attempt, Proof},
    reauthentication_methods,
    refresh_session::{self, Outcome},
    start_session,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::password::Password,
    ephemeral::{
        challenges::Purpose,
        rate_limits::{Rule, ip_subject},
    },
    storage::{
        attempt_counters,
        audit::Entry,
        error::StorageError,
        identities, known_devices,
        rotations::Branches,
        sessions::{self, NewProof},
        users as user_storage,
    },
};

/// With what.
pub enum Given {
    /// As typed.
    Password(String),
    /// A code of the authenticator app.
    Totp(String),
    /// A recovery code.
    RecoveryCode(String),
    /// A code, for an account that has nothing better.
    Code {
        /// As `requestReauthenticationCode` gave it.
        challenge_id: String,
        /// As typed.
        code: String,
    },
    /// What came back from a provider that is linked.
    OAuth {
        /// That came back with the browser.
        code: String,
        /// What the client kept.
        code_verifier: String,
    },
    /// What a passkey answered.
    Passkey {
        /// Of the ceremony that this session began.
        login_token: String,
        /// `AuthenticationResponseJSON`.
        credential: Value,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the password.
    CredentialsInvalid,
    /// Too many wrong ones.
    Locked {
        /// When it ends.
        until: Timestamp,
        /// When it was refused.
        now: Timestamp,
    },
    /// The code is none.
    Code(proof::Refusal),
    /// The second factor is not right, or used up.
    FactorInvalid,
    /// No authenticator app is set up.
    TotpNotEnabled,
    /// The account has something better by now.
    MethodDisabled,
    /// Nothing came back from the provider.
    OAuth(oauth_trip::Refusal),
    /// Somebody else did.
    OtherIdentity,
    /// The passkey did not prove it.
    Passkey(passkey_assertion::Refusal),
}

/// A proof, to be used up by the change that follows.
enum Proved {
    Password(PasswordCounter),
    Factor(Checked),
    Code(super::proof::Proof),
    OAuth(oauth_trip::Taken),
    Passkey(Asserted),
}

impl Proved {
    /// As the audit log names it.
    fn method(&self) -> String {
        let like_a_sign_in = match self {
            Self::Password(_) => LoginMethod::Password,
            Self::Factor(checked) => return checked.factor().to_value(),
            Self::Code(proof) if proof.contact().channel == Channel::Sms => LoginMethod::PhoneCode,
            Self::Code(_) => LoginMethod::EmailCode,
            Self::OAuth(_) => LoginMethod::Oauth,
            Self::Passkey(_) => LoginMethod::Passkey,
        };
        start_session::method_name(like_a_sign_in).to_owned()
    }
}

/// Proves it.
pub async fn run(app: &App, caller: &Caller, given: Given) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    // Fresh, for the cached row may be older than the last change of factor or password.
    let user = user_storage::find_by_id(app.database.read(), me.live.user.id).await?;
    let user = user.ok_or(Failure::Unauthenticated(Reason::SessionEnded))?;
    if user.totp_enabled_at.is_some() && matches!(given, Given::Password(_)) {
        // Where the second step is on, a password is less than what is asked for.
        let entry = Entry::failure("reauthentication", Category::Authentication, Some(user.id), "METHOD_DISABLED");
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
        return Err(Failure::Refused(Refusal::MethodDisabled));
    }
    let proved = match given {
        Given::Password(typed) => match prove(app, caller, me, &typed, "reauthentication", now).await? {
            Proof::Right { counter, .. } => Proved::Password(counter),
            Proof::Wrong => return Err(Failure::Refused(Refusal::CredentialsInvalid)),
            Proof::Locked { until } => return Err(Failure::Refused(Refusal::Locked { until, now })),
        },
        Given::Totp(code) => Proved::Factor(check_own_factor(app, caller, (me, &user), TypedFactor::Totp(&code), now).await?),
        Given::RecoveryCode(code) => {
            Proved::Factor(check_own_factor(app, caller, (me, &user), TypedFactor::RecoveryCode(&code), now).await?)
        }
        Given::Code { challenge_id, code } => {
            let checked = check_own_code(app, me, (&challenge_id, &code), now).await;
            if let Err(Failure::Refused(refusal)) = &checked {
                let code = match refusal {
                    Refusal::Code(refusal) => refusal.code(),
                    Refusal::MethodDisabled
                    | Refusal::CredentialsInvalid
                    | Refusal::Locked { .. }
                    | Refusal::FactorInvalid
                    | Refusal::TotpNotEnabled
                    | Refusal::OAuth(_)
                    | Refusal::OtherIdentity
                    | Refusal::Passkey(_) => "METHOD_DISABLED",
                };
                refused(app, caller, me, code, now).await?;
            }
            Proved::Code(checked?)
        }
        Given::OAuth { code, code_verifier } => {
            let collected = oauth_trip::collect(app, (&code, &code_verifier), Intent::Reauthenticate, Some(me.live.session.id), now).await;
            if let Err(Failure::Refused(refusal)) = &collected {
                refused(app, caller, me, refusal.code(), now).await?;
            }
            Proved::OAuth(collected.map_err(|failure| failure.map(Refusal::OAuth))?)
        }
        Given::Passkey { login_token, credential } => {
            let checked = passkey_assertion::check_for_session(app, me, (&login_token, &credential), now).await;
            if let Err(Failure::Refused(refusal)) = &checked {
                let entry = refusal.entry("reauthentication", Some(me.live.user.id)).in_session(me.live.session.id);
                change::record(app, caller, vec![entry], now).await?;
            }
            Proved::Passkey(checked.map_err(|failure| failure.map(Refusal::Passkey))?)
        }
    };
    let result = make_recent(app, caller, (me, &user), &proved, now).await;
    if let (Proved::OAuth(_), Err(Failure::Refused(refusal))) = (&proved, &result) {
        refused(app, caller, me, if *refusal == Refusal::OtherIdentity { "IDENTITY_CONFLICT" } else { "METHOD_DISABLED" }, now).await?;
    }
    if let Proved::Code(code) = &proved {
        match &result {
            Ok(_) => code.finish(app, now).await,
            Err(_) => code.give_back(app, now).await,
        }
    }
    result
}

/// Writes down what proved nothing.
async fn refused(app: &App, caller: &Caller, me: &SignedIn, code: &'static str, now: Timestamp) -> Result<(), StorageError> {
    let entry = Entry::failure("reauthentication", Category::Authentication, Some(me.live.user.id), code);
    change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await
}

/// The code must have been asked for by this very session, and count for the account as it is now.
async fn check_own_code(
    app: &App,
    me: &SignedIn,
    (challenge_id, code): (&str, &str),
    now: Timestamp,
) -> Result<super::proof::Proof, Failure<Refusal>> {
    let refused = |failure: Failure<check_code::Refusal>| failure.map(|refusal| Refusal::Code(refusal.into()));
    let unknown = || Failure::Refused(Refusal::Code(proof::Refusal::CodeInvalid { attempts_left: None }));
    let challenge = check_code::find(app, challenge_id, Purpose::Reauthentication, now).await.map_err(refused)?;
    if challenge.subject != Some(me.live.session.id) {
        return Err(unknown());
    }
    let user = user_storage::find_by_id(app.database.read(), me.live.user.id).await?.ok_or_else(unknown)?;
    let wanted = (challenge.channel, challenge.contact.clone());
    if !reauthentication_methods::code_channels(app, &user).await?.contains(&wanted) {
        return Err(Failure::Refused(Refusal::MethodDisabled));
    }
    let checked = check_code::run(app, challenge, code, Budget::Own(me.live.session.id), now).await.map_err(refused)?;
    Ok(super::proof::Proof::Code(checked))
}

/// The factor of the signed-in user, under the allowance of the device that the session is on.
async fn check_own_factor(
    app: &App,
    caller: &Caller,
    (me, user): (&SignedIn, &users::Model),
    given: TypedFactor<'_>,
    now: Timestamp,
) -> Result<Checked, Failure<Refusal>> {
    if user.totp_enabled_at.is_none() {
        return Err(Failure::Refused(Refusal::TotpNotEnabled));
    }
    let device = match me.live.session.known_device_id {
        Some(id) => known_devices::find_by_id(app.database.read(), id).await?,
        None => None,
    };
    let holder = Holder { user, known_device: device.as_ref(), event_type: "reauthentication" };
    match check_factor::run(app, caller, holder, given, now).await? {
        Ok(checked) => Ok(checked),
        Err(refusal) => {
            check_factor::record_refusal(app, caller, holder, refusal, now).await?;
            Err(Failure::Refused(match refusal {
                check_factor::Refusal::Wrong => Refusal::FactorInvalid,
                check_factor::Refusal::Locked { until } => Refusal::Locked { until, now },
            }))
        }
    }
}

async fn make_recent(
    app: &App,
    caller: &Caller,
    (me, user): (&SignedIn, &users::Model),
    proved: &Proved,
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let user_id = user.id;
    let mut change = Change::begin(app, caller, now).await?;
    let proof = match proved {
        Proved::Password(counter) => {
            attempt_counters::clear_later(change.later(), counter.counted().kind, counter.counted().key);
            NewProof { amr: with_methods(&me.live.session, &["pwd"]), is_strong: false, second_factor: None }
        }
        Proved::Factor(checked) => {
            if !checked.spend(app, caller, &mut change, user).await? {
                return Err(Failure::Refused(Refusal::FactorInvalid));
            }
            factor_given(&me.live.session, checked.factor())
        }
        Proved::Code(code) => {
            if !code.spend(app, &change).await? {
                return Err(Failure::Refused(Refusal::Code(code.gone())));
            }
            NewProof { amr: with_methods(&me.live.session, &["otp"]), is_strong: false, second_factor: None }
        }
        Proved::OAuth(taken) => {
            by_identity(&change, me, taken).await?;
            NewProof { amr: with_methods(&me.live.session, &["fed"]), is_strong: false, second_factor: None }
        }
        Proved::Passkey(asserted) => {
            if !asserted.spend(&change).await? {
                return Err(Failure::Refused(Refusal::Passkey(asserted.gone())));
            }
            NewProof { amr: with_methods(&me.live.session, &asserted.amr()), is_strong: true, second_factor: None }
        }
    };
    if !sessions::advance_authentication(change.db(), me.live.session.id, proof, now).await? {
        return Err(Failure::Unauthenticated(Reason::SessionEnded));
    }
    change.tell_session(Kind::SessionRefreshed, user_id, me.live.session.id);
    change.audit(
        Entry::success("reauthentication", Category::Authentication, Some(user_id))
            .in_session(me.live.session.id)
            .with(json!({ "method": proved.method() })),
    );
    change.commit().await?;
    let ended = || Failure::Unauthenticated(Reason::SessionEnded);
    let session = sessions::find_by_id(app.database.read(), me.live.session.id).await?.ok_or_else(ended)?;
    let user = user_storage::find_by_id(app.database.read(), user_id).await?.ok_or_else(ended)?;
    if session.token_delivery == TokenDelivery::Body {
        let next = refresh_session::fresh(app, &session);
        if let Some(outcome) = refresh_session::replace(app, caller, (&session, &user), &next, Branches::Yes, now).await? {
            return Ok(outcome);
        }
    }
    let tokens = issue_tokens::run(app, &session, &user, None, now)?;
    Ok(Outcome { session, user, tokens })
}

/// The account at the provider must be linked to this user; where a second factor is on, it is not enough.
async fn by_identity(change: &Change<'_>, me: &SignedIn, taken: &oauth_trip::Taken) -> Result<(), Failure<Refusal>> {
    let ended = || Failure::Unauthenticated(super::caller::Reason::SessionEnded);
    let user = user_storage::find_by_id_locked(change.db(), me.live.user.id).await?.ok_or_else(ended)?;
    if user.totp_enabled_at.is_some() {
        return Err(Failure::Refused(Refusal::MethodDisabled));
    }
    let linked = identities::find(change.db(), &taken.identity.issuer, &taken.identity.subject).await?;
    let linked = linked.filter(|linked| linked.user_id == user.id).ok_or(Failure::Refused(Refusal::OtherIdentity))?;
    identities::advance_use(change.db(), linked.id, taken.identity.shown_email.as_deref(), change.now).await?;
    if taken.spend(change).await? { Ok(()) } else { Err(Failure::Refused(Refusal::OAuth(oauth_trip::Refusal::CodeInvalid))) }
}

/// Checks the password of the signed-in user, under the allowance of the device that the session is on.
pub async fn prove<R>(
    app: &App,
    caller: &Caller,
    me: &SignedIn,
    typed: &str,
    event_type: &'static str,
    now: Timestamp,
) -> Result<Proof, Failure<R>> {
    // Fresh, for the cached row may be older than the last change of password.
    let user =
        user_storage::find_by_id(app.database.read(), me.live.user.id).await?.unwrap_or_else(|| entity::users::Model::clone(&me.live.user));
    let device = match me.live.session.known_device_id {
        Some(id) => known_devices::find_by_id(app.database.read(), id).await?,
        None => None,
    };
    let subject = match &device {
        Some(device) => Subject::Device(&user, device),
        None => Subject::Account(&user),
    };
    let password = Password::parse(typed, 1, app.config.passwords.max_length).ok();
    let attempt = Attempt { subject, password: password.as_ref(), event_type };
    prove_password::run(app, caller, attempt, now).await
}

/// What a session is after a code of the authenticator app.
pub fn totp_given(session: &user_sessions::Model) -> NewProof {
    factor_given(session, SecondFactor::Totp)
}

fn factor_given(session: &user_sessions::Model, factor: SecondFactor) -> NewProof {
    NewProof { amr: with_methods(session, &["otp", "mfa"]), is_strong: true, second_factor: Some(factor) }
}

fn with_methods(session: &user_sessions::Model, given: &[&str]) -> Value {
    let mut all: Vec<String> = serde_json::from_value(session.amr.clone()).unwrap_or_default();
    for method in given {
        if !all.iter().any(|known| known == method) {
            all.push((*method).to_owned());
        }
    }
    json!(all)
}
