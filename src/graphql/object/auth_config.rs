//! What the deployment offers.

use async_graphql::{Enum, SimpleObject};

use super::{
    challenge::Channel,
    provider::Provider,
    session::{LoginMethod, SecondFactorMethod},
};
use crate::{app::App, config, domain::username};

/// What `signIn` takes as identifier.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum IdentifierKind {
    Email,
    Phone,
    Username,
}

/// A part of an account that this deployment may want filled.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "config::ProfileField")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum ProfileField {
    Username,
    DisplayName,
    FullName,
    FirstName,
    LastName,
    Phone,
    Email,
    DateOfBirth,
    Country,
    State,
    PostalCode,
    Avatar,
}

/// What a username must be.
#[derive(SimpleObject, Clone, Debug)]
pub struct UsernamePolicy {
    /// In characters.
    pub min_length: i32,
    /// In characters.
    pub max_length: i32,
    /// A regular expression; never an `@` or a leading `+`, never digits alone.
    pub pattern: String,
}

/// What a password must be.
#[derive(SimpleObject, Clone, Debug)]
pub struct PasswordPolicy {
    /// In code points.
    pub min_length: i32,
    /// In code points.
    pub max_length: i32,
    /// 0 to 4, as zxcvbn scores.
    pub min_strength: i32,
    /// Whether known passwords are refused.
    pub rejects_breached: bool,
}

/// What a sign-in page needs before anyone is signed in.
#[derive(SimpleObject, Clone, Debug)]
pub struct AuthConfig {
    /// Whether new accounts are taken.
    pub sign_up_enabled: bool,
    /// What an account can begin with.
    pub contacts: Vec<Channel>,
    /// What `signIn` takes as identifier.
    pub identifiers: Vec<IdentifierKind>,
    /// What a username must be.
    pub username_policy: UsernamePolicy,
    /// ISO 3166-1 alpha-2: for phone numbers written without a country.
    pub default_country: Option<String>,
    /// BCP 47: languages of messages and pages.
    pub locales: Vec<String>,
    /// Digits of a code.
    pub code_length: i32,
    /// Days between the wish to delete an account and the deletion.
    pub deletion_grace_days: i32,
    /// Never SIGN_UP.
    pub login_methods: Vec<LoginMethod>,
    /// What is taken as second factor.
    pub second_factors: Vec<SecondFactorMethod>,
    /// Accounts elsewhere that people can sign in with.
    pub providers: Vec<Provider>,
    /// What a password must be.
    pub password_policy: PasswordPolicy,
    /// What must be filled for `User.profileComplete`.
    pub required_profile_fields: Vec<ProfileField>,
    /// Of a file for `uploadAvatar`.
    pub max_avatar_bytes: i32,
}

impl AuthConfig {
    /// As the settings have it.
    pub fn of(app: &App) -> Self {
        let rules = &app.config.passwords;
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let contacts = [entity::Channel::Email, entity::Channel::Sms].into_iter().filter(|channel| app.offers(*channel)).map(Channel::from);
        Self {
            sign_up_enabled: app.config.sign_up.enabled,
            contacts: contacts.collect(),
            identifiers: vec![IdentifierKind::Email, IdentifierKind::Phone, IdentifierKind::Username],
            username_policy: UsernamePolicy {
                min_length: number(username::MIN_LENGTH),
                max_length: number(username::MAX_LENGTH),
                pattern: username::PATTERN.to_owned(),
            },
            default_country: app.config.phones.default_country.clone(),
            locales: app.locales.iter().map(|locale| (*locale).to_owned()).collect(),
            code_length: i32::try_from(crate::domain::code::DIGITS).unwrap_or_default(),
            deletion_grace_days: i32::try_from(app.config.accounts.deletion_grace_days).unwrap_or(i32::MAX),
            login_methods: login_methods(app),
            second_factors: second_factors(app),
            providers: app.config.providers.iter().map(Provider::from).collect(),
            password_policy: PasswordPolicy {
                min_length: number(rules.min_length),
                max_length: number(rules.max_length),
                min_strength: i32::from(rules.min_strength),
                rejects_breached: true,
            },
            required_profile_fields: app.config.profile.required_fields.iter().copied().map(ProfileField::from).collect(),
            max_avatar_bytes: number(app.config.avatars.max_bytes),
        }
    }
}

fn second_factors(app: &App) -> Vec<SecondFactorMethod> {
    let passkey = app.relying_party.is_some().then_some(SecondFactorMethod::Passkey);
    [SecondFactorMethod::Totp, SecondFactorMethod::RecoveryCode].into_iter().chain(passkey).collect()
}

fn login_methods(app: &App) -> Vec<LoginMethod> {
    let by_phone = app.reaches(entity::Channel::Sms).then_some(LoginMethod::PhoneCode);
    let by_provider = (!app.providers.is_empty()).then_some(LoginMethod::Oauth);
    let passkey = app.relying_party.is_some().then_some(LoginMethod::Passkey);
    let always = [LoginMethod::Password, LoginMethod::EmailCode, LoginMethod::MagicLink];
    always.into_iter().chain(by_phone).chain(passkey).chain(by_provider).collect()
}
