//! `@auth(requires:)`: who may use a field, enforced in one place.

use async_graphql::{Context, Error, Guard, Result, TypeDirective};
use entity::users::Role;

use super::{auth_level::AuthLevel, context::ContextExt, error};
use crate::{
    app::App,
    config::Mode,
    flows::{caller::Caller, recent::is_recent},
};

/// Who may use a field. A field without it is open to everyone.
/// The server enforces what this says; a test walks every field and proves it.
#[TypeDirective(location = "FieldDefinition")]
pub fn auth(requires: AuthLevel) {}

/// The guard of a field: the same level as its directive.
#[derive(Clone, Copy, Debug)]
pub struct Requires(pub AuthLevel);

impl Guard for Requires {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        authorize(ctx.app()?, ctx.caller()?, self.0)
    }
}

/// Whether a caller reaches a level.
pub fn authorize(app: &App, caller: &Caller, level: AuthLevel) -> Result<(), Error> {
    let live = &caller.signed_in().map_err(error::unauthenticated)?.live;
    let is_admin = live.user.role == Role::Admin;
    let is_recent = is_recent(app, live, app.clock.now());
    // In production an administrator's password alone opens nothing.
    let lacks_factor = app.config.mode == Mode::Production && live.session.strong_proof_at.is_none();
    match level {
        AuthLevel::Admin | AuthLevel::RecentAdmin if !is_admin => Err(error::forbidden()),
        AuthLevel::Admin | AuthLevel::RecentAdmin if lacks_factor => Err(error::second_factor_required()),
        AuthLevel::SignedIn | AuthLevel::Admin => Ok(()),
        AuthLevel::Recent | AuthLevel::RecentAdmin if is_recent => Ok(()),
        AuthLevel::Recent | AuthLevel::RecentAdmin => Err(error::reauthentication_required()),
    }
}
