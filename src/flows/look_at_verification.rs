//! Looks at the link that confirms an address, for its page: uses nothing up, and writes nothing.

use entity::{link_tokens::Purpose, users};

use super::{caller::Caller, failure::Failure, verify_contact_link::stands_in_the_way, verify_email::Refusal};
use crate::{
    app::App,
    crypto::{keyed_hash::constant_time_eq, opaque_token::OpaqueToken},
    storage::{
        link_tokens as storage, pending_sign_ups as sign_ups,
        users::{self as user_storage, counts_proof_since},
    },
};

/// What the page shows before its button is pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The address that it was sent to.
    pub contact: String,
    /// The language of its owner, where there is one already.
    pub locale: Option<String>,
    /// What has to be typed for everything to stay as it was set up.
    pub asks: Asks,
}

/// Which password has to be typed to be kept: it was set, and elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// None.
    Nothing,
    /// The one that the sign-up began with.
    PasswordOfSignUp,
    /// The one of the account.
    PasswordOfAccount,
    /// None, for the account has none: it counts in the browser that asked, or where the account is signed in.
    AnotherBrowser,
}

/// Looks.
pub async fn run(app: &App, caller: &Caller, token: &str) -> Result<Preview, Failure<Refusal>> {
    let now = app.clock.now();
    let invalid = || Failure::Refused(Refusal::TokenInvalid);
    let db = app.database.read();
    let hash = OpaqueToken::parse(token).ok_or_else(invalid)?;
    let found = storage::find_by_hash(db, &hash).await?;
    let link = found.filter(|link| link.purpose == Purpose::EmailVerification && link.used_at.is_none()).ok_or_else(invalid)?;
    if link.expires_at <= now {
        return Err(Failure::Refused(Refusal::TokenExpired));
    }
    let (locale, asks) = match (link.pending_sign_up_id, link.user_id) {
        (Some(id), _) => {
            let sign_up = sign_ups::find_live(db, id, now).await?.filter(|sign_up| !sign_up.decoy).ok_or_else(invalid)?;
            let asks = sign_up.password_hash.is_some() && !is_browser_of(caller, sign_up.device_hash.as_deref());
            (None, if asks { Asks::PasswordOfSignUp } else { Asks::Nothing })
        }
        (None, Some(user_id)) => {
            let user = user_storage::find_by_id(db, user_id).await?;
            let user = user.filter(|user| counts_proof_since(user, link.created_at)).ok_or_else(invalid)?;
            let knows = is_signed_in_as(caller, &user) || is_browser_of(caller, link.device_hash.as_deref());
            let asks = match stands_in_the_way(&user) {
                _ if knows => Asks::Nothing,
                Some(Refusal::SessionRequired) => Asks::AnotherBrowser,
                Some(_) | None if user.password_hash.is_some() => Asks::PasswordOfAccount,
                Some(_) | None => Asks::Nothing,
            };
            (user.locale, asks)
        }
        (None, None) => return Err(invalid()),
    };
    Ok(Preview { contact: link.contact, locale, asks })
}

fn is_signed_in_as(caller: &Caller, user: &users::Model) -> bool {
    caller.signed_in().is_ok_and(|me| me.live.user.id == user.id)
}

fn is_browser_of(caller: &Caller, device: Option<&[u8]>) -> bool {
    matches!((device, caller.device_hash()), (Some(device), Some(of_caller)) if constant_time_eq(device, &of_caller))
}
