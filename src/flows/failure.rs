//! How a flow can end badly.

use std::time::Duration;

use super::caller::Reason;
use crate::{
    crypto::password_hash,
    ephemeral::{self, RateLimited},
    storage::error::StorageError,
};

/// When to come again where a store did not answer.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// Every bad ending of a flow: `R` is what it expects and answers as a typed problem, the rest can meet any operation.
#[derive(Debug)]
pub enum Failure<R> {
    /// Refused by a rule; nothing was changed.
    Refused(R),
    /// Too often.
    RateLimited {
        /// When it may succeed.
        retry_after: Duration,
    },
    /// No room, or a store that does not answer.
    Overloaded {
        /// When it may succeed.
        retry_after: Duration,
    },
    /// The credentials do not hold.
    Unauthenticated(Reason),
    /// Who asks may not, or not any more.
    Forbidden,
    /// Something broke; logged at the edge, told as INTERNAL.
    Fault(Fault),
}

/// A cause that only the log may see.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database answered something that cannot be.
    #[error(transparent)]
    Storage(StorageError),
    /// The program contradicts itself.
    #[error("{0}")]
    Inconsistent(&'static str),
}

impl<R> Failure<R> {
    /// The same failure, of another flow.
    pub fn map<S>(self, refusal: impl FnOnce(R) -> S) -> Failure<S> {
        match self {
            Self::Refused(inner) => Failure::Refused(refusal(inner)),
            Self::RateLimited { retry_after } => Failure::RateLimited { retry_after },
            Self::Overloaded { retry_after } => Failure::Overloaded { retry_after },
            Self::Unauthenticated(reason) => Failure::Unauthenticated(reason),
            Self::Forbidden => Failure::Forbidden,
            Self::Fault(fault) => Failure::Fault(fault),
        }
    }

    /// A contradiction inside the program.
    pub const fn inconsistent(what: &'static str) -> Self {
        Self::Fault(Fault::Inconsistent(what))
    }
}

impl<R> From<StorageError> for Failure<R> {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable | StorageError::Orphan => Self::Overloaded { retry_after: STORE_RETRY },
            other => Self::Fault(Fault::Storage(other)),
        }
    }
}

impl<R> From<ephemeral::Unavailable> for Failure<R> {
    fn from(_: ephemeral::Unavailable) -> Self {
        Self::Overloaded { retry_after: STORE_RETRY }
    }
}

impl<R> From<RateLimited> for Failure<R> {
    fn from(limited: RateLimited) -> Self {
        Self::RateLimited { retry_after: limited.retry_after }
    }
}

impl<R> From<password_hash::Overloaded> for Failure<R> {
    fn from(overloaded: password_hash::Overloaded) -> Self {
        Self::Overloaded { retry_after: overloaded.retry_after }
    }
}
