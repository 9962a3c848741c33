//! `@auth(requires:)`: who may use a field, enforced in one place.

use async_graphql::{Context, Error, Guard, Result, TypeDirective};

use super::{auth_level::AuthLevel, context::ContextExt, error, scopes::opens};
use crate::{
    app::App,
    flows::{
        caller::{Caller, Identity},
        recent::is_recent,
        standing,
    },
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
        let (app, caller) = (ctx.app()?, ctx.caller()?);
        let is_root = ctx.path_node.is_some_and(|node| node.parent.is_none());
        if is_root { authorize_root(app, caller, self.0, ctx.field().name()) } else { authorize(app, caller, self.0) }
    }
}

/// Whether a caller reaches a root field: a person by its level, a machine by its scopes.
pub fn authorize_root(app: &App, caller: &Caller, level: AuthLevel, root_field: &str) -> Result<(), Error> {
    match &caller.identity {
        Identity::Machine(machine) if opens(machine, root_field) => Ok(()),
        Identity::Machine(_) => Err(error::forbidden()),
        Identity::Session(_) | Identity::Past { .. } | Identity::Refused(_) | Identity::Anonymous => authorize(app, caller, level),
    }
}

/// Whether a person reaches a level. No machine does.
pub fn authorize(app: &App, caller: &Caller, level: AuthLevel) -> Result<(), Error> {
    let live = &caller.signed_in().map_err(error::unauthenticated)?.live;
    let is_recent = is_recent(app, live, app.clock.now());
    if matches!(level, AuthLevel::Admin | AuthLevel::RecentAdmin) {
        standing::of_administrator(app.config.mode, live).map_err(error::lost)?;
    }
    match level {
        AuthLevel::SignedIn | AuthLevel::Admin => Ok(()),
        AuthLevel::Recent | AuthLevel::RecentAdmin if is_recent => Ok(()),
        AuthLevel::Recent | AuthLevel::RecentAdmin => Err(error::reauthentication_required()),
    }
}
