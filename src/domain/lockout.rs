//! How failed sign-ins lock an account.
