//! Passwords.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::{
    flows::change_password,
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::user::User,
        problem::{Problem, settle},
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

#[Object]
impl PasswordMutation {
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
