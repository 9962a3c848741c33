//! How often the gateway tidies up.

use std::time::Duration;

use super::reader::Reader;

/// Settings of the clean-up.
#[derive(Clone, Debug)]
pub struct CleanUp {
    /// How often one of the instances does it.
    pub every: Duration,
}

impl CleanUp {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let every = reader.duration(
            "clean_up.every",
            Duration::from_mins(1),
            "How often one of the instances ends what has run out, carries deletions out and removes what is no longer kept.",
        );
        if every > Duration::from_hours(24) {
            reader.problem("clean_up.every", "must be at most 1d");
        }
        Self { every }
    }
}
