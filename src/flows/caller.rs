//! Who asks, and by which request.

use std::{net::IpAddr, sync::Arc};

use entity::user_sessions::Actor;
use uuid::Uuid;

use super::{live_sessions::LiveSession, machine_tokens::Machine};
use crate::{
    crypto::{access_token::Claims, opaque_token::OpaqueToken},
    outbound::places::Places,
    storage::audit,
};

/// One request, seen by the flows: facts only, no transport.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Carried by the answer, the log and the audit rows alike.
    pub request_id: String,
    /// The client's address, canonical (never IPv4-mapped).
    pub ip: IpAddr,
    /// As sent, cut to 512 characters.
    pub user_agent: Option<String>,
    /// BCP 47 primary choice of `Accept-Language`, one of the supported languages.
    pub locale: Option<String>,
    /// The device token, of the cookie or of the header `Postern-Device`.
    pub device_token: Option<String>,
    /// The refresh token of the cookie, where cookies count for this request.
    pub refresh_cookie: Option<String>,
    /// `POST`, `GET`.
    pub method: &'static str,
    /// Path of the request, without the query.
    pub path: &'static str,
    /// What a mutation was asked with, without anything secret: for the audit log.
    pub params: Option<Arc<serde_json::Value>>,
    /// Who it is.
    pub identity: Identity,
}

/// What the credentials of a request came to.
#[derive(Clone, Debug)]
pub enum Identity {
    /// No credentials came.
    Anonymous,
    /// Credentials came that do not hold.
    Refused(Reason),
    /// A genuine access token came, but it or its session is past its time: good for nothing but signing out.
    Past {
        /// Why it does not hold.
        reason: Reason,
        /// The session that it names.
        session_id: Uuid,
    },
    /// A live session, by a valid access token.
    Session(Arc<SignedIn>),
    /// A machine, by a machine token: nobody is signed in.
    Machine(Arc<Machine>),
}

/// A signed-in caller.
#[derive(Debug)]
pub struct SignedIn {
    /// What the access token said.
    pub claims: Arc<Claims>,
    /// The session and its user as they are now.
    pub live: Arc<LiveSession>,
}

/// Who acts on what others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Names them: cursors of lists are sealed for it.
    pub id: Uuid,
    /// As the audit log calls them.
    pub actor: Actor,
    /// The administrator, where it is a person.
    pub user_id: Option<Uuid>,
}

/// Why credentials do not hold: the `reason` of UNAUTHENTICATED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// None came, and the field needs them.
    TokenMissing,
    /// The access token is past its time: refresh.
    TokenExpired,
    /// It is not one of ours.
    TokenInvalid,
    /// Its session is over: sign in again.
    SessionEnded,
    /// They are a machine's, and the field is for people.
    NoPerson,
    /// They could not be checked, because the database did not answer.
    Unavailable,
}

impl Caller {
    /// What the audit log keeps of the request.
    pub fn audit_request(&self, places: &Places) -> audit::Request {
        let place = places.find(self.ip);
        audit::Request {
            id: self.request_id.clone(),
            ip_address: self.ip.to_string(),
            country: place.country,
            city: place.city,
            user_agent: self.user_agent.clone(),
            method: self.method,
            path: self.path,
            params: self.params.as_deref().cloned(),
            machine_token: match &self.identity {
                Identity::Machine(machine) => Some(machine.id),
                Identity::Session(_) | Identity::Past { .. } | Identity::Refused(_) | Identity::Anonymous => None,
            },
        }
    }

    /// The hash of the device token, where it is one of ours by its form.
    pub fn device_hash(&self) -> Option<[u8; 32]> {
        self.device_token.as_deref().and_then(OpaqueToken::parse)
    }

    /// Who acts, where somebody does: whether they may is the guard's to say.
    pub fn principal(&self) -> Result<Principal, Reason> {
        if let Identity::Machine(machine) = &self.identity {
            return Ok(Principal { id: machine.id, actor: Actor::System, user_id: None });
        }
        let user_id = self.signed_in()?.live.user.id;
        Ok(Principal { id: user_id, actor: Actor::Admin, user_id: Some(user_id) })
    }

    /// The signed-in caller.
    pub const fn signed_in(&self) -> Result<&Arc<SignedIn>, Reason> {
        match &self.identity {
            Identity::Session(signed_in) => Ok(signed_in),
            Identity::Refused(reason) | Identity::Past { reason, .. } => Err(*reason),
            Identity::Machine(_) => Err(Reason::NoPerson),
            Identity::Anonymous => Err(Reason::TokenMissing),
        }
    }
}
