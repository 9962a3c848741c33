//! Keyed hashes of short secrets and identifiers.
