//! From the access token or machine token of a request to who it is.

use std::{sync::Arc, time::Duration};

use super::caller::{Identity, Reason, SignedIn};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::{
        access_token::{Claims, Rejected},
        machine_token::{Claimed, claimed},
    },
    storage::sessions,
};

/// Activity is written at most this often.
const ACTIVITY_EVERY: Duration = Duration::from_mins(1);

/// Checks the token, that its session lives and its user may use it, and notes the first use of what a refresh issued; or finds the machine
/// whose token it is.
pub async fn run(app: &App, token: &str) -> Identity {
    match claimed(token) {
        Claimed::Machine(hash) => of_machine(app, &hash).await,
        Claimed::Broken => Identity::Refused(Reason::TokenInvalid),
        Claimed::Other => of_access_token(app, token).await,
    }
}

/// A token that is unknown, revoked or expired is not valid, whichever of them it is: nothing can be refreshed.
async fn of_machine(app: &App, hash: &[u8; 32]) -> Identity {
    let now = app.clock.now();
    match app.machine_tokens.find(hash, now).await {
        Ok(Some(machine)) => {
            if machine.note_use(now) {
                app.activity.note_machine(machine.id);
            }
            Identity::Machine(machine)
        }
        Ok(None) => Identity::Refused(Reason::TokenInvalid),
        Err(_) => Identity::Refused(Reason::Unavailable),
    }
}

async fn of_access_token(app: &App, access_token: &str) -> Identity {
    let now = app.clock.now();
    let rejected = match verify(app, access_token, now) {
        Ok(claims) => return of_claims(app, claims).await,
        Err(Rejected::UnknownKey) => match app.signing_keys.reload_for_unknown_key(app.database.read(), now).await {
            Ok(true) => match verify(app, access_token, now) {
                Ok(claims) => return of_claims(app, claims).await,
                Err(rejected) => rejected,
            },
            Ok(false) => Rejected::UnknownKey,
            Err(error) => {
                tracing::warn!(%error, "cannot look for newer signing keys");
                return Identity::Refused(Reason::Unavailable);
            }
        },
        Err(rejected) => rejected,
    };
    match rejected {
        Rejected::Expired(claims) => Identity::Past { reason: Reason::TokenExpired, session_id: claims.sid },
        Rejected::Invalid | Rejected::UnknownKey => Identity::Refused(Reason::TokenInvalid),
    }
}

fn verify(app: &App, access_token: &str, now: Timestamp) -> Result<Arc<Claims>, Rejected> {
    let rules = &app.config.tokens;
    app.signing_keys.keys().verify(access_token, now, &rules.issuer, &rules.audience)
}

/// Whether the session of a genuine token lives, and whose it is.
async fn of_claims(app: &App, claims: Arc<Claims>) -> Identity {
    let session_id = claims.sid;
    let past = |reason| Identity::Past { reason, session_id };
    let mut live = match app.live_sessions.get(session_id, app.clock.now()).await {
        Ok(Some(live)) if live.user.id == claims.sub => live,
        Ok(_) => return past(Reason::SessionEnded),
        Err(_) => return past(Reason::Unavailable),
    };
    let generation = i32::try_from(claims.generation).unwrap_or(i32::MAX);
    if generation > live.session.confirmed_generation {
        let now = app.clock.now();
        if sessions::confirm_generation(app.database.write(), session_id, generation, now).await.is_err() {
            return past(Reason::Unavailable);
        }
        app.live_sessions.invalidate(session_id);
        live = match app.live_sessions.get(session_id, app.clock.now()).await {
            Ok(Some(live)) => live,
            Ok(None) => return past(Reason::SessionEnded),
            Err(_) => return past(Reason::Unavailable),
        };
    }
    if app.clock.now().since(live.session.last_activity_at) >= ACTIVITY_EVERY {
        app.activity.note(session_id);
    }
    Identity::Session(Arc::new(SignedIn { claims, live }))
}
