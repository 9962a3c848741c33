//! Leaky buckets.
