//! The store in the process.
