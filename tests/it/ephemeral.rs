//! One conformance suite for every short-lived store.
