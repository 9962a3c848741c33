//! Positions in the event log as opaque tokens.
