//! HTTP: routes, transports, and who asks.

pub mod answer;
pub mod assemble;
pub mod authenticate;
pub mod avatars;
pub mod client_address;
pub mod cookies;
pub mod dev_inbox;
pub mod forward_auth;
pub mod gateway;
pub mod graphiql;
pub mod graphql;
pub mod health;
pub mod jwks;
pub mod message_previews;
pub mod multipart;
pub mod oauth;
pub mod origin;
pub mod pages;
pub mod question;
pub mod router;
pub mod server;
pub mod socket_ending;
pub mod socket_frames;
pub mod sockets;
pub mod stream;
pub mod websocket;
