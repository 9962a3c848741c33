//! Messages, courier, inbox.
