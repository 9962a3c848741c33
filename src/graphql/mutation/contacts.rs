//! Addresses and numbers.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::{
    flows::{cancel_email_change, change_contact, confirm_contact, confirm_contact_change, remove_phone, verify_contact},
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::{
            challenge::{Challenge, Channel},
            user::User,
        },
        problem::{Problem, settle},
    },
};

/// Addresses and numbers.
#[derive(Default)]
pub struct ContactMutation;

/// Which contact to prove.
#[derive(InputObject)]
pub struct RequestContactVerificationInput {
    /// The address or the number.
    channel: Channel,
}

/// A code that was sent, or why not.
#[derive(SimpleObject, Default)]
pub struct RequestContactVerificationPayload {
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct ConfirmContactInput {
    /// Of `requestContactVerification`.
    challenge_id: ID,
    /// As sent.
    code: String,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct ConfirmContactPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct ChangeEmailInput {
    /// The one that shall hold.
    new_email: String,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct ChangeEmailPayload {
    user: Option<User>,
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct ConfirmEmailChangeInput {
    /// Of `changeEmail`.
    challenge_id: ID,
    /// As sent.
    code: String,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct ConfirmEmailChangePayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Which change to stop.
#[derive(InputObject, Default)]
pub struct CancelEmailChangeInput {
    /// The token of the notice; left out by the signed-in user.
    token: Option<String>,
}

/// What was stopped or undone, or why not.
#[derive(SimpleObject, Default)]
pub struct CancelEmailChangePayload {
    /// Null where only a token came.
    user: Option<User>,
    cancelled: bool,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct ChangePhoneInput {
    /// The one that shall hold.
    new_phone: String,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct ChangePhonePayload {
    user: Option<User>,
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct ConfirmPhoneChangeInput {
    /// Of `changePhone`.
    challenge_id: ID,
    /// As sent.
    code: String,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct ConfirmPhoneChangePayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct RemovePhonePayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

#[Object]
impl ContactMutation {
    /// Sends a code (an e-mail also carries a link) to an unverified address or number of the signed-in user.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn request_contact_verification(
        &self,
        ctx: &Context<'_>,
        input: RequestContactVerificationInput,
    ) -> Result<RequestContactVerificationPayload> {
        let result = verify_contact::run(ctx.app()?, ctx.caller()?, input.channel.into()).await;
        Ok(match settle("request_contact_verification", result)? {
            Ok(challenge) => RequestContactVerificationPayload { challenge: Some(Challenge(challenge)), problems: Vec::new() },
            Err(problems) => RequestContactVerificationPayload { problems, ..RequestContactVerificationPayload::default() },
        })
    }

    /// Verifies it with the code.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn confirm_contact(&self, ctx: &Context<'_>, input: ConfirmContactInput) -> Result<ConfirmContactPayload> {
        let input = confirm_contact_change::Input { challenge_id: input.challenge_id.0, code: input.code };
        Ok(match settle("confirm_contact", confirm_contact::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(user) => ConfirmContactPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => ConfirmContactPayload { problems, ..ConfirmContactPayload::default() },
        })
    }

    /// Sends a code to the new address, and a notice with a way to stop the change to the old one.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn change_email(&self, ctx: &Context<'_>, input: ChangeEmailInput) -> Result<ChangeEmailPayload> {
        let input = change_contact::Input::Email(input.new_email);
        Ok(match settle("change_email", change_contact::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => {
                ChangeEmailPayload { user: Some(outcome.user.into()), challenge: Some(Challenge(outcome.challenge)), problems: Vec::new() }
            }
            Err(problems) => ChangeEmailPayload { problems, ..ChangeEmailPayload::default() },
        })
    }

    /// Finishes the change with the code.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn confirm_email_change(&self, ctx: &Context<'_>, input: ConfirmEmailChangeInput) -> Result<ConfirmEmailChangePayload> {
        let input = confirm_contact_change::Input { challenge_id: input.challenge_id.0, code: input.code };
        let result = confirm_contact_change::run(ctx.app()?, ctx.caller()?, entity::Channel::Email, input).await;
        Ok(match settle("confirm_email_change", result)? {
            Ok(user) => ConfirmEmailChangePayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => ConfirmEmailChangePayload { problems, ..ConfirmEmailChangePayload::default() },
        })
    }

    /// Stops a pending change of address; with the token of the notice, also without being signed in. For 7 days after the change was confirmed that token
    /// still undoes it: the old address is back, every session ends, and a password reset is sent to it.
    async fn cancel_email_change(&self, ctx: &Context<'_>, input: Option<CancelEmailChangeInput>) -> Result<CancelEmailChangePayload> {
        let (app, caller) = (ctx.app()?, ctx.caller()?);
        let token = input.and_then(|input| input.token);
        let result = match &token {
            Some(token) => cancel_email_change::by_link(app, caller, token).await,
            None => cancel_email_change::by_session(app, caller).await,
        };
        Ok(match settle("cancel_email_change", result)? {
            Ok(outcome) => {
                let is_own = caller.signed_in().is_ok_and(|me| me.live.user.id == outcome.user.id);
                let user = is_own.then(|| outcome.user.into());
                CancelEmailChangePayload { user, cancelled: outcome.cancelled, problems: Vec::new() }
            }
            Err(problems) => CancelEmailChangePayload { problems, ..CancelEmailChangePayload::default() },
        })
    }

    /// Sends a code to the new number, and a notice to the old one.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn change_phone(&self, ctx: &Context<'_>, input: ChangePhoneInput) -> Result<ChangePhonePayload> {
        let input = change_contact::Input::Phone(input.new_phone);
        Ok(match settle("change_phone", change_contact::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => {
                ChangePhonePayload { user: Some(outcome.user.into()), challenge: Some(Challenge(outcome.challenge)), problems: Vec::new() }
            }
            Err(problems) => ChangePhonePayload { problems, ..ChangePhonePayload::default() },
        })
    }

    /// Finishes the change with the code.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn confirm_phone_change(&self, ctx: &Context<'_>, input: ConfirmPhoneChangeInput) -> Result<ConfirmPhoneChangePayload> {
        let input = confirm_contact_change::Input { challenge_id: input.challenge_id.0, code: input.code };
        let result = confirm_contact_change::run(ctx.app()?, ctx.caller()?, entity::Channel::Sms, input).await;
        Ok(match settle("confirm_phone_change", result)? {
            Ok(user) => ConfirmPhoneChangePayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => ConfirmPhoneChangePayload { problems, ..ConfirmPhoneChangePayload::default() },
        })
    }

    /// Removes the number; refused where nothing else would be left to sign in with.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn remove_phone(&self, ctx: &Context<'_>) -> Result<RemovePhonePayload> {
        Ok(match settle("remove_phone", remove_phone::run(ctx.app()?, ctx.caller()?).await)? {
            Ok(user) => RemovePhonePayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => RemovePhonePayload { problems, ..RemovePhonePayload::default() },
        })
    }
}
