//! Relay cursor connections.
