//! Hints between instances over Redis.
