//! Authenticator apps and recovery codes.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use crate::{
    flows::{begin_totp_enrollment, confirm_totp_enrollment, disable_totp, regenerate_recovery_codes},
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::user::User,
        problem::{Problem, settle},
        scalar::DateTime,
    },
};

/// Authenticator apps and recovery codes.
#[derive(Default)]
pub struct SecondFactorMutation;

/// A seed for an app, or why not.
#[derive(SimpleObject, Default)]
pub struct BeginTotpEnrollmentPayload {
    /// Base32, for typing in.
    secret: Option<String>,
    /// `otpauth://totp/…`
    uri: Option<String>,
    /// The URI as a QR code: a `data:image/svg+xml` URL for an `img`.
    qr_code: Option<String>,
    expires_at: Option<DateTime>,
    problems: Vec<Problem>,
}

/// What is typed.
#[derive(InputObject)]
pub struct ConfirmTotpEnrollmentInput {
    /// Of the app.
    code: String,
}

/// Recovery codes, or why not.
#[derive(SimpleObject, Default)]
pub struct ConfirmTotpEnrollmentPayload {
    user: Option<User>,
    /// Shown this once.
    recovery_codes: Option<Vec<String>>,
    problems: Vec<Problem>,
}

/// The account, or why not.
#[derive(SimpleObject, Default)]
pub struct DisableTotpPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Recovery codes, or why not.
#[derive(SimpleObject, Default)]
pub struct RegenerateRecoveryCodesPayload {
    user: Option<User>,
    recovery_codes: Option<Vec<String>>,
    problems: Vec<Problem>,
}

#[Object]
impl SecondFactorMutation {
    /// A new TOTP secret, to be confirmed with a code before it counts.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn begin_totp_enrollment(&self, ctx: &Context<'_>) -> Result<BeginTotpEnrollmentPayload> {
        Ok(match settle("begin_totp_enrollment", begin_totp_enrollment::run(ctx.app()?, ctx.caller()?).await)? {
            Ok(outcome) => BeginTotpEnrollmentPayload {
                secret: Some(outcome.invitation.secret),
                uri: Some(outcome.invitation.uri),
                qr_code: Some(outcome.invitation.qr_code),
                expires_at: Some(outcome.expires_at.into()),
                problems: Vec::new(),
            },
            Err(problems) => BeginTotpEnrollmentPayload { problems, ..BeginTotpEnrollmentPayload::default() },
        })
    }

    /// Turns TOTP on and shows the recovery codes, once.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn confirm_totp_enrollment(&self, ctx: &Context<'_>, input: ConfirmTotpEnrollmentInput) -> Result<ConfirmTotpEnrollmentPayload> {
        Ok(match settle("confirm_totp_enrollment", confirm_totp_enrollment::run(ctx.app()?, ctx.caller()?, &input.code).await)? {
            Ok(outcome) => ConfirmTotpEnrollmentPayload {
                user: Some(outcome.user.into()),
                recovery_codes: Some(outcome.recovery_codes),
                problems: Vec::new(),
            },
            Err(problems) => ConfirmTotpEnrollmentPayload { problems, ..ConfirmTotpEnrollmentPayload::default() },
        })
    }

    /// Turns TOTP off and drops the recovery codes.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn disable_totp(&self, ctx: &Context<'_>) -> Result<DisableTotpPayload> {
        Ok(match settle("disable_totp", disable_totp::run(ctx.app()?, ctx.caller()?).await)? {
            Ok(user) => DisableTotpPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => DisableTotpPayload { problems, ..DisableTotpPayload::default() },
        })
    }

    /// New recovery codes; the old ones stop working.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn regenerate_recovery_codes(&self, ctx: &Context<'_>) -> Result<RegenerateRecoveryCodesPayload> {
        Ok(match settle("regenerate_recovery_codes", regenerate_recovery_codes::run(ctx.app()?, ctx.caller()?).await)? {
            Ok(outcome) => RegenerateRecoveryCodesPayload {
                user: Some(outcome.user.into()),
                recovery_codes: Some(outcome.recovery_codes),
                problems: Vec::new(),
            },
            Err(problems) => RegenerateRecoveryCodesPayload { problems, ..RegenerateRecoveryCodesPayload::default() },
        })
    }
}
