//! Single-use things that were used.
