//! The development inbox.
