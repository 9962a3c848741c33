//! What people say about themselves.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use crate::{
    domain::{
        profile::Profile,
        profile_edit::{Edit, ProfileEdit},
    },
    flows::update_profile,
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::user::User,
        problem::{Problem, settle},
        scalar::Date,
    },
};

/// Profiles.
#[derive(Default)]
pub struct ProfileMutation;

/// What a person says about themselves.
#[derive(InputObject, Default)]
pub struct ProfileInput {
    pub display_name: MaybeUndefined<String>,
    pub full_name: MaybeUndefined<String>,
    pub first_name: MaybeUndefined<String>,
    pub last_name: MaybeUndefined<String>,
    pub bio: MaybeUndefined<String>,
    pub locale: MaybeUndefined<String>,
    pub date_of_birth: MaybeUndefined<Date>,
    pub address: MaybeUndefined<AddressInput>,
}

/// A postal address, as far as it is kept.
#[derive(InputObject, Default)]
pub struct AddressInput {
    pub country: MaybeUndefined<String>,
    pub state: MaybeUndefined<String>,
    pub postal_code: MaybeUndefined<String>,
}

/// What becomes of a value that may be left out.
pub(super) fn edit<T, U>(given: MaybeUndefined<T>, convert: impl FnOnce(T) -> U) -> Edit<U> {
    match given {
        MaybeUndefined::Undefined => Edit::Keep,
        MaybeUndefined::Null => Edit::Clear,
        MaybeUndefined::Value(value) => Edit::Set(convert(value)),
    }
}

/// As it is.
pub(super) fn same<T>(given: MaybeUndefined<T>) -> Edit<T> {
    edit(given, std::convert::identity)
}

impl From<ProfileInput> for ProfileEdit {
    fn from(input: ProfileInput) -> Self {
        let address = match input.address {
            MaybeUndefined::Undefined => AddressInput::default(),
            MaybeUndefined::Null => {
                AddressInput { country: MaybeUndefined::Null, state: MaybeUndefined::Null, postal_code: MaybeUndefined::Null }
            }
            MaybeUndefined::Value(address) => address,
        };
        Self {
            display_name: same(input.display_name),
            full_name: same(input.full_name),
            first_name: same(input.first_name),
            last_name: same(input.last_name),
            bio: same(input.bio),
            locale: same(input.locale),
            date_of_birth: edit(input.date_of_birth, |date| date.0),
            country: same(address.country),
            state: same(address.state),
            postal_code: same(address.postal_code),
        }
    }
}

impl From<ProfileInput> for Profile {
    fn from(input: ProfileInput) -> Self {
        ProfileEdit::from(input).into_new()
    }
}

/// A field that is left out stays; null clears it.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    username: MaybeUndefined<String>,
    profile: MaybeUndefined<ProfileInput>,
}

/// A changed profile, or why not.
#[derive(SimpleObject, Default)]
pub struct UpdateProfilePayload {
    user: Option<User>,
    problems: Vec<Problem>,
}

#[Object]
impl ProfileMutation {
    /// Changes what is given; a field that is left out stays, null clears it.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn update_profile(&self, ctx: &Context<'_>, input: UpdateProfileInput) -> Result<UpdateProfilePayload> {
        let profile = match input.profile {
            MaybeUndefined::Undefined => ProfileEdit::default(),
            MaybeUndefined::Null => ProfileEdit::everything_cleared(),
            MaybeUndefined::Value(profile) => profile.into(),
        };
        let input = update_profile::Input { username: same(input.username), profile };
        Ok(match settle("update_profile", update_profile::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(user) => UpdateProfilePayload { user: Some(user.into()), problems: Vec::new() },
            Err(problems) => UpdateProfilePayload { problems, ..UpdateProfilePayload::default() },
        })
    }
}
