//! Passwords: policy, change, lockout.
