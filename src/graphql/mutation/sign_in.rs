//! Sign-in.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result, SimpleObject};
use entity::user_sessions;

use super::sign_up::ContactInput;
use crate::{
    flows::{complete_second_factor, request_sign_in_code, sign_in, sign_in_with_code, sign_in_with_link},
    graphql::{
        context::{self, ContextExt, DEVICE_COOKIE},
        object::{
            challenge::Challenge,
            session::Session,
            sign_in_outcome::{SignInOutcome, SignedIn, VerificationRequired},
            tokens::{TokenDelivery, Tokens},
        },
        problem::{Problem, settle},
        response_cookies::CookieKind,
        scalar::Json,
    },
};

/// Sign-in.
#[derive(Default)]
pub struct SignInMutation;

/// What is typed.
#[derive(InputObject)]
pub struct SignInInput {
    /// E-mail address, phone number or username.
    identifier: String,
    /// As typed.
    password: String,
    /// How the tokens travel.
    #[graphql(default_with = "TokenDelivery::Cookie")]
    token_delivery: TokenDelivery,
}

/// What a sign-in came to, or why not.
#[derive(SimpleObject, Default)]
pub struct SignInPayload {
    outcome: Option<SignInOutcome>,
    problems: Vec<Problem>,
}

impl SignInPayload {
    /// What it came to.
    pub(super) const fn of(outcome: SignInOutcome) -> Self {
        Self { outcome: Some(outcome), problems: Vec::new() }
    }
}

/// Where the code goes.
#[derive(InputObject)]
pub struct RequestSignInCodeInput {
    /// Of the account, if there is one.
    contact: ContactInput,
}

/// A code that was sent, or why not.
#[derive(SimpleObject, Default)]
pub struct RequestSignInCodePayload {
    challenge: Option<Challenge>,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct SignInWithCodeInput {
    /// Of `requestSignInCode`.
    challenge_id: ID,
    /// As sent.
    code: String,
    /// How the tokens travel.
    #[graphql(default_with = "TokenDelivery::Cookie")]
    token_delivery: TokenDelivery,
}

/// What the page behind the link sends.
#[derive(InputObject)]
pub struct SignInWithLinkInput {
    /// Of the link.
    token: String,
    /// How the tokens travel.
    #[graphql(default_with = "TokenDelivery::Cookie")]
    token_delivery: TokenDelivery,
}

/// With what the second step is answered.
#[derive(OneofObject)]
pub enum SecondFactorInput {
    /// Of the authenticator app.
    TotpCode(String),
    /// One of the set.
    RecoveryCode(String),
    /// AuthenticationResponseJSON, after `beginPasskeySignIn` with the same `loginToken`.
    Passkey(Json),
    /// The code of `SecondFactorRequired.challenge`.
    Code(String),
}

impl From<SecondFactorInput> for complete_second_factor::Given {
    fn from(input: SecondFactorInput) -> Self {
        match input {
            SecondFactorInput::TotpCode(code) => Self::Totp(code),
            SecondFactorInput::RecoveryCode(code) => Self::RecoveryCode(code),
            SecondFactorInput::Passkey(credential) => Self::Passkey(credential.0),
            SecondFactorInput::Code(code) => Self::Code(code),
        }
    }
}

/// The answer to `SecondFactorRequired`.
#[derive(InputObject)]
pub struct CompleteSecondFactorInput {
    /// Of `SecondFactorRequired`.
    login_token: String,
    /// With what.
    factor: SecondFactorInput,
    /// Trust this device: no second factor for 30 days.
    #[graphql(default)]
    trust_device: bool,
    /// How the tokens travel.
    #[graphql(default_with = "TokenDelivery::Cookie")]
    token_delivery: TokenDelivery,
}

#[Object]
impl SignInMutation {
    /// Signs in with an e-mail address, phone number or username, and a password.
    async fn sign_in(&self, ctx: &Context<'_>, input: SignInInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = sign_in::Input { identifier: input.identifier, password: input.password, delivery };
        deliver(ctx, settle("sign_in", sign_in::run(ctx.app()?, ctx.caller()?, input).await)?, delivery)
    }

    /// Sends a one-time sign-in code (by e-mail also a magic link) to a contact. The answer is the same whether or not it is registered.
    async fn request_sign_in_code(&self, ctx: &Context<'_>, input: RequestSignInCodeInput) -> Result<RequestSignInCodePayload> {
        let result = request_sign_in_code::run(ctx.app()?, ctx.caller()?, &input.contact.into()).await;
        Ok(match settle("request_sign_in_code", result)? {
            Ok(outcome) => {
                ctx.cookies()?.set(CookieKind::Device, outcome.device_token, DEVICE_COOKIE);
                RequestSignInCodePayload { challenge: Some(Challenge(outcome.challenge)), problems: Vec::new() }
            }
            Err(problems) => RequestSignInCodePayload { problems, ..RequestSignInCodePayload::default() },
        })
    }

    /// Signs in with a one-time code.
    async fn sign_in_with_code(&self, ctx: &Context<'_>, input: SignInWithCodeInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = sign_in_with_code::Input { challenge_id: input.challenge_id.0, code: input.code, delivery };
        let result = sign_in_with_code::run(ctx.app()?, ctx.caller()?, input).await;
        deliver(ctx, settle("sign_in_with_code", result)?, delivery)
    }

    /// Signs in with the token of a magic link.
    async fn sign_in_with_link(&self, ctx: &Context<'_>, input: SignInWithLinkInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = sign_in_with_link::Input { token: input.token, delivery };
        let result = sign_in_with_link::run(ctx.app()?, ctx.caller()?, input).await;
        deliver(ctx, settle("sign_in_with_link", result)?, delivery)
    }

    /// Answers `SecondFactorRequired`.
    async fn complete_second_factor(&self, ctx: &Context<'_>, input: CompleteSecondFactorInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = complete_second_factor::Input {
            login_token: input.login_token,
            factor: input.factor.into(),
            trust_device: input.trust_device,
            delivery,
        };
        let result = settle("complete_second_factor", complete_second_factor::run(ctx.app()?, ctx.caller()?, input).await)?;
        deliver(ctx, result.map(sign_in::Outcome::SignedIn), delivery)
    }
}

/// Puts what a sign-in came to into the answer, and the tokens of a new session where they were asked for.
pub fn deliver(
    ctx: &Context<'_>,
    result: std::result::Result<sign_in::Outcome, Vec<Problem>>,
    by: user_sessions::TokenDelivery,
) -> Result<SignInPayload> {
    let outcome = match result {
        Ok(sign_in::Outcome::SignedIn(signed_in)) => {
            let tokens = context::deliver(ctx, signed_in.tokens, by)?;
            SignInOutcome::SignedIn(SignedIn {
                is_new_user: signed_in.is_new_user,
                user: signed_in.user.into(),
                session: Session::begun(signed_in.session),
                tokens: Tokens(tokens),
            })
        }
        Ok(sign_in::Outcome::SecondFactorRequired(asked)) => SignInOutcome::SecondFactorRequired((*asked).into()),
        Ok(sign_in::Outcome::VerificationRequired(challenge)) => {
            SignInOutcome::VerificationRequired(VerificationRequired { challenge: Challenge(challenge) })
        }
        Err(problems) => return Ok(SignInPayload { problems, ..SignInPayload::default() }),
    };
    Ok(SignInPayload::of(outcome))
}
