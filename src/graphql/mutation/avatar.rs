//! Pictures of people.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use crate::{
    flows::avatar,
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::user::User,
        problem::{Problem, settle},
        upload::Upload,
    },
};

/// Avatars.
#[derive(Default)]
pub struct AvatarMutation;

/// What is sent.
#[derive(InputObject)]
pub struct UploadAvatarInput {
    /// A JPEG, PNG, WebP or GIF.
    file: Upload,
}

/// An account with a new picture, or why not.
#[derive(SimpleObject, Default)]
pub struct UploadAvatarPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

/// An account without a picture.
#[derive(SimpleObject, Default)]
pub struct RemoveAvatarPayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

#[Object]
impl AvatarMutation {
    /// Replaces the picture. JPEG, PNG, WebP or GIF; it is decoded, cropped to a square and written anew.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn upload_avatar(&self, ctx: &Context<'_>, input: UploadAvatarInput) -> Result<UploadAvatarPayload> {
        let file = input.file.take(ctx)?;
        Ok(match settle("upload_avatar", avatar::upload(ctx.app()?, ctx.caller()?, file).await)? {
            Ok(user) => UploadAvatarPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => UploadAvatarPayload { problems, ..UploadAvatarPayload::default() },
        })
    }

    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn remove_avatar(&self, ctx: &Context<'_>) -> Result<RemoveAvatarPayload> {
        Ok(match settle("remove_avatar", avatar::remove(ctx.app()?, ctx.caller()?).await)? {
            Ok(user) => RemoveAvatarPayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => RemoveAvatarPayload { problems, ..RemoveAvatarPayload::default() },
        })
    }
}
