//! Sealing of what must be read again: authenticated encryption.
