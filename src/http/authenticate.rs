//! Reads the credentials of a request.
