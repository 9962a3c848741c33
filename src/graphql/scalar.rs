//! Scalars that print as the contract says.
