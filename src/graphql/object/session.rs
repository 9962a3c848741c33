//! A signed-in device.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use entity::{Channel, known_devices, user_sessions, users};
use uuid::Uuid;

use super::{location::Location, user::User};
use crate::{
    domain::{machine_scope::MachineScope, risk},
    flows::{caller::Identity, reauthentication_methods, refresh_session::is_live},
    graphql::{
        context::ContextExt,
        error,
        loaders::{DeviceId, FactorsOf, UserId, load},
        scalar::DateTime,
        scopes::{MachineNeeds, PeopleOnly},
    },
};

/// A signed-in device.
#[derive(Clone, Debug)]
pub struct Session(pub Arc<user_sessions::Model>, Begun);

/// Whether the request itself gave out the tokens of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    ByRequest,
    Before,
}

impl Session {
    /// One whose tokens this very answer carries.
    pub fn begun(row: user_sessions::Model) -> Self {
        Self(Arc::new(row), Begun::ByRequest)
    }
}

impl From<user_sessions::Model> for Session {
    fn from(row: user_sessions::Model) -> Self {
        Self(Arc::new(row), Begun::Before)
    }
}

impl From<Arc<user_sessions::Model>> for Session {
    fn from(row: Arc<user_sessions::Model>) -> Self {
        Self(row, Begun::Before)
    }
}

/// How a session stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_sessions::Status")]
pub enum SessionStatus {
    /// Live.
    Active,
    /// Live, and worth a look by its owner: its risk score is 50 or more.
    Suspicious,
    /// Over by itself.
    Expired,
    /// Ended by someone; after a token theft by SECURITY, with `suspicious` true.
    Revoked,
}

/// With what `reauthenticate` can be answered.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum ReauthenticationMethod {
    Password,
    Totp,
    RecoveryCode,
    Passkey,
    #[graphql(name = "OAUTH")]
    OAuth,
    EmailCode,
    SmsCode,
}

impl From<reauthentication_methods::Method> for ReauthenticationMethod {
    fn from(method: reauthentication_methods::Method) -> Self {
        use reauthentication_methods::Method;
        match method {
            Method::Password => Self::Password,
            Method::Totp => Self::Totp,
            Method::RecoveryCode => Self::RecoveryCode,
            Method::Passkey => Self::Passkey,
            Method::Provider => Self::OAuth,
            Method::Code(Channel::Email) => Self::EmailCode,
            Method::Code(Channel::Sms) => Self::SmsCode,
        }
    }
}

/// Who did something.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_sessions::Actor")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum Actor {
    User,
    Admin,
    System,
    Security,
}

/// How a session began.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_sessions::LoginMethod")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum LoginMethod {
    Password,
    EmailCode,
    PhoneCode,
    MagicLink,
    Passkey,
    Oauth,
    SignUp,
}

/// A second proof.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_sessions::SecondFactor")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum SecondFactorMethod {
    Totp,
    RecoveryCode,
    Passkey,
    /// Asked for where the risk is high and the account has no second factor.
    EmailCode,
    SmsCode,
}

/// What kind of device.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_sessions::DeviceType")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum DeviceType {
    Desktop,
    Mobile,
    Tablet,
    Api,
}

/// What signed in, as its user agent tells.
#[derive(SimpleObject, Clone, Debug)]
pub struct Device {
    /// What kind.
    #[graphql(name = "type")]
    pub kind: DeviceType,
    /// For example `Firefox on Windows`.
    pub name: String,
    /// Its browser.
    pub browser: Option<String>,
    /// Its operating system.
    pub os: Option<String>,
    /// As sent.
    pub user_agent: Option<String>,
}

/// Something unusual about a sign-in or refresh.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "risk::Signal")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum RiskSignal {
    NewDevice,
    NewCountry,
    ImpossibleTravel,
    RecentFailures,
    UserAgentChanged,
    RefreshTokenReused,
    AnonymousNetwork,
}

#[Object(guard = "MachineNeeds(&[MachineScope::EventsRead])")]
impl Session {
    /// Globally unique.
    pub async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        owner(ctx, self.0.user_id).await.map(User)
    }

    async fn status(&self, ctx: &Context<'_>) -> Result<SessionStatus> {
        let now = ctx.app()?.clock.now();
        Ok(match self.0.status {
            user_sessions::Status::Active | user_sessions::Status::Suspicious if !is_live(&self.0, now) => SessionStatus::Expired,
            status => status.into(),
        })
    }

    /// Whether this is the session of the request.
    async fn current(&self, ctx: &Context<'_>) -> Result<bool> {
        let is_callers = matches!(&ctx.caller()?.identity, Identity::Session(me) if me.live.session.id == self.0.id);
        Ok(self.1 == Begun::ByRequest || is_callers)
    }

    async fn device(&self) -> Device {
        Device {
            kind: self.0.device_type.into(),
            name: self.0.device_name.clone(),
            browser: self.0.browser.clone(),
            os: self.0.os.clone(),
            user_agent: self.0.user_agent.clone(),
        }
    }

    async fn ip_address(&self) -> Option<&str> {
        self.0.ip_address.as_deref()
    }

    async fn location(&self) -> Option<Location> {
        let row = &self.0;
        Location::known(row.location_country.clone(), row.location_city.clone(), row.location_timezone.clone())
    }

    async fn login_method(&self) -> LoginMethod {
        self.0.login_method.into()
    }

    /// Whether a second factor was given.
    async fn second_factor(&self) -> Option<SecondFactorMethod> {
        self.0.second_factor.map(SecondFactorMethod::from)
    }

    /// Last time the person proved who they are.
    async fn authenticated_at(&self) -> DateTime {
        self.0.authenticated_at.into()
    }

    /// With what `reauthenticate` takes now: where a second factor is on, a code by e-mail or SMS is not enough.
    #[graphql(guard = "PeopleOnly")]
    async fn reauthentication_methods(&self, ctx: &Context<'_>) -> Result<Vec<ReauthenticationMethod>> {
        let user = owner(ctx, self.0.user_id).await?;
        let has = load(ctx, FactorsOf(user.id)).await?.unwrap_or_default();
        let methods = reauthentication_methods::with(ctx.app()?, &user, &has);
        Ok(methods.into_iter().map(ReauthenticationMethod::from).collect())
    }

    async fn trusted(&self, ctx: &Context<'_>) -> Result<bool> {
        let Some(id) = self.0.known_device_id else { return Ok(false) };
        let device: Option<known_devices::Model> = load(ctx, DeviceId(id)).await?;
        let now = ctx.app()?.clock.now();
        Ok(device.and_then(|device| device.trusted_until).is_some_and(|until| until > now))
    }

    async fn suspicious(&self) -> bool {
        self.0.is_suspicious
    }

    /// 0 (nothing unusual) to 100.
    async fn risk_score(&self) -> i32 {
        self.0.risk_score
    }

    async fn risk_signals(&self) -> Vec<RiskSignal> {
        let stored = self.0.risk_signals.as_array().into_iter().flatten();
        stored.filter_map(|signal| risk::Signal::parse(signal.as_str()?)).map(RiskSignal::from).collect()
    }

    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    async fn last_activity_at(&self) -> DateTime {
        self.0.last_activity_at.into()
    }

    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.min(self.0.absolute_expires_at).into()
    }

    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }

    async fn revoked_by(&self) -> Option<Actor> {
        self.0.revoked_by.map(Actor::from)
    }

    async fn revoked_reason(&self) -> Option<&str> {
        self.0.revoked_reason.as_deref()
    }
}

/// The user of a session: at hand where it is the caller, else loaded together with others.
async fn owner(ctx: &Context<'_>, user_id: Uuid) -> Result<Arc<users::Model>> {
    if let Identity::Session(me) = &ctx.caller()?.identity
        && me.live.user.id == user_id
    {
        return Ok(Arc::clone(&me.live.user));
    }
    let loaded = load(ctx, UserId(user_id)).await?;
    loaded.ok_or_else(|| error::internal("a session without its user"))
}
