//! What happens to accounts.
