//! What machine tokens open: the root fields of each scope, and what is behind them.

use async_graphql::{Context, Guard, Result};

use super::{context::ContextExt, error};
use crate::{
    domain::machine_scope::MachineScope,
    flows::{caller::Identity, machine_tokens::Machine},
};

/// The root fields that each scope opens. A machine token reaches nothing else that needs credentials, whatever a field's `@auth` says.
pub const ROOT_FIELDS: [(MachineScope, &[&str]); 3] = [
    (MachineScope::EventsRead, &["eventCursor", "allSessionEvents", "userEvents", "auditEventAdded"]),
    (MachineScope::UsersRead, &["user", "users", "node"]),
    (MachineScope::CoinsWrite, &["adjustCoins"]),
];

/// Whether a machine's token covers a root field.
pub fn opens(machine: &Machine, root_field: &str) -> bool {
    ROOT_FIELDS.iter().any(|(scope, fields)| machine.has(*scope) && fields.contains(&root_field))
}

/// What a machine sees only with one of these scopes, by whichever field it got there. People see it by the rules of that field.
#[derive(Clone, Copy, Debug)]
pub struct MachineNeeds(pub &'static [MachineScope]);

impl Guard for MachineNeeds {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        match &ctx.caller()?.identity {
            Identity::Machine(machine) if !self.0.iter().any(|scope| machine.has(*scope)) => Err(error::forbidden()),
            Identity::Machine(_) | Identity::Session(_) | Identity::Past { .. } | Identity::Refused(_) | Identity::Anonymous => Ok(()),
        }
    }
}

/// What no machine token opens: what its owner alone should follow, and the ways into an account.
#[derive(Clone, Copy, Debug)]
pub struct PeopleOnly;

impl Guard for PeopleOnly {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        match &ctx.caller()?.identity {
            Identity::Machine(_) => Err(error::forbidden()),
            Identity::Session(_) | Identity::Past { .. } | Identity::Refused(_) | Identity::Anonymous => Ok(()),
        }
    }
}
