//! `postern serve`: runs the gateway.
