//! Which instance runs a job now.
