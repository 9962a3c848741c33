//! Passkeys.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use entity::user_sessions;

use super::sign_in::{SignInPayload, deliver};
use crate::{
    flows::{
        begin_passkey_registration, begin_passkey_sign_in, delete_passkey, finish_passkey_registration, rename_passkey,
        sign_in_with_passkey,
    },
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::{passkey::Passkey, tokens::TokenDelivery, user::User},
        problem::{Problem, settle},
        scalar::{DateTime, Json},
    },
};

/// Passkeys.
#[derive(Default)]
pub struct PasskeyMutation;

/// Whether it is a second step.
#[derive(InputObject, Default)]
pub struct BeginPasskeySignInInput {
    /// Of `SecondFactorRequired`.
    login_token: Option<String>,
}

/// What an authenticator is asked, or why not.
#[derive(SimpleObject, Default)]
pub struct BeginPasskeySignInPayload {
    /// Given a `loginToken`: that same one, for `completeSecondFactor`. Otherwise a token of this ceremony, for `signInWithPasskey` or `reauthenticate`.
    login_token: Option<String>,
    /// PublicKeyCredentialRequestOptionsJSON, for `navigator.credentials.get`.
    options: Option<Json>,
    problems: Vec<Problem>,
}

/// What a passkey answered.
#[derive(InputObject)]
pub struct SignInWithPasskeyInput {
    /// Of `beginPasskeySignIn`.
    login_token: String,
    /// AuthenticationResponseJSON.
    credential: Json,
    /// How the tokens travel.
    #[graphql(default_with = "TokenDelivery::Cookie")]
    token_delivery: TokenDelivery,
}

/// What an authenticator is asked, or why not.
#[derive(SimpleObject, Default)]
pub struct BeginPasskeyRegistrationPayload {
    /// PublicKeyCredentialCreationOptionsJSON, for `navigator.credentials.create`.
    options: Option<Json>,
    expires_at: Option<DateTime>,
    problems: Vec<Problem>,
}

/// What an authenticator answered.
#[derive(InputObject)]
pub struct FinishPasskeyRegistrationInput {
    /// RegistrationResponseJSON.
    credential: Json,
    /// 1 to 100 characters; left out, the passkey is named by the device.
    name: Option<String>,
}

/// A new passkey, or why not.
#[derive(SimpleObject, Default)]
pub struct FinishPasskeyRegistrationPayload {
    passkey: Option<Passkey>,
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Which one, and its new name.
#[derive(InputObject)]
pub struct RenamePasskeyInput {
    /// One of the own ones.
    passkey_id: ID,
    /// 1 to 100 characters.
    name: String,
}

/// A passkey with another name, or why not.
#[derive(SimpleObject, Default)]
pub struct RenamePasskeyPayload {
    passkey: Option<Passkey>,
    problems: Vec<Problem>,
}

/// Which one.
#[derive(InputObject)]
pub struct DeletePasskeyInput {
    /// One of the own ones.
    passkey_id: ID,
}

/// A user with one passkey less, or why not.
#[derive(SimpleObject, Default)]
pub struct DeletePasskeyPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

#[Object]
impl PasskeyMutation {
    /// Starts a passkey sign-in: WebAuthn request options. Give a `loginToken` to use the passkey as second factor.
    async fn begin_passkey_sign_in(&self, ctx: &Context<'_>, input: Option<BeginPasskeySignInInput>) -> Result<BeginPasskeySignInPayload> {
        let given = input.and_then(|input| input.login_token);
        Ok(match settle("begin_passkey_sign_in", begin_passkey_sign_in::run(ctx.app()?, ctx.caller()?, given).await)? {
            Ok(begun) => {
                BeginPasskeySignInPayload { login_token: Some(begun.login_token), options: Some(Json(begun.options)), problems: Vec::new() }
            }
            Err(problems) => BeginPasskeySignInPayload { problems, ..BeginPasskeySignInPayload::default() },
        })
    }

    /// Signs in with a passkey.
    async fn sign_in_with_passkey(&self, ctx: &Context<'_>, input: SignInWithPasskeyInput) -> Result<SignInPayload> {
        let delivery = user_sessions::TokenDelivery::from(input.token_delivery);
        let input = sign_in_with_passkey::Input { login_token: input.login_token, credential: input.credential.0, delivery };
        let result = sign_in_with_passkey::run(ctx.app()?, ctx.caller()?, input).await;
        deliver(ctx, settle("sign_in_with_passkey", result)?, delivery)
    }

    /// WebAuthn creation options for a new passkey.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn begin_passkey_registration(&self, ctx: &Context<'_>) -> Result<BeginPasskeyRegistrationPayload> {
        let result = begin_passkey_registration::run(ctx.app()?, ctx.caller()?).await;
        Ok(match settle("begin_passkey_registration", result)? {
            Ok(begun) => BeginPasskeyRegistrationPayload {
                options: Some(Json(begun.options)),
                expires_at: Some(begun.expires_at.into()),
                problems: Vec::new(),
            },
            Err(problems) => BeginPasskeyRegistrationPayload { problems, ..BeginPasskeyRegistrationPayload::default() },
        })
    }

    /// Adds the passkey that an authenticator made.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn finish_passkey_registration(
        &self,
        ctx: &Context<'_>,
        input: FinishPasskeyRegistrationInput,
    ) -> Result<FinishPasskeyRegistrationPayload> {
        let input = finish_passkey_registration::Input { credential: input.credential.0, name: input.name };
        let result = finish_passkey_registration::run(ctx.app()?, ctx.caller()?, input).await;
        Ok(match settle("finish_passkey_registration", result)? {
            Ok(added) => FinishPasskeyRegistrationPayload {
                passkey: Some(Passkey(added.passkey)),
                user: Some(added.user.into()),
                problems: Vec::new(),
            },
            Err(problems) => FinishPasskeyRegistrationPayload { problems, ..FinishPasskeyRegistrationPayload::default() },
        })
    }

    /// Gives one of the own passkeys another name.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn rename_passkey(&self, ctx: &Context<'_>, input: RenamePasskeyInput) -> Result<RenamePasskeyPayload> {
        let result = rename_passkey::run(ctx.app()?, ctx.caller()?, &input.passkey_id, &input.name).await;
        Ok(match settle("rename_passkey", result)? {
            Ok(renamed) => RenamePasskeyPayload { passkey: Some(Passkey(renamed)), problems: Vec::new() },
            Err(problems) => RenamePasskeyPayload { problems, ..RenamePasskeyPayload::default() },
        })
    }

    /// Takes one of the own passkeys away, where something else is left to sign in with.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn delete_passkey(&self, ctx: &Context<'_>, input: DeletePasskeyInput) -> Result<DeletePasskeyPayload> {
        let result = delete_passkey::run(ctx.app()?, ctx.caller()?, &input.passkey_id).await;
        Ok(match settle("delete_passkey", result)? {
            Ok(user) => DeletePasskeyPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => DeletePasskeyPayload { problems, ..DeletePasskeyPayload::default() },
        })
    }
}
