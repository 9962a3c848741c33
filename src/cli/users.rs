//! `postern users`: creates administrators.
