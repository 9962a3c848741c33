//! A person with an account.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use entity::{attempt_counters, users};

use super::{
    activity::ActivityConnection,
    coin_entry::CoinEntryConnection,
    passkey::Passkey,
    pending_contact::PendingContact,
    session_connection::{SessionConnection, SessionFilter},
    sign_in_outcome::Identity,
};
use crate::{
    domain::{machine_scope::MachineScope, profile_edit},
    graphql::{
        connection::PageArguments,
        context::ContextExt,
        error,
        loaders::{IdentitiesOf, PasskeysOf, PasswordCounterOf, load},
        scalar::{Date, DateTime, Json},
        scopes::{MachineNeeds, PeopleOnly},
    },
    storage::recovery_codes,
};

/// A person with an account.
#[derive(Clone, Debug)]
pub struct User(pub Arc<users::Model>);

impl From<users::Model> for User {
    fn from(row: users::Model) -> Self {
        Self(Arc::new(row))
    }
}

/// What a user may do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "users::Role")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum Role {
    User,
    Admin,
}

/// Whether an account may be used.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "users::Status")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum UserStatus {
    Active,
    /// Not in use, by an administrator's choice; its owner cannot sign in.
    Inactive,
    Suspended,
    Banned,
}

/// A postal address, as far as it is kept.
#[derive(SimpleObject, Clone, Debug)]
pub struct Address {
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// State or province.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
}

/// A picture of a person.
#[derive(SimpleObject, Clone, Debug)]
pub struct Avatar {
    /// Where it is; another picture has another address.
    pub url: String,
    /// In bytes.
    pub size: i32,
    /// `image/jpeg` or `image/png`.
    pub mime_type: String,
}

impl User {
    async fn password_counter(&self, ctx: &Context<'_>) -> Result<Option<attempt_counters::Model>> {
        load(ctx, PasswordCounterOf(self.0.id)).await
    }
}

#[Object(guard = "MachineNeeds(&[MachineScope::UsersRead])")]
impl User {
    /// Globally unique.
    #[graphql(guard = "MachineNeeds(&MachineScope::ALL)")]
    pub async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    async fn email_verified_at(&self) -> Option<DateTime> {
        self.0.email_verified_at.map(DateTime)
    }

    /// The address that a pending change would set.
    #[graphql(guard = "PeopleOnly")]
    async fn pending_email(&self, ctx: &Context<'_>) -> Result<Option<PendingContact>> {
        PendingContact::of(ctx, self.0.pending_email.as_deref(), self.0.pending_email_expires_at, self.0.pending_email_challenge_id)
    }

    /// E.164, for example `+66812345678`.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    async fn phone_verified_at(&self) -> Option<DateTime> {
        self.0.phone_verified_at.map(DateTime)
    }

    #[graphql(guard = "PeopleOnly")]
    async fn pending_phone(&self, ctx: &Context<'_>) -> Result<Option<PendingContact>> {
        PendingContact::of(ctx, self.0.pending_phone.as_deref(), self.0.pending_phone_expires_at, self.0.pending_phone_challenge_id)
    }

    async fn username(&self) -> Option<&str> {
        self.0.username.as_deref()
    }

    /// What others see.
    async fn display_name(&self) -> Option<&str> {
        self.0.display_name.as_deref()
    }

    /// The whole name as its owner writes it; not everyone has a first and a last one.
    async fn full_name(&self) -> Option<&str> {
        self.0.full_name.as_deref()
    }

    async fn first_name(&self) -> Option<&str> {
        self.0.first_name.as_deref()
    }

    async fn last_name(&self) -> Option<&str> {
        self.0.last_name.as_deref()
    }

    async fn bio(&self) -> Option<&str> {
        self.0.bio.as_deref()
    }

    async fn avatar(&self, ctx: &Context<'_>) -> Result<Option<Avatar>> {
        let (Some(key), Some(size), Some(mime_type)) = (&self.0.avatar_key, self.0.avatar_size, &self.0.avatar_mime_type) else {
            return Ok(None);
        };
        let url = format!("{}/avatars/{key}", ctx.app()?.config.http.public_base());
        Ok(Some(Avatar { url, size, mime_type: mime_type.clone() }))
    }

    /// BCP 47; the language of messages.
    async fn locale(&self) -> Option<&str> {
        self.0.locale.as_deref()
    }

    async fn date_of_birth(&self) -> Option<Date> {
        self.0.date_of_birth.map(Date)
    }

    async fn address(&self) -> Option<Address> {
        let address = Address { country: self.0.country.clone(), state: self.0.state.clone(), postal_code: self.0.postal_code.clone() };
        (address.country.is_some() || address.state.is_some() || address.postal_code.is_some()).then_some(address)
    }

    /// Whether every profile field that this deployment requires is filled. It informs the client and bars nothing.
    async fn profile_complete(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.app()?.config.profile.required_fields.iter().all(|field| profile_edit::is_filled(*field, &self.0)))
    }

    async fn role(&self) -> Role {
        self.0.role.into()
    }

    async fn status(&self) -> UserStatus {
        self.0.status.into()
    }

    /// While set and in the future, password sign-in is refused.
    async fn locked_until(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        let now = ctx.app()?.clock.now();
        let counter = self.password_counter(ctx).await?;
        Ok(counter.and_then(|counter| counter.locked_until).filter(|until| *until > now).map(DateTime))
    }

    async fn failed_sign_in_attempts(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(self.password_counter(ctx).await?.map_or(0, |counter| counter.total))
    }

    #[graphql(guard = "MachineNeeds(&[MachineScope::UsersRead, MachineScope::CoinsWrite])")]
    async fn coin_balance(&self) -> i32 {
        self.0.coin_balance
    }

    #[graphql(guard = "MachineNeeds(&[MachineScope::UsersRead, MachineScope::CoinsWrite])")]
    async fn total_earned_coins(&self) -> i32 {
        self.0.total_earned_coins
    }

    #[graphql(guard = "MachineNeeds(&[MachineScope::UsersRead, MachineScope::CoinsWrite])")]
    async fn coin_entries(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<CoinEntryConnection> {
        CoinEntryConnection::of_user(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    async fn has_password(&self) -> bool {
        self.0.password_hash.is_some()
    }

    async fn last_password_change_at(&self) -> Option<DateTime> {
        self.0.last_password_change_at.map(DateTime)
    }

    async fn totp_enabled(&self) -> bool {
        self.0.totp_enabled_at.is_some()
    }

    async fn recovery_codes_left(&self, ctx: &Context<'_>) -> Result<i32> {
        if self.0.totp_enabled_at.is_none() {
            return Ok(0);
        }
        let left = recovery_codes::count_unused(ctx.app()?.database.read(), self.0.id).await.map_err(error::storage)?;
        Ok(i32::try_from(left).unwrap_or(i32::MAX))
    }

    /// Accounts at providers that this user can sign in with.
    #[graphql(guard = "PeopleOnly")]
    async fn identities(&self, ctx: &Context<'_>) -> Result<Vec<Identity>> {
        let linked = load(ctx, IdentitiesOf(self.0.id)).await?.unwrap_or_default();
        Ok(linked.into_iter().map(Identity::from).collect())
    }

    #[graphql(guard = "PeopleOnly")]
    async fn passkeys(&self, ctx: &Context<'_>) -> Result<Vec<Passkey>> {
        let rows = load(ctx, PasskeysOf(self.0.id)).await?.unwrap_or_default();
        Ok(rows.iter().cloned().map(Passkey).collect())
    }

    #[graphql(guard = "PeopleOnly")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        filter: Option<SessionFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<SessionConnection> {
        SessionConnection::of_user(ctx, self.0.id, filter, PageArguments { first, after, last, before }).await
    }

    /// What happened to this account, newest first, without what only administrators may see.
    #[graphql(guard = "PeopleOnly")]
    async fn activity(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<ActivityConnection> {
        ActivityConnection::of_user(ctx, self.0.id, PageArguments { first, after, last, before }).await
    }

    /// Data that the deployment keeps with a user; 16 KiB at most. Written by administrators, readable by the user.
    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }

    async fn last_sign_in_at(&self) -> Option<DateTime> {
        self.0.last_login_at.map(DateTime)
    }

    /// When a deletion that was asked for will be carried out.
    async fn deletion_scheduled_at(&self) -> Option<DateTime> {
        self.0.deletion_scheduled_at.map(DateTime)
    }

    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}
