//! `/dev/inbox`: messages sent, in development.
