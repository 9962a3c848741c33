//! Leaving, changing one's mind about it, and taking one's data along.

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::{
    flows::{cancel_account_deletion, delete_account, export_account},
    graphql::{
        auth_level::AuthLevel,
        context::{ContextExt, clear_tokens},
        guard::{Requires, auth},
        object::user::User,
        problem::{Problem, settle},
        scalar::{DateTime, Json},
    },
};

/// Leaving.
#[derive(Default)]
pub struct LeavingMutation;

/// When the account goes, or why not.
#[derive(SimpleObject, Default)]
pub struct DeleteAccountPayload {
    user: Option<User>,
    deletion_scheduled_at: Option<DateTime>,
    problems: Vec<Problem>,
}

/// An account that stays.
#[derive(SimpleObject, Default)]
pub struct CancelAccountDeletionPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// What is stored.
#[derive(SimpleObject, Default)]
pub struct ExportAccountPayload {
    export: Option<Json>,
    problems: Vec<Problem>,
}

#[Object]
impl LeavingMutation {
    /// Deletes the account and everything that belongs to it, after the grace period of the deployment; every session ends now. Until then its owner can sign in and cancel.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn delete_account(&self, ctx: &Context<'_>) -> Result<DeleteAccountPayload> {
        Ok(match settle("delete_account", delete_account::run(ctx.app()?, ctx.caller()?).await)? {
            Ok(user) => {
                clear_tokens(ctx)?;
                DeleteAccountPayload {
                    deletion_scheduled_at: user.deletion_scheduled_at.map(DateTime),
                    user: Some(user.into()),
                    problems: Vec::new(),
                }
            }
            Err(problems) => DeleteAccountPayload { problems, ..DeleteAccountPayload::default() },
        })
    }

    /// Keeps an account whose deletion was asked for.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn cancel_account_deletion(&self, ctx: &Context<'_>) -> Result<CancelAccountDeletionPayload> {
        Ok(match settle("cancel_account_deletion", cancel_account_deletion::run(ctx.app()?, ctx.caller()?).await)? {
            Ok(user) => CancelAccountDeletionPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => CancelAccountDeletionPayload { problems, ..CancelAccountDeletionPayload::default() },
        })
    }

    /// Everything stored about the signed-in user, as one JSON document.
    #[graphql(directive = auth::apply(AuthLevel::Recent), guard = "Requires(AuthLevel::Recent)")]
    async fn export_account(&self, ctx: &Context<'_>) -> Result<ExportAccountPayload> {
        Ok(match settle("export_account", export_account::run(ctx.app()?, ctx.caller()?).await)? {
            Ok(document) => ExportAccountPayload { export: Some(Json(document)), problems: Vec::new() },
            Err(problems) => ExportAccountPayload { problems, ..ExportAccountPayload::default() },
        })
    }
}
