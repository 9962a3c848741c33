//! Reads newly committed events.
