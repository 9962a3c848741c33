//! A real mail server.
