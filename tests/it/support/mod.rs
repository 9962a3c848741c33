//! What tests from outside stand on: gateways that start and vanish, and actors who use their public API alone.
#![allow(dead_code, unused_imports, reason = "each test module uses its part")]

mod actors;
mod administrator;
mod answer;
pub mod authenticator;
mod authenticator_app;
mod cookies;
mod gateway;
mod inbox;
pub mod oauth;
mod passkeys;
mod place;
pub mod places;
mod process;
mod program;
pub mod provider;
mod servers;
mod socket;
mod steered;
mod until;

pub use self::{
    actors::{Challenge, Delivery, Member, PASSWORD, Visitor, login_token},
    administrator::{Administrator, USER},
    answer::Answer,
    authenticator::Authenticator,
    authenticator_app::AuthenticatorApp,
    gateway::{Door, Gateway},
    inbox::Message,
    place::Place,
    process::Process,
    servers::{fill, postgres, redis},
    socket::{Closed, Frame, Socket},
    steered::Steered,
    until::{until, until_some},
};
