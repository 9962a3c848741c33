//! Failed attempts.
