//! What was sent to a contact and came back: a code that was right, or the token of the link. Both prove the contact, and of one message
//! only one of them counts, once.

use std::time::Duration;

use entity::{
    Channel,
    link_tokens::{self, Purpose},
    users,
};
use uuid::Uuid;

use super::{caller::Caller, change::Change, check_code, check_code::Budget, failure::Failure};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::opaque_token::OpaqueToken,
    ephemeral::{challenges, challenges::Challenge},
    storage::{error::StorageError, link_tokens as links, spent_tokens, users::ProvedContact},
};

/// A proof that holds until somebody spends it.
pub enum Proof {
    /// A right code; its attempt is still reserved.
    Code(Challenge),
    /// A live link.
    Link(link_tokens::Model),
}

/// Why it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the code, or used up, or of another purpose.
    CodeInvalid {
        /// Guesses left; `None` where there is nothing to guess.
        attempts_left: Option<u32>,
    },
    /// Too late.
    CodeExpired,
    /// No guesses left.
    TooManyAttempts {
        /// When there are again; `None` where it is another challenge that is needed.
        retry_after: Option<Duration>,
    },
    /// Not a token of ours for this, or used.
    TokenInvalid,
    /// Too late.
    TokenExpired,
}

impl Refusal {
    /// As the audit log has it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CodeInvalid { .. } => "CODE_INVALID",
            Self::CodeExpired => "CODE_EXPIRED",
            Self::TooManyAttempts { .. } => "TOO_MANY_ATTEMPTS",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
        }
    }
}

impl From<check_code::Refusal> for Refusal {
    fn from(refusal: check_code::Refusal) -> Self {
        match refusal {
            check_code::Refusal::Invalid { attempts_left } => Self::CodeInvalid { attempts_left },
            check_code::Refusal::Expired => Self::CodeExpired,
            check_code::Refusal::TooManyAttempts { retry_after } => Self::TooManyAttempts { retry_after },
        }
    }
}

/// Checks a code of somebody who is not signed in. Whose challenge it is goes with a refusal, for the audit log.
pub async fn check(
    app: &App,
    caller: &Caller,
    (challenge_id, code): (&str, &str),
    purpose: challenges::Purpose,
    now: Timestamp,
) -> Result<Proof, (Option<Uuid>, Failure<Refusal>)> {
    let challenge = check_code::find(app, challenge_id, purpose, now).await.map_err(|failure| (None, failure.map(Refusal::from)))?;
    let user_id = challenge.user_id;
    let budget = Budget::of(app, caller, user_id).await.map_err(|error| (user_id, error.into()))?;
    let checked = check_code::run(app, challenge, code, budget, now).await;
    checked.map(Proof::Code).map_err(|failure| (user_id, failure.map(Refusal::from)))
}

/// The links that set a password.
const OF_PASSWORDS: [Purpose; 2] = [Purpose::PasswordReset, Purpose::Invitation];

/// Looks at the token of a link, and uses nothing up.
pub async fn find_link(app: &App, token: &str, purpose: Purpose, now: Timestamp) -> Result<link_tokens::Model, Failure<Refusal>> {
    find_link_of(app, token, &[purpose], now).await
}

/// The same for a link that sets a password: a reset's or an invitation's.
pub async fn find_password_link(app: &App, token: &str, now: Timestamp) -> Result<link_tokens::Model, Failure<Refusal>> {
    find_link_of(app, token, &OF_PASSWORDS, now).await
}

async fn find_link_of(app: &App, token: &str, purposes: &[Purpose], now: Timestamp) -> Result<link_tokens::Model, Failure<Refusal>> {
    let invalid = || Failure::Refused(Refusal::TokenInvalid);
    let hash = OpaqueToken::parse(token).ok_or_else(invalid)?;
    let found = links::find_by_hash(app.database.read(), &hash).await?;
    let link =
        found.filter(|link| purposes.contains(&link.purpose) && link.user_id.is_some() && link.used_at.is_none()).ok_or_else(invalid)?;
    if link.expires_at <= now { Err(Failure::Refused(Refusal::TokenExpired)) } else { Ok(link) }
}

impl Proof {
    /// The challenge that the code answers, or would have.
    const fn challenge_id(&self) -> Option<Uuid> {
        match self {
            Self::Code(challenge) => Some(challenge.id),
            Self::Link(link) => link.challenge_id,
        }
    }

    /// Whose account it is for.
    pub const fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::Code(challenge) => challenge.user_id,
            Self::Link(link) => link.user_id,
        }
    }

    /// What it proves.
    pub fn contact(&self) -> ProvedContact<'_> {
        match self {
            Self::Code(challenge) => ProvedContact { channel: challenge.channel, contact: &challenge.contact, since: challenge.created_at },
            Self::Link(link) => {
                let channel = if link.contact.contains('@') { Channel::Email } else { Channel::Sms };
                ProvedContact { channel, contact: &link.contact, since: link.created_at }
            }
        }
    }

    /// Whether it is an invitation: then it also proves the contact that it was sent to.
    pub const fn is_invitation(&self) -> bool {
        matches!(self, Self::Link(link_tokens::Model { purpose: Purpose::Invitation, .. }))
    }

    /// Whether it still speaks for an account, seen in memory. A contact that an invitation went to need not be proved yet.
    pub fn speaks_for(&self, user: &users::Model) -> bool {
        let proved = self.contact();
        if self.is_invitation() { proved.is_held_by(user) } else { proved.speaks_for(user) }
    }

    /// What somebody is told whose proof does not hold any more.
    pub const fn gone(&self) -> Refusal {
        match self {
            Self::Code(_) => Refusal::CodeInvalid { attempts_left: None },
            Self::Link(_) => Refusal::TokenInvalid,
        }
    }

    /// Uses it up in the transaction of what it does; false where somebody else did. The code and the link of a message go together.
    pub async fn spend(&self, app: &App, change: &Change<'_>) -> Result<bool, StorageError> {
        let (challenge_id, kept_until) = match self {
            Self::Code(challenge) => (Some(challenge.id), challenge.gone_at()),
            Self::Link(link) => {
                if !links::consume(change.db(), &link.token_hash, link.purpose, change.now).await? {
                    return Ok(false);
                }
                (link.challenge_id, change.now + app.config.codes.ttl + challenges::AFTERLIFE)
            }
        };
        match challenge_id {
            Some(id) => spent_tokens::consume(change.db(), "challenge", &id.to_string(), kept_until).await,
            None => Ok(true),
        }
    }

    /// Lets waiting pages see that it is done; the database has had the last word.
    pub async fn finish(&self, app: &App, now: Timestamp) {
        if let Some(id) = self.challenge_id() {
            let _ = app.challenges.finish(id, now).await;
        }
    }

    /// Gives the attempt at a right code back, where something else went wrong.
    pub async fn give_back(&self, app: &App, now: Timestamp) {
        if let Self::Code(challenge) = self {
            let _ = app.challenges.give_back(challenge.id, now).await;
        }
    }
}
