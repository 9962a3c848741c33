//! Argon2id on a bounded pool of its own.
