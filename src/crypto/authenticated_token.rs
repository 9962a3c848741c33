//! Tokens that carry data and cannot be forged.
