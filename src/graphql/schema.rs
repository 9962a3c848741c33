//! Puts the schema together.
