//! Ways back in: a new password, the end of a lock, the end of somebody else's session, and proofs for accounts without a password.

mod disown;
mod first_password;
mod reset;
mod unlock;
mod voided;

use super::sign_in_by_code::{HOUR, MINUTE, SECOND, account, account_without_password, other_than, set_status, state_of, without_buckets};

const NEW: &str = "another Kettle 48 sundial";
