//! What happens to sessions.
