//! What a sign-in can come to.

use async_graphql::{ID, SimpleObject, Union};
use entity::auth_providers;

use super::{
    challenge::Challenge,
    session::{SecondFactorMethod, Session},
    tokens::Tokens,
    user::User,
};
use crate::{flows::second_step::Asked, graphql::scalar::DateTime};

/// What a sign-in can come to.
#[derive(Union)]
pub enum SignInOutcome {
    /// A session.
    SignedIn(SignedIn),
    /// A second proof is asked for.
    SecondFactorRequired(SecondFactorRequired),
    /// The contact has to be proved first.
    VerificationRequired(VerificationRequired),
    /// A provider was linked.
    IdentityLinked(IdentityLinked),
}

/// A new session.
#[derive(SimpleObject)]
pub struct SignedIn {
    /// Whether this sign-in made the account.
    pub is_new_user: bool,
    /// Whose session it is.
    pub user: User,
    /// The session.
    pub session: Session,
    /// Its tokens.
    pub tokens: Tokens,
}

/// The first factor was right; give a second one to `completeSecondFactor`.
#[derive(SimpleObject)]
pub struct SecondFactorRequired {
    /// Works for `completeSecondFactor` and `beginPasskeySignIn` alone.
    pub login_token: String,
    /// What is taken.
    pub methods: Vec<SecondFactorMethod>,
    /// The code that was sent, where a method is EMAIL_CODE or SMS_CODE.
    pub challenge: Option<Challenge>,
    /// Until when.
    pub expires_at: DateTime,
}

impl From<Asked> for SecondFactorRequired {
    fn from(asked: Asked) -> Self {
        Self {
            login_token: asked.login_token,
            methods: asked.methods.into_iter().map(SecondFactorMethod::from).collect(),
            challenge: asked.challenge.map(Challenge),
            expires_at: asked.expires_at.into(),
        }
    }
}

/// The password was right, but the contact of this account (made by an administrator, or imported) was never verified: the code (purpose SIGN_UP) was sent. Answer with `confirmSignUp`.
#[derive(SimpleObject)]
pub struct VerificationRequired {
    /// The code that was sent.
    pub challenge: Challenge,
}

/// `beginOAuth` was called to link, not to sign in.
#[derive(SimpleObject)]
pub struct IdentityLinked {
    /// What was linked.
    pub identity: Identity,
    /// To whom.
    pub user: User,
}

/// An account at a provider that this user can sign in with.
#[derive(SimpleObject, Clone, Debug)]
pub struct Identity {
    /// Of the link.
    pub id: ID,
    /// The provider's id in the configuration: `google`, `line`, `apple`, or one of the deployment's own.
    pub provider: String,
    /// As the provider tells it.
    pub email: Option<String>,
    /// Since when.
    pub linked_at: DateTime,
    /// Last sign-in by it.
    pub last_used_at: Option<DateTime>,
}

impl From<auth_providers::Model> for Identity {
    fn from(row: auth_providers::Model) -> Self {
        Self {
            id: ID(row.id.to_string()),
            provider: row.provider,
            email: row.email,
            linked_at: row.linked_at.into(),
            last_used_at: row.last_used_at.map(DateTime),
        }
    }
}
