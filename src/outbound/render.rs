//! From a message to its text.
