//! Short-lived state: one small trait, in the process or in Redis.

pub mod challenges;
pub mod memory;
pub mod rate_limits;
pub mod redis;
