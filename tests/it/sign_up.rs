//! Sign-up and verification.
