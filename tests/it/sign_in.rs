//! Sign-in by password.
