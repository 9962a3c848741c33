//! Root fields of `Subscription`.
