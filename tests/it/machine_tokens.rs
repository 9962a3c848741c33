//! Machine tokens: what they open, how long they hold, and that their end is felt everywhere.

mod command_line;
mod life;
mod scopes;

use postern::{
    domain::machine_scope::MachineScope,
    flows::{create_machine_token, revoke_machine_token},
};
use serde_json::Value;

use crate::support::{Answer, Gateway, Socket, Visitor};

/// A listener or back end with its token.
pub struct Machine {
    pub id: String,
    pub token: String,
    pub visitor: Visitor,
}

impl Machine {
    /// One that holds until it is revoked.
    pub async fn with(gateway: &Gateway, scopes: &[MachineScope]) -> Self {
        Self::made(gateway, scopes, None).await
    }

    pub async fn made(gateway: &Gateway, scopes: &[MachineScope], expires_in: Option<std::time::Duration>) -> Self {
        let input = create_machine_token::Input { name: "a listener".to_owned(), scopes: scopes.to_vec(), expires_in };
        let made = gateway.inside(create_machine_token::run(gateway.app(), input)).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        Self { id: made.id.to_string(), token: made.token.to_string(), visitor: gateway.app_user() }
    }

    /// The same at another instance.
    pub fn at(&self, gateway: &Gateway) -> Self {
        Self { id: self.id.clone(), token: self.token.clone(), visitor: self.visitor.at(gateway) }
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.visitor.graphql_with(query, variables, Some(&self.token)).await
    }

    pub async fn event_cursor(&self) -> String {
        self.graphql("{ eventCursor }", serde_json::json!({})).await.expect_field().as_str().unwrap().to_owned()
    }

    pub async fn socket(&self) -> Socket {
        Socket::of(&self.visitor, Some(&self.token)).await
    }

    /// Revokes it, at this instance.
    pub async fn revoke(&self, gateway: &Gateway) {
        let done = gateway.inside(revoke_machine_token::run(gateway.app(), &self.id)).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(matches!(done, revoke_machine_token::Outcome::Revoked(_)), "{done:?}");
    }
}
