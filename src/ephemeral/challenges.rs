//! Codes that were sent and are waited for.
