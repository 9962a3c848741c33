//! Typed refusals: from every flow's refusal to its `ProblemCode`, one exhaustive match each, so that a new refusal does not compile
//! until it has a code.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

mod coins;
mod contacts;
mod factors;
mod invitations;
mod passkeys;
mod providers;
mod users;

use std::time::Duration;

use async_graphql::{Context, Enum, Error, Object, Result};
use entity::Channel;

use super::{context::ContextExt, error};
use crate::{
    clock::Timestamp,
    domain::{
        password::{PasswordRefusal, Weakness},
        profile::{Part, ProfileRefusal},
    },
    flows::{
        ask_for_code, avatar, cancel_account_deletion, change_password, confirm_sign_up, delete_account, export_account, failure::Failure,
        proof, reauthenticate, refresh_session, request_reauthentication_code, resend_challenge, reset_password, revoke_sessions,
        set_password, sign_in, sign_in_by_contact, sign_out, sign_up, update_profile, verify_email,
    },
};

/// Why a mutation did not do what it was asked.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum ProblemCode {
    InvalidInput,
    EmailInvalid,
    PhoneInvalid,
    UsernameInvalid,
    UsernameTaken,
    PasswordTooShort,
    PasswordTooLong,
    PasswordTooWeak,
    PasswordBreached,
    PasswordUnchanged,
    /// Wrong identifier or password; it does not say which.
    CredentialsInvalid,
    AccountLocked,
    AccountSuspended,
    AccountBanned,
    AccountInactive,
    CodeInvalid,
    CodeExpired,
    TooManyAttempts,
    ResendTooSoon,
    TokenInvalid,
    TokenExpired,
    SecondFactorInvalid,
    TotpAlreadyEnabled,
    TotpNotEnabled,
    PasskeyInvalid,
    PasskeyAlreadyRegistered,
    ProviderUnknown,
    ProviderFailed,
    /// The person said no at the provider.
    ProviderDenied,
    RedirectUriNotAllowed,
    /// The provider's account belongs to another user, or its address to an account that must first be signed in to and linked.
    IdentityConflict,
    LastSignInMethod,
    EmailTaken,
    PhoneTaken,
    /// An account needs an address, a number or a provider.
    ContactRequired,
    SignUpDisabled,
    MethodDisabled,
    SessionNotFound,
    UserNotFound,
    NotFound,
    RefreshTokenInvalid,
    RefreshTokenReused,
    FileTooLarge,
    FileTypeNotAllowed,
    InsufficientCoins,
    LastAdmin,
}

impl ProblemCode {
    /// For people, in their language.
    pub fn text(self, locale: Option<&str>) -> &'static str {
        let (english, thai) = self.texts();
        if locale == Some("th") { thai } else { english }
    }

    /// For people: English and Thai.
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidInput => ("This is not valid.", "ข้อมูลไม่ถูกต้อง"),
            Self::EmailInvalid => ("This is not a valid e-mail address.", "อีเมลไม่ถูกต้อง"),
            Self::PhoneInvalid => ("This is not a valid phone number.", "หมายเลขโทรศัพท์ไม่ถูกต้อง"),
            Self::UsernameInvalid => ("This cannot be a username.", "ใช้เป็นชื่อผู้ใช้ไม่ได้"),
            Self::UsernameTaken => ("This username is taken.", "ชื่อผู้ใช้นี้มีคนใช้แล้ว"),
            Self::PasswordTooShort => ("The password is too short.", "รหัสผ่านสั้นเกินไป"),
            Self::PasswordTooLong => ("The password is too long.", "รหัสผ่านยาวเกินไป"),
            Self::PasswordTooWeak => ("The password is too easy to guess.", "รหัสผ่านเดาง่ายเกินไป"),
            Self::PasswordBreached => ("This password is on lists of known passwords.", "รหัสผ่านนี้อยู่ในรายการรหัสผ่านที่รั่วไหล"),
            Self::PasswordUnchanged => ("The new password is the old one.", "รหัสผ่านใหม่ซ้ำกับรหัสผ่านเดิม"),
            Self::CredentialsInvalid => ("Wrong sign-in name or password.", "ชื่อหรือรหัสผ่านไม่ถูกต้อง"),
            Self::AccountLocked => ("Too many wrong passwords: try again later.", "ใส่รหัสผ่านผิดหลายครั้งเกินไป โปรดลองใหม่ภายหลัง"),
            Self::AccountSuspended => ("This account is suspended.", "บัญชีนี้ถูกระงับชั่วคราว"),
            Self::AccountBanned => ("This account is banned.", "บัญชีนี้ถูกระงับถาวร"),
            Self::AccountInactive => ("This account is not in use.", "บัญชีนี้ไม่ได้เปิดใช้งาน"),
            Self::CodeInvalid => ("The code is not right.", "รหัสไม่ถูกต้อง"),
            Self::CodeExpired => ("The code has expired: ask for a new one.", "รหัสหมดอายุแล้ว โปรดขอรหัสใหม่"),
            Self::TooManyAttempts => ("Too many wrong codes: ask for a new one later.", "ใส่รหัสผิดหลายครั้งเกินไป โปรดขอรหัสใหม่ภายหลัง"),
            Self::ResendTooSoon => ("A code was sent a moment ago.", "เพิ่งส่งรหัสไปเมื่อครู่"),
            Self::TokenInvalid => ("This link is not valid, or was used.", "ลิงก์ไม่ถูกต้องหรือถูกใช้ไปแล้ว"),
            Self::TokenExpired => ("This link has expired.", "ลิงก์หมดอายุแล้ว"),
            Self::SecondFactorInvalid => ("The second factor is not right.", "การยืนยันขั้นที่สองไม่ถูกต้อง"),
            Self::TotpAlreadyEnabled => ("An authenticator app is set up already.", "ตั้งค่าแอปยืนยันตัวตนไว้แล้ว"),
            Self::TotpNotEnabled => ("No authenticator app is set up.", "ยังไม่ได้ตั้งค่าแอปยืนยันตัวตน"),
            Self::PasskeyInvalid => ("The passkey was not accepted.", "พาสคีย์ไม่ถูกต้อง"),
            Self::PasskeyAlreadyRegistered => ("This passkey is registered already.", "พาสคีย์นี้ลงทะเบียนแล้ว"),
            Self::ProviderUnknown => ("There is no such provider.", "ไม่มีผู้ให้บริการนี้"),
            Self::ProviderFailed => ("The provider did not answer as it should.", "ผู้ให้บริการไม่ตอบสนองตามที่ควร"),
            Self::ProviderDenied => ("The provider was told no.", "ถูกปฏิเสธที่ผู้ให้บริการ"),
            Self::RedirectUriNotAllowed => ("This return address is not allowed.", "ที่อยู่สำหรับกลับไม่ได้รับอนุญาต"),
            Self::IdentityConflict => {
                ("This belongs to another account: sign in there and link it.", "เป็นของบัญชีอื่น โปรดเข้าสู่ระบบบัญชีนั้นแล้วเชื่อมโยง")
            }
            Self::LastSignInMethod => ("Nothing else would be left to sign in with.", "จะไม่เหลือวิธีเข้าสู่ระบบอื่น"),
            Self::EmailTaken => ("This e-mail address belongs to an account.", "อีเมลนี้มีบัญชีอยู่แล้ว"),
            Self::PhoneTaken => ("This phone number belongs to an account.", "หมายเลขโทรศัพท์นี้มีบัญชีอยู่แล้ว"),
            Self::ContactRequired => ("An account needs an address, a number or a provider.", "บัญชีต้องมีอีเมล หมายเลขโทรศัพท์ หรือผู้ให้บริการ"),
            Self::SignUpDisabled => ("New accounts are not taken here.", "ไม่เปิดรับสมัครบัญชีใหม่"),
            Self::MethodDisabled => ("This way is not offered here.", "ไม่เปิดให้ใช้วิธีนี้"),
            Self::SessionNotFound => ("There is no such session.", "ไม่พบเซสชันนี้"),
            Self::UserNotFound => ("There is no such user.", "ไม่พบผู้ใช้นี้"),
            Self::NotFound => ("There is no such thing.", "ไม่พบรายการนี้"),
            Self::RefreshTokenInvalid => ("The session is over: sign in again.", "เซสชันสิ้นสุดแล้ว โปรดเข้าสู่ระบบอีกครั้ง"),
            Self::RefreshTokenReused => {
                ("The session was ended, for its token was used twice: sign in again.", "เซสชันถูกยุติเพราะโทเค็นถูกใช้ซ้ำ โปรดเข้าสู่ระบบอีกครั้ง")
            }
            Self::FileTooLarge => ("The file is too large.", "ไฟล์ใหญ่เกินไป"),
            Self::FileTypeNotAllowed => ("Files of this type are not taken.", "ไม่รับไฟล์ประเภทนี้"),
            Self::InsufficientCoins => ("There are not enough coins.", "เหรียญไม่พอ"),
            Self::LastAdmin => ("The last administrator stays one.", "ต้องมีผู้ดูแลระบบอย่างน้อยหนึ่งคน"),
        }
    }
}

/// Why a mutation did not do what it was asked: a typed part of its answer. `problems` is empty exactly when it did.
/// What can meet every operation is a GraphQL error instead, with `extensions.code`: UNAUTHENTICATED (with `reason`: TOKEN_MISSING, TOKEN_EXPIRED, TOKEN_INVALID,
/// SESSION_ENDED), REAUTHENTICATION_REQUIRED, FORBIDDEN (with `reason` SECOND_FACTOR_REQUIRED where a production administrator has none), RATE_LIMITED (with `retryAfterSeconds`), OVERLOADED (likewise), BAD_REQUEST, CURSOR_EXPIRED,
/// OPERATION_TOO_COMPLEX, INTERNAL. Enums and unions grow: treat a value you do not know as "something else".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: ProblemCode,
    path: &'static [&'static str],
    retry_after: Option<Duration>,
    attempts_left: Option<u32>,
}

#[Object]
impl Problem {
    async fn code(&self) -> ProblemCode {
        self.code
    }

    /// For people, in the language of the request.
    async fn message(&self, ctx: &Context<'_>) -> Result<&'static str> {
        Ok(self.code.text(ctx.caller()?.locale.as_deref()))
    }

    /// The input field it is about, for example `["input", "password"]`.
    async fn path(&self) -> Option<&[&'static str]> {
        (!self.path.is_empty()).then_some(self.path)
    }

    /// How long to wait before it can succeed.
    async fn retry_after_seconds(&self) -> Option<i32> {
        self.retry_after.map(|wait| i32::try_from(error::whole_seconds(wait)).unwrap_or(i32::MAX))
    }

    /// Guesses left, where a code was wrong.
    async fn attempts_left(&self) -> Option<i32> {
        self.attempts_left.map(|left| i32::try_from(left).unwrap_or(i32::MAX))
    }
}

impl Problem {
    /// About the whole operation.
    pub const fn new(code: ProblemCode) -> Self {
        Self { code, path: &[], retry_after: None, attempts_left: None }
    }

    /// About an input field.
    pub const fn at(code: ProblemCode, path: &'static [&'static str]) -> Self {
        Self { code, path, retry_after: None, attempts_left: None }
    }

    /// What it is.
    pub const fn kind(&self) -> ProblemCode {
        self.code
    }

    /// The name of the input field that it is about.
    pub fn field(&self) -> Option<&'static str> {
        self.path.last().copied()
    }

    /// How long to wait before it can succeed.
    pub const fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    fn until(self, until: Timestamp, now: Timestamp) -> Self {
        Self { retry_after: Some(until.until(now)), ..self }
    }
}

/// Splits what a flow came to: an outcome, the problems of its refusal, or an error that can meet every operation. Counts it by the flow's name.
pub fn settle<T, R>(flow: &'static str, result: Result<T, Failure<R>>) -> Result<std::result::Result<T, Vec<Problem>>, Error>
where
    R: IntoProblems,
{
    let result = result.map_err(|failure| failure.map(IntoProblems::into_problems));
    metrics::counter!("postern_flows_total", "flow" => flow, "outcome" => outcome(&result)).increment(1);
    match result {
        Ok(outcome) => Ok(Ok(outcome)),
        Err(Failure::Refused(problems)) => Ok(Err(problems)),
        Err(failure) => Err(settle_error(failure)),
    }
}

/// What went wrong where nothing was refused, as an error.
pub fn settle_error<R>(failure: Failure<R>) -> Error {
    match failure {
        Failure::Refused(_) => error::internal("a refusal that nobody told"),
        Failure::RateLimited { retry_after } => error::rate_limited(retry_after),
        Failure::Overloaded { retry_after } => error::overloaded(retry_after),
        Failure::Unauthenticated(reason) => error::unauthenticated(reason),
        Failure::Forbidden => error::forbidden(),
        Failure::Fault(fault) => error::fault(fault),
    }
}

/// How it ended, for the metrics: `Done`, the code of the first problem, or why it could not be tried.
fn outcome<T>(result: &Result<T, Failure<Vec<Problem>>>) -> String {
    match result {
        Ok(_) => "Done".to_owned(),
        Err(Failure::Refused(problems)) => problems.first().map_or_else(|| "Refused".to_owned(), |problem| format!("{:?}", problem.code)),
        Err(Failure::RateLimited { .. }) => "RateLimited".to_owned(),
        Err(Failure::Overloaded { .. }) => "Overloaded".to_owned(),
        Err(Failure::Unauthenticated(_)) => "Unauthenticated".to_owned(),
        Err(Failure::Forbidden) => "Forbidden".to_owned(),
        Err(Failure::Fault(_)) => "Fault".to_owned(),
    }
}

/// What a refusal looks like from outside.
pub trait IntoProblems {
    /// At least one.
    fn into_problems(self) -> Vec<Problem>;
}

impl<R: Into<Problem>> IntoProblems for R {
    fn into_problems(self) -> Vec<Problem> {
        vec![self.into()]
    }
}

impl IntoProblems for Vec<sign_up::Refusal> {
    fn into_problems(self) -> Vec<Problem> {
        self.into_iter().map(Problem::from).collect()
    }
}

impl IntoProblems for Vec<update_profile::Refusal> {
    fn into_problems(self) -> Vec<Problem> {
        self.into_iter().map(Problem::from).collect()
    }
}

const PASSWORD: &[&str] = &["input", "password"];
const NEW_PASSWORD: &[&str] = &["input", "newPassword"];
const USERNAME: &[&str] = &["input", "username"];
const CODE: &[&str] = &["input", "code"];
const TOKEN: &[&str] = &["input", "token"];
const PROOF_TOKEN: &[&str] = &["input", "proof", "token"];
const PROOF_CODE: &[&str] = &["input", "proof", "code", "code"];

const fn of_password(refusal: PasswordRefusal, path: &'static [&'static str]) -> Problem {
    match refusal {
        PasswordRefusal::TooShort => Problem::at(ProblemCode::PasswordTooShort, path),
        PasswordRefusal::TooLong => Problem::at(ProblemCode::PasswordTooLong, path),
    }
}

const fn no_guesses(retry_after: Option<Duration>, path: &'static [&'static str]) -> Problem {
    Problem { attempts_left: Some(0), retry_after, ..Problem::at(ProblemCode::TooManyAttempts, path) }
}

const fn of_weakness(weakness: Weakness, path: &'static [&'static str]) -> Problem {
    match weakness {
        Weakness::TooWeak => Problem::at(ProblemCode::PasswordTooWeak, path),
        Weakness::Common | Weakness::Breached => Problem::at(ProblemCode::PasswordBreached, path),
    }
}

impl From<sign_up::Refusal> for Problem {
    fn from(refusal: sign_up::Refusal) -> Self {
        match refusal {
            sign_up::Refusal::Disabled => Self::new(ProblemCode::SignUpDisabled),
            sign_up::Refusal::ChannelDisabled => Self::at(ProblemCode::MethodDisabled, &["input", "contact"]),
            sign_up::Refusal::EmailInvalid => Self::at(ProblemCode::EmailInvalid, &["input", "contact", "email"]),
            sign_up::Refusal::PhoneInvalid => Self::at(ProblemCode::PhoneInvalid, &["input", "contact", "phone"]),
            sign_up::Refusal::Password(refusal) => of_password(refusal, PASSWORD),
            sign_up::Refusal::Weak(weakness) => of_weakness(weakness, PASSWORD),
            sign_up::Refusal::UsernameInvalid => Self::at(ProblemCode::UsernameInvalid, USERNAME),
            sign_up::Refusal::Profile(refusal) => Self::at(ProblemCode::InvalidInput, profile_path(refusal)),
        }
    }
}

const fn profile_path(refusal: ProfileRefusal) -> &'static [&'static str] {
    match refusal {
        ProfileRefusal::Text(Part::DisplayName) => &["input", "profile", "displayName"],
        ProfileRefusal::Text(Part::FullName) => &["input", "profile", "fullName"],
        ProfileRefusal::Text(Part::FirstName) => &["input", "profile", "firstName"],
        ProfileRefusal::Text(Part::LastName) => &["input", "profile", "lastName"],
        ProfileRefusal::Text(Part::Bio) => &["input", "profile", "bio"],
        ProfileRefusal::Text(Part::State) => &["input", "profile", "address", "state"],
        ProfileRefusal::Text(Part::PostalCode) => &["input", "profile", "address", "postalCode"],
        ProfileRefusal::Locale => &["input", "profile", "locale"],
        ProfileRefusal::DateOfBirth => &["input", "profile", "dateOfBirth"],
        ProfileRefusal::Country => &["input", "profile", "address", "country"],
    }
}

impl From<update_profile::Refusal> for Problem {
    fn from(refusal: update_profile::Refusal) -> Self {
        match refusal {
            update_profile::Refusal::UsernameInvalid => Self::at(ProblemCode::UsernameInvalid, USERNAME),
            update_profile::Refusal::UsernameTaken => Self::at(ProblemCode::UsernameTaken, USERNAME),
            update_profile::Refusal::Profile(refusal) => Self::at(ProblemCode::InvalidInput, profile_path(refusal)),
        }
    }
}

impl From<avatar::Refusal> for Problem {
    fn from(refusal: avatar::Refusal) -> Self {
        const FILE: &[&str] = &["input", "file"];
        match refusal {
            avatar::Refusal::TooLarge => Self::at(ProblemCode::FileTooLarge, FILE),
            avatar::Refusal::Type => Self::at(ProblemCode::FileTypeNotAllowed, FILE),
        }
    }
}

impl From<std::convert::Infallible> for Problem {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<confirm_sign_up::Refusal> for Problem {
    fn from(refusal: confirm_sign_up::Refusal) -> Self {
        match refusal {
            confirm_sign_up::Refusal::CodeInvalid { attempts_left } => Self { attempts_left, ..Self::at(ProblemCode::CodeInvalid, CODE) },
            confirm_sign_up::Refusal::CodeExpired => Self::at(ProblemCode::CodeExpired, CODE),
            confirm_sign_up::Refusal::TooManyAttempts { retry_after } => no_guesses(retry_after, CODE),
            confirm_sign_up::Refusal::UsernameInvalid => Self::at(ProblemCode::UsernameInvalid, USERNAME),
            confirm_sign_up::Refusal::UsernameTaken => Self::at(ProblemCode::UsernameTaken, USERNAME),
            confirm_sign_up::Refusal::EmailTaken => Self::new(ProblemCode::EmailTaken),
            confirm_sign_up::Refusal::PhoneTaken => Self::new(ProblemCode::PhoneTaken),
        }
    }
}

impl From<verify_email::Refusal> for Problem {
    fn from(refusal: verify_email::Refusal) -> Self {
        match refusal {
            verify_email::Refusal::TokenInvalid => Self::at(ProblemCode::TokenInvalid, TOKEN),
            verify_email::Refusal::TokenExpired => Self::at(ProblemCode::TokenExpired, TOKEN),
            verify_email::Refusal::CredentialsInvalid | verify_email::Refusal::PasswordRequired => {
                Self::at(ProblemCode::CredentialsInvalid, PASSWORD)
            }
            verify_email::Refusal::SessionRequired => Self::at(ProblemCode::MethodDisabled, TOKEN),
            verify_email::Refusal::Locked { until, now } => Self::new(ProblemCode::AccountLocked).until(until, now),
            verify_email::Refusal::UsernameInvalid => Self::at(ProblemCode::UsernameInvalid, USERNAME),
            verify_email::Refusal::UsernameTaken => Self::at(ProblemCode::UsernameTaken, USERNAME),
            verify_email::Refusal::EmailTaken => Self::new(ProblemCode::EmailTaken),
        }
    }
}

impl From<resend_challenge::Refusal> for Problem {
    fn from(refusal: resend_challenge::Refusal) -> Self {
        const CHALLENGE: &[&str] = &["input", "challengeId"];
        match refusal {
            resend_challenge::Refusal::NotFound => Self::at(ProblemCode::NotFound, CHALLENGE),
            resend_challenge::Refusal::Expired => Self::at(ProblemCode::CodeExpired, CHALLENGE),
            resend_challenge::Refusal::Exhausted => Self::at(ProblemCode::TooManyAttempts, CHALLENGE),
            resend_challenge::Refusal::TooSoon { resend_at, now } => Self::new(ProblemCode::ResendTooSoon).until(resend_at, now),
        }
    }
}

impl From<sign_in::Refusal> for Problem {
    fn from(refusal: sign_in::Refusal) -> Self {
        match refusal {
            sign_in::Refusal::CredentialsInvalid => Self::new(ProblemCode::CredentialsInvalid),
            sign_in::Refusal::Locked { until, now } => Self::new(ProblemCode::AccountLocked).until(until, now),
            sign_in::Refusal::Suspended => Self::new(ProblemCode::AccountSuspended),
            sign_in::Refusal::Banned => Self::new(ProblemCode::AccountBanned),
            sign_in::Refusal::Inactive => Self::new(ProblemCode::AccountInactive),
            sign_in::Refusal::ChannelDisabled => Self::new(ProblemCode::MethodDisabled),
        }
    }
}

impl From<refresh_session::Refusal> for Problem {
    fn from(refusal: refresh_session::Refusal) -> Self {
        match refusal {
            refresh_session::Refusal::Invalid => Self::new(ProblemCode::RefreshTokenInvalid),
            refresh_session::Refusal::Reused => Self::new(ProblemCode::RefreshTokenReused),
        }
    }
}

impl From<delete_account::Refusal> for Problem {
    fn from(refusal: delete_account::Refusal) -> Self {
        match refusal {
            delete_account::Refusal::LastAdmin => Self::new(ProblemCode::LastAdmin),
        }
    }
}

impl From<cancel_account_deletion::Refusal> for Problem {
    fn from(refusal: cancel_account_deletion::Refusal) -> Self {
        match refusal {}
    }
}

impl From<export_account::Refusal> for Problem {
    fn from(refusal: export_account::Refusal) -> Self {
        match refusal {}
    }
}

impl From<sign_out::Refusal> for Problem {
    fn from(refusal: sign_out::Refusal) -> Self {
        match refusal {}
    }
}

impl From<revoke_sessions::Refusal> for Problem {
    fn from(refusal: revoke_sessions::Refusal) -> Self {
        match refusal {
            revoke_sessions::Refusal::SessionNotFound => Self::at(ProblemCode::SessionNotFound, &["input", "sessionId"]),
        }
    }
}

impl From<reauthenticate::Refusal> for Problem {
    fn from(refusal: reauthenticate::Refusal) -> Self {
        match refusal {
            reauthenticate::Refusal::CredentialsInvalid => Self::at(ProblemCode::CredentialsInvalid, &["input", "proof", "password"]),
            reauthenticate::Refusal::Locked { until, now } => Self::new(ProblemCode::AccountLocked).until(until, now),
            reauthenticate::Refusal::Code(refusal) => of_proof(refusal, PROOF_TOKEN, PROOF_CODE),
            reauthenticate::Refusal::FactorInvalid => Self::at(ProblemCode::SecondFactorInvalid, &["input", "proof"]),
            reauthenticate::Refusal::TotpNotEnabled => Self::new(ProblemCode::TotpNotEnabled),
            reauthenticate::Refusal::MethodDisabled => Self::new(ProblemCode::MethodDisabled),
            reauthenticate::Refusal::OAuth(refusal) => providers::of_trip(refusal, &["input", "proof", "oauth", "code"]),
            reauthenticate::Refusal::OtherIdentity => Self::at(ProblemCode::IdentityConflict, &["input", "proof", "oauth"]),
            reauthenticate::Refusal::Passkey(refusal) => passkeys::of_step_up(refusal),
        }
    }
}

impl From<ask_for_code::Refusal> for Problem {
    fn from(refusal: ask_for_code::Refusal) -> Self {
        match refusal {
            ask_for_code::Refusal::EmailInvalid => Self::at(ProblemCode::EmailInvalid, &["input", "contact", "email"]),
            ask_for_code::Refusal::PhoneInvalid => Self::at(ProblemCode::PhoneInvalid, &["input", "contact", "phone"]),
            ask_for_code::Refusal::ChannelDisabled => Self::at(ProblemCode::MethodDisabled, &["input", "contact"]),
        }
    }
}

const fn of_proof(refusal: proof::Refusal, token: &'static [&'static str], code: &'static [&'static str]) -> Problem {
    match refusal {
        proof::Refusal::CodeInvalid { attempts_left } => Problem { attempts_left, ..Problem::at(ProblemCode::CodeInvalid, code) },
        proof::Refusal::CodeExpired => Problem::at(ProblemCode::CodeExpired, code),
        proof::Refusal::TooManyAttempts { retry_after } => no_guesses(retry_after, code),
        proof::Refusal::TokenInvalid => Problem::at(ProblemCode::TokenInvalid, token),
        proof::Refusal::TokenExpired => Problem::at(ProblemCode::TokenExpired, token),
    }
}

impl From<proof::Refusal> for Problem {
    fn from(refusal: proof::Refusal) -> Self {
        of_proof(refusal, TOKEN, CODE)
    }
}

impl From<sign_in_by_contact::Refusal> for Problem {
    fn from(refusal: sign_in_by_contact::Refusal) -> Self {
        match refusal {
            sign_in_by_contact::Refusal::Proof(refusal) => refusal.into(),
            sign_in_by_contact::Refusal::Account(refusal) => refusal.into(),
        }
    }
}

impl From<reset_password::Refusal> for Problem {
    fn from(refusal: reset_password::Refusal) -> Self {
        match refusal {
            reset_password::Refusal::Proof(refusal) => of_proof(refusal, PROOF_TOKEN, PROOF_CODE),
            reset_password::Refusal::Account(refusal) => refusal.into(),
            reset_password::Refusal::Taken(Channel::Email) => Self::new(ProblemCode::EmailTaken),
            reset_password::Refusal::Taken(Channel::Sms) => Self::new(ProblemCode::PhoneTaken),
            reset_password::Refusal::Password(refusal) => of_password(refusal, NEW_PASSWORD),
            reset_password::Refusal::Weak(weakness) => of_weakness(weakness, NEW_PASSWORD),
        }
    }
}

impl From<set_password::Refusal> for Problem {
    fn from(refusal: set_password::Refusal) -> Self {
        match refusal {
            set_password::Refusal::HasOne => Self::new(ProblemCode::MethodDisabled),
            set_password::Refusal::Password(refusal) => of_password(refusal, NEW_PASSWORD),
            set_password::Refusal::Weak(weakness) => of_weakness(weakness, NEW_PASSWORD),
        }
    }
}

impl From<request_reauthentication_code::Refusal> for Problem {
    fn from(refusal: request_reauthentication_code::Refusal) -> Self {
        match refusal {
            request_reauthentication_code::Refusal::MethodDisabled => Self::at(ProblemCode::MethodDisabled, &["input", "channel"]),
        }
    }
}

impl From<change_password::Refusal> for Problem {
    fn from(refusal: change_password::Refusal) -> Self {
        match refusal {
            change_password::Refusal::CredentialsInvalid => Self::at(ProblemCode::CredentialsInvalid, &["input", "currentPassword"]),
            change_password::Refusal::Locked { until, now } => Self::new(ProblemCode::AccountLocked).until(until, now),
            change_password::Refusal::Password(refusal) => of_password(refusal, NEW_PASSWORD),
            change_password::Refusal::Weak(weakness) => of_weakness(weakness, NEW_PASSWORD),
            change_password::Refusal::Unchanged => Self::at(ProblemCode::PasswordUnchanged, NEW_PASSWORD),
        }
    }
}
