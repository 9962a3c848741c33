//! Messages to deliver.
