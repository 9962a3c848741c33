//! Sign-up and verification.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result, SimpleObject};
use entity::user_sessions;

use super::{
    profile::ProfileInput,
    sign_in::{SignInPayload, deliver},
};
use crate::{
    flows::{confirm_sign_up, resend_challenge, sign_up, verify_email},
    graphql::{
        context::{ContextExt, DEVICE_COOKIE},
        object::{challenge::Challenge, tokens::TokenDelivery},
        problem::{Problem, settle},
        response_cookies::CookieKind,
        scalar::DateTime,
    },
};

/// Sign-up and verification.
#[derive(Default)]
pub struct SignUpMutation;

/// Where a code can be sent.
#[derive(OneofObject)]
pub enum ContactInput {
    /// An e-mail address.
    Email(String),
    /// E.164, or national with the deployment's default country.
    Phone(String),
}

impl From<ContactInput> for sign_up::ContactInput {
    fn from(input: ContactInput) -> Self {
        match input {
            ContactInput::Email(email) => Self::Email(email),
            ContactInput::Phone(phone) => Self::Phone(phone),
        }
    }
}

/// What a sign-up begins with.
#[derive(InputObject)]
pub struct SignUpInput {
    /// What will be proved.
    contact: ContactInput,
    /// Without one the account signs in by code, passkey or provider.
    password: Option<String>,
    /// Claimed at the confirmation.
    username: Option<String>,
    /// Takes effect with the confirmation.
    profile: Option<ProfileInput>,
}

/// A code that was sent, or why not.
#[derive(SimpleObject, Default)]
pub struct SignUpPayload {
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

/// What a sign-up ends with.
#[derive(InputObject)]
pub struct ConfirmSignUpInput {
    /// Of `signUp`, or of `VerificationRequired`.
    challenge_id: ID,
    /// As sent.
    code: String,
    /// Another one, where USERNAME_TAKEN was the answer; that answer does not use up the code.
    username: Option<String>,
    /// How the tokens travel.
    #[graphql(default_with = "TokenDelivery::Cookie")]
    token_delivery: TokenDelivery,
}

/// What the page behind the link sends.
#[derive(InputObject)]
pub struct VerifyEmailInput {
    /// Of the link.
    token: String,
    /// The password chosen at sign-up. Not needed in the browser that signed up. Elsewhere, without it, the address is verified and the password dropped: who set
    /// it may not be who owns the address. A wrong one is refused, uses nothing up, and counts as a failed sign-in.
    password: Option<String>,
    /// Another one, where USERNAME_TAKEN was the answer; that answer uses up nothing.
    username: Option<String>,
}

/// A verified address, or why not.
#[derive(SimpleObject, Default)]
pub struct VerifyEmailPayload {
    email: Option<String>,
    verified_at: Option<DateTime>,
    /// Whether the password chosen at sign-up still holds; if not, sign in by code or set one by reset.
    password_kept: Option<bool>,
    problems: Vec<Problem>,
}

/// Which code to send again.
#[derive(InputObject)]
pub struct ResendChallengeInput {
    /// Of whatever sent it.
    challenge_id: ID,
}

/// A code that was sent again, or why not.
#[derive(SimpleObject, Default)]
pub struct ResendChallengePayload {
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

#[Object]
impl SignUpMutation {
    /// Starts an account for an e-mail address or a phone number and sends it a code (an e-mail also carries a link).
    /// The answer is the same whether or not the contact is already registered; its owner is told in the message.
    async fn sign_up(&self, ctx: &Context<'_>, input: SignUpInput) -> Result<SignUpPayload> {
        let profile = input.profile.unwrap_or_default().into();
        let input = sign_up::Input { contact: input.contact.into(), password: input.password, username: input.username, profile };
        Ok(match settle("sign_up", sign_up::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => {
                ctx.cookies()?.set(CookieKind::Device, outcome.device_token, DEVICE_COOKIE);
                SignUpPayload { challenge: Some(Challenge(outcome.challenge)), problems: Vec::new() }
            }
            Err(problems) => SignUpPayload { problems, ..SignUpPayload::default() },
        })
    }

    /// Finishes sign-up with the code: the contact is verified and the user is signed in.
    async fn confirm_sign_up(&self, ctx: &Context<'_>, input: ConfirmSignUpInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = confirm_sign_up::Input { challenge_id: input.challenge_id.0, code: input.code, username: input.username, delivery };
        let result = confirm_sign_up::run(ctx.app()?, ctx.caller()?, input).await;
        deliver(ctx, settle("confirm_sign_up", result)?, delivery)
    }

    /// Finishes sign-up, or verifies an e-mail address, with the token of the link. Does not sign in, so that a link opened by a mail scanner or on another device grants nothing.
    async fn verify_email(&self, ctx: &Context<'_>, input: VerifyEmailInput) -> Result<VerifyEmailPayload> {
        let input = verify_email::Input { token: input.token, password: input.password, username: input.username };
        Ok(match settle("verify_email", verify_email::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => VerifyEmailPayload {
                email: Some(outcome.email),
                verified_at: Some(outcome.verified_at.into()),
                password_kept: Some(outcome.password_kept),
                problems: Vec::new(),
            },
            Err(problems) => VerifyEmailPayload { problems, ..VerifyEmailPayload::default() },
        })
    }

    /// Sends the code of a challenge again, as a new code; the old code stops working.
    async fn resend_challenge(&self, ctx: &Context<'_>, input: ResendChallengeInput) -> Result<ResendChallengePayload> {
        Ok(match settle("resend_challenge", resend_challenge::run(ctx.app()?, ctx.caller()?, &input.challenge_id).await)? {
            Ok(challenge) => ResendChallengePayload { challenge: Some(Challenge(challenge)), problems: Vec::new() },
            Err(problems) => ResendChallengePayload { problems, ..ResendChallengePayload::default() },
        })
    }
}
