//! Root fields of `Mutation`, one file per area.

use async_graphql::MergedObject;

mod avatar;
mod coins;
mod contacts;
mod invitations;
mod leaving;
mod passkey;
mod password;
mod profile;
mod provider;
mod second_factors;
mod session;
mod sign_in;
mod sign_up;
mod users;

/// Everything that can be done.
#[derive(MergedObject, Default)]
pub struct Mutation(
    sign_up::SignUpMutation,
    sign_in::SignInMutation,
    session::SessionMutation,
    passkey::PasskeyMutation,
    password::PasswordMutation,
    profile::ProfileMutation,
    contacts::ContactMutation,
    leaving::LeavingMutation,
    avatar::AvatarMutation,
    second_factors::SecondFactorMutation,
    provider::ProviderMutation,
    coins::CoinMutation,
    invitations::InvitationMutation,
    users::UserMutation,
);
