//! Sends the browser to the provider, once it has got the cookie that it will be known by.
//!
//! Nothing is used up by looking. Where the provider is down, the browser goes straight back, with a result that says so.

use super::{
    failure::Failure,
    oauth_trip::{self, Brought, Intent, challenge_of},
    receive_oauth::callback_of,
};
use crate::{
    app::App,
    outbound::providers::{Errand, IN_CALLBACK},
};

/// Where the browser goes.
pub struct Outcome {
    /// To the provider.
    pub url: String,
    /// What the browser keeps, among those of other trips.
    pub flow_cookie: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No trip with this state, or not any more.
    Unknown,
}

/// Sends it.
pub async fn run(app: &App, state: &str) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let unknown = || Failure::Refused(Refusal::Unknown);
    let trip = oauth_trip::look(app, state, now).await?.ok_or_else(unknown)?;
    let provider = app.providers.find(&trip.provider).ok_or_else(unknown)?;
    let flow_cookie = oauth_trip::flow_cookie(&app.key_ring, state);
    let Ok(document) = provider.document(tokio::time::Instant::now() + IN_CALLBACK).await else {
        let trip = oauth_trip::take(app, state, provider.settings.kind, now).await?.ok_or_else(unknown)?;
        return Ok(Outcome { url: oauth_trip::hand_off(app, trip, Brought::Failed, now).await?, flow_cookie });
    };
    let errand = Errand {
        callback: &callback_of(app, &trip.provider),
        state,
        nonce: &trip.nonce,
        // Proved there long ago is not proved again.
        max_age: (trip.intent == Intent::Reauthenticate).then_some(app.config.sessions.recent),
    };
    let url = provider.authorization_url(&document, &errand, &challenge_of(&trip.verifier));
    Ok(Outcome { url: url.into(), flow_cookie })
}
