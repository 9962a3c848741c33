//! Passwords.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result, SimpleObject};

use super::sign_up::ContactInput;
use crate::{
    flows::{change_password, request_password_reset, reset_password, set_password, unlock_account},
    graphql::{
        auth_level::AuthLevel,
        context::{ContextExt, DEVICE_COOKIE},
        guard::{Requires, auth},
        object::{
            challenge::{Challenge, ChallengeAnswer},
            user::User,
        },
        problem::{Problem, settle},
        response_cookies::CookieKind,
    },
};

/// Passwords.
#[derive(Default)]
pub struct PasswordMutation;

/// What is typed.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The one that holds.
    current_password: String,
    /// The one that shall hold.
    new_password: String,
}

/// A changed password, or why not.
#[derive(SimpleObject, Default)]
pub struct ChangePasswordPayload {
    user: Option<User>,
    revoked_session_ids: Option<Vec<ID>>,
    revoked_session_count: Option<i32>,
    problems: Vec<Problem>,
}

/// Where link and code go.
#[derive(InputObject)]
pub struct RequestPasswordResetInput {
    /// Of the account, if there is one.
    contact: ContactInput,
}

/// What was sent, or why not.
#[derive(SimpleObject, Default)]
pub struct RequestPasswordResetPayload {
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

/// Who may set the password.
#[derive(OneofObject)]
pub enum PasswordResetProof {
    /// The token of the link.
    Token(String),
    /// The code beside it.
    Code(ChallengeAnswer),
}

impl From<PasswordResetProof> for reset_password::Given {
    fn from(proof: PasswordResetProof) -> Self {
        match proof {
            PasswordResetProof::Token(token) => Self::Token(token),
            PasswordResetProof::Code(answer) => Self::Code { challenge_id: answer.challenge_id.0, code: answer.code },
        }
    }
}

/// What is typed.
#[derive(InputObject)]
pub struct ResetPasswordInput {
    /// Who may.
    proof: PasswordResetProof,
    /// The one that shall hold.
    new_password: String,
}

/// A new password, or why not.
#[derive(SimpleObject, Default)]
pub struct ResetPasswordPayload {
    /// How many sessions were ended.
    revoked_session_count: Option<i32>,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct SetPasswordInput {
    /// The one that shall hold.
    new_password: String,
}

/// A first password, or why not.
#[derive(SimpleObject, Default)]
pub struct SetPasswordPayload {
    user: Option<User>,
    revoked_session_ids: Option<Vec<ID>>,
    revoked_session_count: Option<i32>,
    problems: Vec<Problem>,
}

/// What the page behind the link sends.
#[derive(InputObject)]
pub struct UnlockAccountInput {
    /// Of the link.
    token: String,
}

/// Whether there is no lock any more, or why there still is.
#[derive(SimpleObject, Default)]
pub struct UnlockAccountPayload {
    unlocked: bool,
    problems: Vec<Problem>,
}

#[Object]
impl PasswordMutation {
    /// Sends a reset link and code to a contact. The answer is the same whether or not it is registered. Every attempt is recorded.
    async fn request_password_reset(&self, ctx: &Context<'_>, input: RequestPasswordResetInput) -> Result<RequestPasswordResetPayload> {
        let result = request_password_reset::run(ctx.app()?, ctx.caller()?, &input.contact.into()).await;
        Ok(match settle("request_password_reset", result)? {
            Ok(outcome) => {
                ctx.cookies()?.set(CookieKind::Device, outcome.device_token, DEVICE_COOKIE);
                RequestPasswordResetPayload { challenge: Some(Challenge(outcome.challenge)), problems: Vec::new() }
            }
            Err(problems) => RequestPasswordResetPayload { problems, ..RequestPasswordResetPayload::default() },
        })
    }

    /// Sets a new password with the token of the link (also an invitation's) or with the code. Ends every session of the user, and signs nobody in.
    async fn reset_password(&self, ctx: &Context<'_>, input: ResetPasswordInput) -> Result<ResetPasswordPayload> {
        let input = reset_password::Input { proof: input.proof.into(), new_password: input.new_password };
        Ok(match settle("reset_password", reset_password::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => ResetPasswordPayload { revoked_session_count: i32::try_from(outcome.revoked.len()).ok(), problems: Vec::new() },
            Err(problems) => ResetPasswordPayload { problems, ..ResetPasswordPayload::default() },
        })
    }

    /// Sets the first password of an account without one. Ends every other session of the user.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn set_password(&self, ctx: &Context<'_>, input: SetPasswordInput) -> Result<SetPasswordPayload> {
        Ok(match settle("set_password", set_password::run(ctx.app()?, ctx.caller()?, &input.new_password).await)? {
            Ok(outcome) => SetPasswordPayload {
                user: Some(outcome.user.into()),
                revoked_session_count: i32::try_from(outcome.revoked.len()).ok(),
                revoked_session_ids: Some(outcome.revoked.iter().map(|id| ID(id.to_string())).collect()),
                problems: Vec::new(),
            },
            Err(problems) => SetPasswordPayload { problems, ..SetPasswordPayload::default() },
        })
    }

    /// Ends a lockout with the token of the message about it.
    async fn unlock_account(&self, ctx: &Context<'_>, input: UnlockAccountInput) -> Result<UnlockAccountPayload> {
        Ok(match settle("unlock_account", unlock_account::run(ctx.app()?, ctx.caller()?, &input.token).await)? {
            Ok(()) => UnlockAccountPayload { unlocked: true, problems: Vec::new() },
            Err(problems) => UnlockAccountPayload { problems, ..UnlockAccountPayload::default() },
        })
    }

    /// Changes the password. Ends every other session of the user.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn change_password(&self, ctx: &Context<'_>, input: ChangePasswordInput) -> Result<ChangePasswordPayload> {
        let input = change_password::Input { current: input.current_password, new: input.new_password };
        Ok(match settle("change_password", change_password::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => ChangePasswordPayload {
                user: Some(outcome.user.into()),
                revoked_session_count: i32::try_from(outcome.revoked.len()).ok(),
                revoked_session_ids: Some(outcome.revoked.iter().map(|id| ID(id.to_string())).collect()),
                problems: Vec::new(),
            },
            Err(problems) => ChangePasswordPayload { problems, ..ChangePasswordPayload::default() },
        })
    }
}
