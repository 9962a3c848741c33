//! Refresh tokens and the chain that derives their successors.
