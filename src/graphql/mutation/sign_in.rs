//! Sign-in.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::user_sessions;

use crate::{
    flows::sign_in,
    graphql::{
        context::{self, ContextExt},
        object::{
            session::Session,
            sign_in_outcome::{SignInOutcome, SignedIn},
            tokens::{TokenDelivery, Tokens},
        },
        problem::{Problem, settle},
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

#[Object]
impl SignInMutation {
    /// Signs in with an e-mail address, phone number or username, and a password.
    async fn sign_in(&self, ctx: &Context<'_>, input: SignInInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = sign_in::Input { identifier: input.identifier, password: input.password, delivery };
        let result = sign_in::run(ctx.app()?, ctx.caller()?, input).await;
        deliver(ctx, settle("sign_in", result)?, delivery)
    }
}

/// Puts a new session into the answer, and its tokens where they were asked for.
pub fn deliver(
    ctx: &Context<'_>,
    result: std::result::Result<sign_in::SignedIn, Vec<Problem>>,
    by: user_sessions::TokenDelivery,
) -> Result<SignInPayload> {
    Ok(match result {
        Ok(signed_in) => {
            let tokens = context::deliver(ctx, signed_in.tokens, by)?;
            let outcome = SignInOutcome::SignedIn(SignedIn {
                is_new_user: signed_in.is_new_user,
                user: signed_in.user.into(),
                session: Session::begun(signed_in.session),
                tokens: Tokens(tokens),
            });
            SignInPayload { outcome: Some(outcome), problems: Vec::new() }
        }
        Err(problems) => SignInPayload { problems, ..SignInPayload::default() },
    })
}
