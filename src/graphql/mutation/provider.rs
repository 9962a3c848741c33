//! Providers: accounts elsewhere that people sign in with.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entity::user_sessions;

use super::sign_in::{SignInPayload, deliver};
use crate::{
    flows::{begin_oauth, complete_oauth, failure::Failure, oauth_trip, unlink_identity},
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        error,
        guard::{Requires, auth, authorize},
        object::{
            sign_in_outcome::{IdentityLinked, SignInOutcome},
            tokens::TokenDelivery,
            user::User,
        },
        problem::{Problem, settle},
        scalar::DateTime,
    },
};

/// Providers.
#[derive(Default)]
pub struct ProviderMutation;

/// What a round trip to a provider is for.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(name = "OAuthIntent", remote = "oauth_trip::Intent")]
pub enum OAuthIntent {
    /// To sign in, or up.
    SignIn,
    /// Adds the provider to the signed-in user. Requires RECENT.
    Link,
    /// Step-up with a provider that is linked: its answer goes to `reauthenticate`. Requires SIGNED_IN.
    Reauthenticate,
}

/// Where to, and what for.
#[derive(InputObject)]
#[graphql(name = "BeginOAuthInput")]
pub struct BeginOAuthInput {
    /// Of `authConfig.providers`.
    provider: String,
    /// Where the browser comes back to, with `?code=`; one of the deployment's allowed addresses.
    redirect_uri: String,
    /// SHA-256 of a random verifier that the client keeps, base64url: only the client that began can finish.
    code_challenge: String,
    /// What for.
    #[graphql(default_with = "OAuthIntent::SignIn")]
    intent: OAuthIntent,
}

/// Where to send the browser, or why not.
#[derive(SimpleObject, Default)]
#[graphql(name = "BeginOAuthPayload")]
pub struct BeginOAuthPayload {
    authorization_url: Option<String>,
    expires_at: Option<DateTime>,
    problems: Vec<Problem>,
}

/// What came back.
#[derive(InputObject)]
#[graphql(name = "CompleteOAuthInput")]
pub struct CompleteOAuthInput {
    /// The one-time code that came back to `redirectUri`.
    code: String,
    /// What the client kept.
    code_verifier: String,
    /// How the tokens travel.
    #[graphql(default_with = "TokenDelivery::Cookie")]
    token_delivery: TokenDelivery,
}

/// Which link to remove.
#[derive(InputObject)]
pub struct UnlinkIdentityInput {
    /// One of the own ones.
    identity_id: ID,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct UnlinkIdentityPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

#[Object]
impl ProviderMutation {
    /// Starts sign-in, linking or step-up with an OAuth 2.0 / OpenID Connect provider: where to send the browser. The address is the server's own,
    /// so that any browser, also a mobile app's, gets the cookie that ties the round trip to it. It always comes back to `redirectUri` with `?code=`.
    #[graphql(name = "beginOAuth")]
    async fn begin_oauth(&self, ctx: &Context<'_>, input: BeginOAuthInput) -> Result<BeginOAuthPayload> {
        let (app, caller) = (ctx.app()?, ctx.caller()?);
        match input.intent {
            OAuthIntent::SignIn => {}
            OAuthIntent::Link => authorize(app, caller, AuthLevel::Recent)?,
            OAuthIntent::Reauthenticate => authorize(app, caller, AuthLevel::SignedIn)?,
        }
        let BeginOAuthInput { provider, redirect_uri, code_challenge, intent } = input;
        let input = begin_oauth::Input { provider, redirect_uri, code_challenge, intent: intent.into() };
        Ok(match settle("begin_oauth", begin_oauth::run(app, caller, input).await)? {
            Ok(outcome) => BeginOAuthPayload {
                authorization_url: Some(outcome.url),
                expires_at: Some(outcome.expires_at.into()),
                problems: Vec::new(),
            },
            Err(problems) => BeginOAuthPayload { problems, ..BeginOAuthPayload::default() },
        })
    }

    /// Finishes it, with the one-time code that came back to `redirectUri`.
    #[graphql(name = "completeOAuth")]
    async fn complete_oauth(&self, ctx: &Context<'_>, input: CompleteOAuthInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = complete_oauth::Input { code: input.code, code_verifier: input.code_verifier, delivery };
        let result = complete_oauth::run(ctx.app()?, ctx.caller()?, input).await;
        if matches!(result, Err(Failure::Refused(complete_oauth::Refusal::NotRecent))) {
            // As the guard of a field that always requires it says it.
            return Err(error::reauthentication_required());
        }
        match settle("complete_oauth", result)? {
            Ok(complete_oauth::Outcome::SignIn(outcome)) => deliver(ctx, Ok(outcome), delivery),
            Ok(complete_oauth::Outcome::Linked { identity, user }) => {
                let linked = IdentityLinked { identity: identity.into(), user: (*user).into() };
                Ok(SignInPayload::of(SignInOutcome::IdentityLinked(linked)))
            }
            Err(problems) => deliver(ctx, Err(problems), delivery),
        }
    }

    /// Removes a linked provider; refused where nothing else would be left to sign in with.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn unlink_identity(&self, ctx: &Context<'_>, input: UnlinkIdentityInput) -> Result<UnlinkIdentityPayload> {
        Ok(match settle("unlink_identity", unlink_identity::run(ctx.app()?, ctx.caller()?, &input.identity_id).await)? {
            Ok(user) => UnlinkIdentityPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => UnlinkIdentityPayload { problems, ..UnlinkIdentityPayload::default() },
        })
    }
}
