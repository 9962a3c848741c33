//! Whether somebody proved who they are a moment ago.

use entity::Timestamp;

use super::live_sessions::LiveSession;
use crate::app::App;

/// Whether a session reaches what requires RECENT.
pub fn is_recent(app: &App, live: &LiveSession, now: Timestamp) -> bool {
    recent_proof(live).is_some_and(|at| now.since(at) < app.config.sessions.recent)
}

/// The last proof that counts for it: where the second step is on, one that was worth a second factor. None counts that a risky refresh voided.
fn recent_proof(live: &LiveSession) -> Option<Timestamp> {
    let session = &live.session;
    let proof = if live.user.totp_enabled_at.is_some() { session.strong_proof_at } else { Some(session.authenticated_at) };
    proof.filter(|at| session.proofs_void_before.is_none_or(|void| *at > void))
}
