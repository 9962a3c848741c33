//! What administrators do to users.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::profile::{ProfileInput, edit, same};
use crate::{
    domain::profile_edit::ProfileEdit,
    flows::{delete_user, reset_second_factors, revoke_user_sessions, set_user_role, set_user_status, unlock_user, update_user},
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::user::{Role, User, UserStatus},
        problem::{Problem, settle},
        scalar::Json,
    },
};

/// Users, for administrators.
#[derive(Default)]
pub struct UserMutation;

/// A field that is left out stays; null clears it.
#[derive(InputObject)]
pub struct UpdateUserInput {
    user_id: ID,
    username: MaybeUndefined<String>,
    email: MaybeUndefined<String>,
    phone: MaybeUndefined<String>,
    profile: MaybeUndefined<ProfileInput>,
    metadata: MaybeUndefined<Json>,
}

/// A changed user, or why not.
#[derive(SimpleObject, Default)]
pub struct UpdateUserPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Whether an account may be used.
#[derive(InputObject)]
pub struct SetUserStatusInput {
    user_id: ID,
    status: UserStatus,
    reason: Option<String>,
}

/// The account as it is now, or why not.
#[derive(SimpleObject, Default)]
pub struct SetUserStatusPayload {
    user: Option<User>,
    revoked_session_count: Option<i32>,
    problems: Vec<Problem>,
}

/// What somebody may do.
#[derive(InputObject)]
pub struct SetUserRoleInput {
    user_id: ID,
    role: Role,
}

/// The user as they are now, or why not.
#[derive(SimpleObject, Default)]
pub struct SetUserRolePayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Whose lock ends.
#[derive(InputObject)]
pub struct UnlockUserInput {
    user_id: ID,
}

/// An account that is not locked.
#[derive(SimpleObject, Default)]
pub struct UnlockUserPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Whose factors go.
#[derive(InputObject)]
pub struct ResetSecondFactorsInput {
    user_id: ID,
    reason: String,
}

/// An account without second factors, or why not.
#[derive(SimpleObject, Default)]
pub struct ResetSecondFactorsPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Which sessions end.
#[derive(InputObject)]
pub struct RevokeUserSessionsInput {
    user_id: ID,
    /// Only this one.
    session_id: Option<ID>,
    reason: Option<String>,
}

/// The sessions that were ended, or why none.
#[derive(SimpleObject, Default)]
pub struct RevokeUserSessionsPayload {
    user: Option<User>,
    revoked_session_ids: Vec<ID>,
    revoked_session_count: i32,
    problems: Vec<Problem>,
}

/// Who goes.
#[derive(InputObject)]
pub struct DeleteUserInput {
    user_id: ID,
    reason: String,
}

/// Who is gone, or why not.
#[derive(SimpleObject, Default)]
pub struct DeleteUserPayload {
    deleted_user_id: Option<ID>,
    problems: Vec<Problem>,
}

impl From<UpdateUserInput> for update_user::Input {
    fn from(input: UpdateUserInput) -> Self {
        let profile = match input.profile {
            MaybeUndefined::Undefined => ProfileEdit::default(),
            MaybeUndefined::Null => ProfileEdit::everything_cleared(),
            MaybeUndefined::Value(profile) => profile.into(),
        };
        Self {
            user_id: input.user_id.0,
            username: same(input.username),
            email: same(input.email),
            phone: same(input.phone),
            profile,
            metadata: edit(input.metadata, |json| json.0),
        }
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[Object]
impl UserMutation {
    /// Changes what is given; a contact set here counts as unverified unless it already was verified.
    #[graphql(directive = auth::apply(AuthLevel::RecentAdmin), guard = "Requires(AuthLevel::RecentAdmin)")]
    async fn update_user(&self, ctx: &Context<'_>, input: UpdateUserInput) -> Result<UpdateUserPayload> {
        Ok(match settle("update_user", update_user::run(ctx.app()?, ctx.caller()?, input.into()).await)? {
            Ok(user) => UpdateUserPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => UpdateUserPayload { problems, ..UpdateUserPayload::default() },
        })
    }

    /// Suspending, banning or deactivating a user ends all their sessions at once.
    #[graphql(directive = auth::apply(AuthLevel::RecentAdmin), guard = "Requires(AuthLevel::RecentAdmin)")]
    async fn set_user_status(&self, ctx: &Context<'_>, input: SetUserStatusInput) -> Result<SetUserStatusPayload> {
        let input = set_user_status::Input { user_id: input.user_id.0, status: input.status.into(), reason: input.reason };
        Ok(match settle("set_user_status", set_user_status::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => SetUserStatusPayload {
                user: Some(outcome.user.into()),
                revoked_session_count: Some(count(outcome.revoked)),
                problems: Vec::new(),
            },
            Err(problems) => SetUserStatusPayload { problems, ..SetUserStatusPayload::default() },
        })
    }

    /// Takes effect at once, also for tokens already out. The last administrator stays one.
    #[graphql(directive = auth::apply(AuthLevel::RecentAdmin), guard = "Requires(AuthLevel::RecentAdmin)")]
    async fn set_user_role(&self, ctx: &Context<'_>, input: SetUserRoleInput) -> Result<SetUserRolePayload> {
        let input = set_user_role::Input { user_id: input.user_id.0, role: input.role.into() };
        Ok(match settle("set_user_role", set_user_role::run(ctx.app()?, ctx.caller()?, &input).await)? {
            Ok(user) => SetUserRolePayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => SetUserRolePayload { problems, ..SetUserRolePayload::default() },
        })
    }

    /// Clears the failed attempts and the lock of an account.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn unlock_user(&self, ctx: &Context<'_>, input: UnlockUserInput) -> Result<UnlockUserPayload> {
        Ok(match settle("unlock_user", unlock_user::run(ctx.app()?, ctx.caller()?, &input.user_id).await)? {
            Ok(user) => UnlockUserPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => UnlockUserPayload { problems, ..UnlockUserPayload::default() },
        })
    }

    /// Removes TOTP, recovery codes and passkeys of a user who lost them.
    #[graphql(directive = auth::apply(AuthLevel::RecentAdmin), guard = "Requires(AuthLevel::RecentAdmin)")]
    async fn reset_second_factors(&self, ctx: &Context<'_>, input: ResetSecondFactorsInput) -> Result<ResetSecondFactorsPayload> {
        let input = reset_second_factors::Input { user_id: input.user_id.0, reason: input.reason };
        Ok(match settle("reset_second_factors", reset_second_factors::run(ctx.app()?, ctx.caller()?, &input).await)? {
            Ok(user) => ResetSecondFactorsPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => ResetSecondFactorsPayload { problems, ..ResetSecondFactorsPayload::default() },
        })
    }

    /// Ends all sessions of a user, or one.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn revoke_user_sessions(&self, ctx: &Context<'_>, input: RevokeUserSessionsInput) -> Result<RevokeUserSessionsPayload> {
        let input =
            revoke_user_sessions::Input { user_id: input.user_id.0, session_id: input.session_id.map(|id| id.0), reason: input.reason };
        Ok(match settle("revoke_user_sessions", revoke_user_sessions::run(ctx.app()?, ctx.caller()?, &input).await)? {
            Ok(outcome) => RevokeUserSessionsPayload {
                user: Some(outcome.user.into()),
                revoked_session_count: count(outcome.revoked.len()),
                revoked_session_ids: outcome.revoked.iter().map(ID::from).collect(),
                problems: Vec::new(),
            },
            Err(problems) => RevokeUserSessionsPayload { problems, ..RevokeUserSessionsPayload::default() },
        })
    }

    /// Deletes a user at once, without grace. The last administrator stays.
    #[graphql(directive = auth::apply(AuthLevel::RecentAdmin), guard = "Requires(AuthLevel::RecentAdmin)")]
    async fn delete_user(&self, ctx: &Context<'_>, input: DeleteUserInput) -> Result<DeleteUserPayload> {
        let input = delete_user::Input { user_id: input.user_id.0, reason: input.reason };
        Ok(match settle("delete_user", delete_user::run(ctx.app()?, ctx.caller()?, &input).await)? {
            Ok(id) => DeleteUserPayload { deleted_user_id: Some(ID(id.to_string())), problems: Vec::new() },
            Err(problems) => DeleteUserPayload { problems, ..DeleteUserPayload::default() },
        })
    }
}
