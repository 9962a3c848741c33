//! A code that was sent and is waited for.

use async_graphql::{Enum, ID, InputObject, Object};

use crate::{domain::contact, ephemeral::challenges, graphql::scalar::DateTime};

/// A code that was sent and is waited for.
#[derive(Clone, Debug)]
pub struct Challenge(pub challenges::Challenge);

/// How it stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "challenges::State")]
pub enum ChallengeState {
    /// Waited for.
    Pending,
    /// Answered, by the code or by the link of the same message, perhaps on another device.
    Done,
    /// Past its time.
    Expired,
    /// No attempts left, or replaced by a newer one.
    Exhausted,
}

/// What the code is for.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "challenges::Purpose")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum ChallengePurpose {
    SignUp,
    SignIn,
    PasswordReset,
    EmailChange,
    PhoneChange,
    Reauthentication,
    ContactVerification,
    /// The extra step of a sign-in with a high risk.
    Risk,
}

/// By which way it goes.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "entity::Channel")]
pub enum Channel {
    /// E-mail.
    Email,
    /// A text message.
    Sms,
}

/// The code of a challenge, as sent.
#[derive(InputObject)]
pub struct ChallengeAnswer {
    /// Of whatever sent it.
    pub challenge_id: ID,
    /// As sent.
    pub code: String,
}

#[Object]
impl Challenge {
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    async fn state(&self) -> ChallengeState {
        self.0.state.into()
    }

    async fn purpose(&self) -> ChallengePurpose {
        self.0.purpose.into()
    }

    async fn channel(&self) -> Channel {
        self.0.channel.into()
    }

    /// Masked, for example `a•••@example.com`.
    async fn destination(&self) -> String {
        contact::masked(&self.0.contact)
    }

    async fn code_length(&self) -> i32 {
        i32::try_from(crate::domain::code::DIGITS).unwrap_or_default()
    }

    async fn attempts_left(&self) -> i32 {
        i32::try_from(self.0.attempts_left).unwrap_or(i32::MAX)
    }

    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// From when on `resendChallenge` is allowed.
    async fn resend_at(&self) -> DateTime {
        self.0.resend_at.into()
    }
}
