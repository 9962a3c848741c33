//! How accounts end.

use super::reader::Reader;

/// Settings of accounts.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Days between the wish to delete an account and the deletion.
    pub deletion_grace_days: u32,
}

const LONGEST_GRACE_DAYS: u32 = 365;

impl Accounts {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let deletion_grace_days = reader.count(
            "accounts.deletion_grace_days",
            14,
            "Days between the wish to delete an account and the deletion; until then its owner can sign in and keep it.",
        );
        if deletion_grace_days > LONGEST_GRACE_DAYS {
            reader.problem("accounts.deletion_grace_days", "must be at most 365");
        }
        Self { deletion_grace_days }
    }
}
