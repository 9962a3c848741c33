//! What messages there are and what they carry.
