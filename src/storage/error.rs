//! How the database can fail.
