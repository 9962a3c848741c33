//! What a person does: one verb per file.

pub mod authenticate;
pub mod caller;
pub mod change;
pub mod change_password;
pub mod confirm_sign_up;
pub mod create_admin;
pub mod enqueue_message;
pub mod failure;
pub mod issue_tokens;
pub mod live_sessions;
pub mod lockout;
pub mod make_account;
pub mod notify;
pub mod prove_password;
pub mod read_dev_inbox;
pub mod reauthenticate;
pub mod refresh_session;
pub mod resend_challenge;
pub mod revoke_sessions;
pub mod send_code;
pub mod sign_in;
pub mod sign_out;
pub mod sign_up;
pub mod signing_keys;
pub mod start_session;
pub mod verify_email;
