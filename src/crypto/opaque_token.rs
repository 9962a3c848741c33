//! Random tokens of which only the hash is kept.
