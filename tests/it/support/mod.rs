//! The harness: gateways, actors, and what they see.
