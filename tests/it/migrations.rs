//! Schema steps, history, integrity.
