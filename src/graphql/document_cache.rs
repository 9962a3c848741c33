//! Documents parsed and checked before.
