//! The cookies that Postern sets and reads.
