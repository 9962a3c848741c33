//! The store in Redis, single or cluster.
