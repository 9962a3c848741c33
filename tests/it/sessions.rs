//! Sessions: refresh, sign-out, revocation.
