//! Sessions.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result, SimpleObject};
use entity::user_sessions;

use crate::{
    flows::{
        caller::Identity, disown_session, reauthenticate, refresh_session, request_reauthentication_code, revoke_sessions, sign_out,
        trust_session,
    },
    graphql::{
        auth_level::AuthLevel,
        context::{ContextExt, clear_tokens, deliver},
        error,
        guard::{Requires, auth},
        object::{
            challenge::{Challenge, ChallengeAnswer, Channel},
            session::Session,
            tokens::Tokens,
            user::User,
        },
        problem::{Problem, settle},
        scalar::Json,
    },
};

/// Sessions.
#[derive(Default)]
pub struct SessionMutation;

/// Which session to refresh.
#[derive(InputObject, Default)]
pub struct RefreshSessionInput {
    /// Left out when the refresh token is in the cookie.
    refresh_token: Option<String>,
}

/// New tokens, or why not.
#[derive(SimpleObject, Default)]
pub struct RefreshSessionPayload {
    session: Option<Session>,
    tokens: Option<Tokens>,
    problems: Vec<Problem>,
}

/// Which session to end.
#[derive(InputObject, Default)]
pub struct SignOutInput {
    /// Where neither a cookie nor a valid access token comes with the request.
    refresh_token: Option<String>,
}

/// An ended session.
#[derive(SimpleObject, Default)]
pub struct SignOutPayload {
    /// The session that ended; null where there was none.
    session_id: Option<ID>,
    problems: Vec<Problem>,
}

/// Which session to end.
#[derive(InputObject)]
pub struct RevokeSessionInput {
    /// One of the own ones.
    session_id: ID,
}

/// An ended session, or why not.
#[derive(SimpleObject, Default)]
pub struct RevokeSessionPayload {
    session: Option<Session>,
    problems: Vec<Problem>,
}

/// What was ended.
#[derive(SimpleObject, Default)]
pub struct RevokeOtherSessionsPayload {
    user: Option<User>,
    revoked_session_ids: Vec<ID>,
    revoked_session_count: i32,
    problems: Vec<Problem>,
}

/// With what.
#[derive(OneofObject)]
pub enum ReauthenticationProof {
    /// The password of the account.
    Password(String),
    /// A code of the authenticator app.
    TotpCode(String),
    /// A recovery code.
    RecoveryCode(String),
    /// A code, for an account that has nothing better.
    Code(ChallengeAnswer),
    /// After `beginOAuth` with the intent REAUTHENTICATE.
    Oauth(OAuthAnswer),
    /// What a passkey answered, after `beginPasskeySignIn` in this session.
    Passkey(PasskeyAnswer),
}

/// What came back from a provider.
#[derive(InputObject)]
#[graphql(name = "OAuthAnswer")]
pub struct OAuthAnswer {
    /// The one-time code that came back to `redirectUri`.
    code: String,
    /// What the client kept.
    code_verifier: String,
}

/// What a passkey answered.
#[derive(InputObject)]
pub struct PasskeyAnswer {
    /// Of `beginPasskeySignIn`.
    login_token: String,
    /// AuthenticationResponseJSON.
    credential: Json,
}

impl From<ReauthenticationProof> for reauthenticate::Given {
    fn from(proof: ReauthenticationProof) -> Self {
        match proof {
            ReauthenticationProof::Password(password) => Self::Password(password),
            ReauthenticationProof::TotpCode(code) => Self::Totp(code),
            ReauthenticationProof::RecoveryCode(code) => Self::RecoveryCode(code),
            ReauthenticationProof::Code(answer) => Self::Code { challenge_id: answer.challenge_id.0, code: answer.code },
            ReauthenticationProof::Oauth(answer) => Self::OAuth { code: answer.code, code_verifier: answer.code_verifier },
            ReauthenticationProof::Passkey(answer) => Self::Passkey { login_token: answer.login_token, credential: answer.credential.0 },
        }
    }
}

/// Where the code goes.
#[derive(InputObject)]
pub struct RequestReauthenticationCodeInput {
    /// To which of the own contacts.
    channel: Channel,
}

/// A code that was sent, or why not.
#[derive(SimpleObject, Default)]
pub struct RequestReauthenticationCodePayload {
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

/// What the page behind the link sends.
#[derive(InputObject)]
pub struct DisownSessionInput {
    /// Of the link.
    token: String,
}

/// An ended session, or why not.
#[derive(SimpleObject, Default)]
pub struct DisownSessionPayload {
    session_id: Option<ID>,
    problems: Vec<Problem>,
}

/// Which session, and whether to trust its device.
#[derive(InputObject)]
pub struct TrustSessionInput {
    /// One of the own ones; to be trusted, that of the request.
    session_id: ID,
    /// Whether to trust.
    trusted: bool,
}

/// The session, or why not.
#[derive(SimpleObject, Default)]
pub struct TrustSessionPayload {
    session: Option<Session>,
    problems: Vec<Problem>,
}

/// Who proves it.
#[derive(InputObject)]
pub struct ReauthenticateInput {
    /// With what.
    proof: ReauthenticationProof,
}

/// New tokens of the same session, or why not.
#[derive(SimpleObject, Default)]
pub struct ReauthenticatePayload {
    session: Option<Session>,
    tokens: Option<Tokens>,
    problems: Vec<Problem>,
}

#[Object]
impl SessionMutation {
    /// Trades a refresh token for new tokens. One whose successor was never used gives that successor again; an older one is a theft and revokes the session.
    async fn refresh_session(&self, ctx: &Context<'_>, input: Option<RefreshSessionInput>) -> Result<RefreshSessionPayload> {
        let caller = ctx.caller()?;
        let given = input.and_then(|input| input.refresh_token);
        let (token, by) = match &given {
            Some(token) => (token.as_str(), user_sessions::TokenDelivery::Body),
            None => (caller.refresh_cookie.as_deref().unwrap_or_default(), user_sessions::TokenDelivery::Cookie),
        };
        Ok(match settle("refresh_session", refresh_session::run(ctx.app()?, caller, token).await)? {
            Ok(outcome) => {
                let tokens = deliver(ctx, outcome.tokens, by)?;
                RefreshSessionPayload { session: Some(Session::begun(outcome.session)), tokens: Some(Tokens(tokens)), problems: Vec::new() }
            }
            Err(problems) => {
                if by == user_sessions::TokenDelivery::Cookie && caller.refresh_cookie.is_some() {
                    clear_tokens(ctx)?;
                }
                RefreshSessionPayload { problems, ..RefreshSessionPayload::default() }
            }
        })
    }

    /// Ends the session of this request, by its access token, cookie or refresh token, even where they have expired, and clears the cookies. Doing it again is fine.
    async fn sign_out(&self, ctx: &Context<'_>, input: Option<SignOutInput>) -> Result<SignOutPayload> {
        let given = input.and_then(|input| input.refresh_token);
        let result = settle("sign_out", sign_out::run(ctx.app()?, ctx.caller()?, given.as_deref()).await)?;
        clear_tokens(ctx)?;
        Ok(match result {
            Ok(ended) => SignOutPayload { session_id: ended.map(|id| ID(id.to_string())), problems: Vec::new() },
            Err(problems) => SignOutPayload { problems, ..SignOutPayload::default() },
        })
    }

    /// Ends one session of the signed-in user.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn revoke_session(&self, ctx: &Context<'_>, input: RevokeSessionInput) -> Result<RevokeSessionPayload> {
        Ok(match settle("revoke_session", revoke_sessions::one(ctx.app()?, ctx.caller()?, &input.session_id).await)? {
            Ok(session) => {
                if matches!(&ctx.caller()?.identity, Identity::Session(me) if me.live.session.id == session.id) {
                    clear_tokens(ctx)?;
                }
                RevokeSessionPayload { session: Some(session.into()), problems: Vec::new() }
            }
            Err(problems) => RevokeSessionPayload { problems, ..RevokeSessionPayload::default() },
        })
    }

    /// Ends all sessions of the signed-in user but this one.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn revoke_other_sessions(&self, ctx: &Context<'_>) -> Result<RevokeOtherSessionsPayload> {
        let caller = ctx.caller()?;
        Ok(match settle("revoke_other_sessions", revoke_sessions::others(ctx.app()?, caller).await)? {
            Ok(ended) => RevokeOtherSessionsPayload {
                user: Some(User(caller.signed_in().map_err(error::unauthenticated)?.live.user.clone())),
                revoked_session_count: i32::try_from(ended.len()).unwrap_or(i32::MAX),
                revoked_session_ids: ended.iter().map(|id| ID(id.to_string())).collect(),
                problems: Vec::new(),
            },
            Err(problems) => RevokeOtherSessionsPayload { problems, ..RevokeOtherSessionsPayload::default() },
        })
    }

    /// Trusts the device of this session (`trusted: true` for the own session only), or stops trusting any. A trusted device is not asked for a second factor for 30 days.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn trust_session(&self, ctx: &Context<'_>, input: TrustSessionInput) -> Result<TrustSessionPayload> {
        let input = trust_session::Input { session_id: input.session_id.0, trusted: input.trusted };
        Ok(match settle("trust_session", trust_session::run(ctx.app()?, ctx.caller()?, &input).await)? {
            Ok(session) => TrustSessionPayload { session: Some(session.into()), problems: Vec::new() },
            Err(problems) => TrustSessionPayload { problems, ..TrustSessionPayload::default() },
        })
    }

    /// Proves again who is there, for fields that require RECENT.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn reauthenticate(&self, ctx: &Context<'_>, input: ReauthenticateInput) -> Result<ReauthenticatePayload> {
        Ok(match settle("reauthenticate", reauthenticate::run(ctx.app()?, ctx.caller()?, input.proof.into()).await)? {
            Ok(outcome) => {
                let by = outcome.tokens.delivery;
                let tokens = deliver(ctx, outcome.tokens, by)?;
                ReauthenticatePayload { session: Some(Session::begun(outcome.session)), tokens: Some(Tokens(tokens)), problems: Vec::new() }
            }
            Err(problems) => ReauthenticatePayload { problems, ..ReauthenticatePayload::default() },
        })
    }

    /// Ends a session with the token of the message about it ("this was not me"), and marks it suspicious. Works without being signed in.
    async fn disown_session(&self, ctx: &Context<'_>, input: DisownSessionInput) -> Result<DisownSessionPayload> {
        Ok(match settle("disown_session", disown_session::run(ctx.app()?, ctx.caller()?, &input.token).await)? {
            Ok(id) => DisownSessionPayload { session_id: Some(ID(id.to_string())), problems: Vec::new() },
            Err(problems) => DisownSessionPayload { problems, ..DisownSessionPayload::default() },
        })
    }

    /// Sends the signed-in user a code for `reauthenticate`, for an account without password, passkey, provider or TOTP; else METHOD_DISABLED.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn request_reauthentication_code(
        &self,
        ctx: &Context<'_>,
        input: RequestReauthenticationCodeInput,
    ) -> Result<RequestReauthenticationCodePayload> {
        let result = request_reauthentication_code::run(ctx.app()?, ctx.caller()?, input.channel.into()).await;
        Ok(match settle("request_reauthentication_code", result)? {
            Ok(challenge) => RequestReauthenticationCodePayload { challenge: Some(Challenge(challenge)), problems: Vec::new() },
            Err(problems) => RequestReauthenticationCodePayload { problems, ..RequestReauthenticationCodePayload::default() },
        })
    }
}
