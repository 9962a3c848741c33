//! Accounts that administrators make for others, and links for their passwords.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::profile::ProfileInput;
use crate::{
    domain::profile::Profile,
    flows::{
        create_user::{self, Vouched},
        send_password_link,
    },
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::user::{Role, User},
        problem::{Problem, settle},
        scalar::Json,
    },
};

/// Invitations.
#[derive(Default)]
pub struct InvitationMutation;

/// The user is sent an invitation, good for 7 days, to set a password; accepting it verifies the contact.
#[derive(InputObject)]
pub struct CreateUserInput {
    email: Option<String>,
    phone: Option<String>,
    username: Option<String>,
    #[graphql(default_with = "Role::User")]
    role: Role,
    #[graphql(default = false)]
    contact_verified: bool,
    profile: Option<ProfileInput>,
    metadata: Option<Json>,
}

/// A new account, or why there is none.
#[derive(SimpleObject, Default)]
pub struct CreateUserPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// Who shall choose a password.
#[derive(InputObject)]
pub struct SendPasswordLinkInput {
    user_id: ID,
}

/// Where the link went, or why it went nowhere.
#[derive(SimpleObject, Default)]
pub struct SendPasswordLinkPayload {
    user: Option<User>,
    /// Masked.
    destination: Option<String>,
    problems: Vec<Problem>,
}

impl From<CreateUserInput> for create_user::Input {
    fn from(input: CreateUserInput) -> Self {
        Self {
            email: input.email,
            phone: input.phone,
            username: input.username,
            role: input.role.into(),
            vouched: if input.contact_verified { Vouched::Yes } else { Vouched::No },
            profile: input.profile.map(Profile::from).unwrap_or_default(),
            metadata: input.metadata.map(|metadata| metadata.0),
        }
    }
}

#[Object]
impl InvitationMutation {
    /// Creates a user and sends them an invitation.
    #[graphql(directive = auth::apply(AuthLevel::RecentAdmin), guard = "Requires(AuthLevel::RecentAdmin)")]
    async fn create_user(&self, ctx: &Context<'_>, input: CreateUserInput) -> Result<CreateUserPayload> {
        Ok(match settle("create_user", create_user::run(ctx.app()?, ctx.caller()?, input.into()).await)? {
            Ok(user) => CreateUserPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => CreateUserPayload { problems, ..CreateUserPayload::default() },
        })
    }

    /// Sends a user an invitation (never signed in yet) or a password reset, to their own address or number: an administrator never chooses a password.
    #[graphql(directive = auth::apply(AuthLevel::RecentAdmin), guard = "Requires(AuthLevel::RecentAdmin)")]
    async fn send_password_link(&self, ctx: &Context<'_>, input: SendPasswordLinkInput) -> Result<SendPasswordLinkPayload> {
        Ok(match settle("send_password_link", send_password_link::run(ctx.app()?, ctx.caller()?, &input.user_id).await)? {
            Ok(outcome) => {
                SendPasswordLinkPayload { user: Some(outcome.user.into()), destination: Some(outcome.destination), problems: Vec::new() }
            }
            Err(problems) => SendPasswordLinkPayload { problems, ..SendPasswordLinkPayload::default() },
        })
    }
}
