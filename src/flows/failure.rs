//! How a flow can end badly.

use std::time::Duration;

use super::caller::Reason;

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
    /// Something broke; logged at the edge, told as INTERNAL.
    Fault(Fault),
}

/// A cause that only the log may see.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Fault(#[from] pub Box<dyn std::error::Error + Send + Sync>);
