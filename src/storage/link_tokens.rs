//! Tokens of links.
