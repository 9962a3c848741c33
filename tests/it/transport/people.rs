//! Who may be signed in: tokens are `user-1` or `admin-2`, optionally `:old`; sessions end when a test says so.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_graphql::Error;
use async_trait::async_trait;
use entity::{Timestamp, user_sessions, users};
use futures::{FutureExt, future::BoxFuture};
use postern::{
    crypto::access_token::Claims,
    flows::{
        caller::{Caller, Identity, Reason, SignedIn},
        live_sessions::LiveSession,
    },
    graphql::{auth_level::AuthLevel, error},
    http::authenticate::{Authenticate, Credentials},
};
use tokio::sync::watch;
use uuid::Uuid;

/// The sessions of the test, by user number.
#[derive(Default)]
pub struct People(Mutex<HashMap<u128, watch::Sender<bool>>>);

impl People {
    /// Ends the session of `user-{number}` or `admin-{number}`.
    pub fn end_session(&self, number: u128) {
        self.session(number).send_replace(true);
    }

    fn session(&self, number: u128) -> watch::Sender<bool> {
        self.0.lock().unwrap().entry(number).or_insert_with(|| watch::Sender::new(false)).clone()
    }
}

#[async_trait]
impl Authenticate for People {
    async fn authenticate(&self, credentials: Credentials) -> Identity {
        let Credentials::AccessToken(token) = credentials else { return Identity::Anonymous };
        let Some((role, rest)) = token.split_once('-') else { return Identity::Refused(Reason::TokenInvalid) };
        let (number, old) = rest.split_once(':').unwrap_or((rest, ""));
        let Ok(number) = number.parse::<u128>() else { return Identity::Refused(Reason::TokenInvalid) };
        match old {
            "expired" => return Identity::Refused(Reason::TokenExpired),
            "unavailable" => return Identity::Refused(Reason::Unavailable),
            _ => {}
        }
        if *self.session(number).borrow() {
            return Identity::Refused(Reason::SessionEnded);
        }
        Identity::Session(Arc::new(signed_in(number, role == "admin", old != "old")))
    }

    fn user_id(&self, identity: &Identity) -> Option<Uuid> {
        match identity {
            Identity::Session(signed_in) => Some(signed_in.live.user.id),
            Identity::Anonymous | Identity::Refused(_) | Identity::Past { .. } | Identity::Machine(_) => None,
        }
    }

    fn session_ended(&self, identity: &Identity) -> BoxFuture<'static, ()> {
        let Some(user) = self.user_id(identity) else { return futures::future::pending().boxed() };
        let mut ended = self.session(user.as_u128()).subscribe();
        async move {
            let _ = ended.wait_for(|ended| *ended).await;
        }
        .boxed()
    }
}

/// The rule of the demo: the number after the role is the user, and `:old` is no recent proof.
pub fn level_of(caller: &Caller, level: AuthLevel, _root_field: &str) -> Result<(), Error> {
    let signed_in = match &caller.identity {
        Identity::Anonymous => return Err(error::unauthenticated(Reason::TokenMissing)),
        Identity::Machine(_) => return Err(error::forbidden()),
        Identity::Refused(reason) | Identity::Past { reason, .. } => return Err(error::unauthenticated(*reason)),
        Identity::Session(signed_in) => signed_in,
    };
    let admin = signed_in.live.user.role == users::Role::Admin;
    let recent = signed_in.claims.auth_time > 0;
    match level {
        AuthLevel::Admin | AuthLevel::RecentAdmin if !admin => Err(error::forbidden()),
        AuthLevel::Recent | AuthLevel::RecentAdmin if !recent => Err(error::reauthentication_required()),
        AuthLevel::SignedIn | AuthLevel::Recent | AuthLevel::Admin | AuthLevel::RecentAdmin => Ok(()),
    }
}

fn signed_in(number: u128, admin: bool, recent: bool) -> SignedIn {
    let (id, now) = (Uuid::from_u128(number), Timestamp::from_millis(0));
    let claims = Claims {
        iss: String::new(),
        aud: String::new(),
        sub: id,
        sid: id,
        generation: 1,
        jti: id,
        iat: 0,
        exp: 0,
        auth_time: i64::from(recent),
        amr: Vec::new(),
        acr: String::new(),
        role: String::new(),
    };
    SignedIn {
        claims: Arc::new(claims),
        live: Arc::new(LiveSession { session: Arc::new(session(id, now)), user: Arc::new(user(id, now, admin)) }),
    }
}

fn session(id: Uuid, now: Timestamp) -> user_sessions::Model {
    user_sessions::Model {
        id,
        user_id: id,
        refresh_generation: 1,
        confirmed_generation: 1,
        confirmed_at: None,
        refresh_key_id: String::new(),
        refresh_token_hash: Vec::new(),
        refreshed_at: now,
        branch_generation: None,
        branch_token_hash: None,
        token_delivery: user_sessions::TokenDelivery::Cookie,
        amr: serde_json::json!(["pwd"]),
        status: user_sessions::Status::Active,
        known_device_id: None,
        device_type: user_sessions::DeviceType::Api,
        device_name: String::new(),
        browser: None,
        os: None,
        user_agent: None,
        ip_address: None,
        login_method: user_sessions::LoginMethod::Password,
        authenticated_at: now,
        risk_score: 0,
        risk_signals: serde_json::Value::Null,
        is_suspicious: false,
        expires_at: now,
        absolute_expires_at: now,
        last_activity_at: now,
        revoked_at: None,
        revoked_by: None,
        revoked_reason: None,
        version: 1,
        created_at: now,
        updated_at: now,
        second_factor: None,
        strong_proof_at: None,
        location_country: None,
        location_city: None,
        location_timezone: None,
        location_latitude: None,
        location_longitude: None,
        proofs_void_before: None,
    }
}

fn user(id: Uuid, now: Timestamp, admin: bool) -> users::Model {
    users::Model { role: if admin { users::Role::Admin } else { users::Role::User }, ..users::Model::new(id, now) }
}
