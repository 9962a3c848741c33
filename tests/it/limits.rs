//! What an operation may cost.
