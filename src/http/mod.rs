//! HTTP: routes, transports, and who asks.

pub mod authenticate;
pub mod client_address;
pub mod cookies;
pub mod dev_inbox;
pub mod graphiql;
pub mod graphql;
pub mod health;
pub mod jwks;
pub mod origin;
pub mod router;
pub mod server;
pub mod stream;
pub mod websocket;
