//! With what `reauthenticate` makes a session recent: never with less than the account has.

use entity::{Channel, auth_providers, users};

use super::provider_identity;
use crate::{
    app::App,
    domain::contact::Contact,
    storage::{error::StorageError, identities, passkeys, recovery_codes},
};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The password.
    Password,
    /// A code of the authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
    /// A passkey with user verification.
    Passkey,
    /// A linked provider.
    Provider,
    /// A code that is sent.
    Code(Channel),
}

/// What an account has besides its row.
#[derive(Clone, Debug, Default)]
pub struct Has {
    /// Passkeys.
    pub passkeys: u64,
    /// Recovery codes that were not used.
    pub recovery_codes: u64,
    /// Accounts at providers.
    pub identities: Vec<auth_providers::Model>,
}

/// All that count for an account as it is now. Where the second step is on, only what is worth a second factor; a code to a mailbox or a number
/// only where there is nothing better, for that alone may be what a thief has.
pub fn with(app: &App, user: &users::Model, has: &Has) -> Vec<Method> {
    let passkey = (app.relying_party.is_some() && has.passkeys > 0).then_some(Method::Passkey);
    if user.totp_enabled_at.is_some() {
        let recovery_code = (has.recovery_codes > 0).then_some(Method::RecoveryCode);
        return [Some(Method::Totp), recovery_code, passkey].into_iter().flatten().collect();
    }
    let password = user.password_hash.is_some().then_some(Method::Password);
    let provider = (provider_identity::count_usable(app, &has.identities) > 0).then_some(Method::Provider);
    let better: Vec<Method> = [password, passkey, provider].into_iter().flatten().collect();
    if better.is_empty() { contacts(app, user).into_iter().map(|(channel, _)| Method::Code(channel)).collect() } else { better }
}

/// Where a code may go that makes a session recent: nowhere, where the account has something better.
pub async fn code_channels(app: &App, user: &users::Model) -> Result<Vec<(Channel, String)>, StorageError> {
    let db = app.database.read();
    let has = Has {
        passkeys: passkeys::count_of_user(db, user.id).await?,
        recovery_codes: recovery_codes::count_unused(db, user.id).await?,
        identities: identities::list_of_user(db, user.id).await?,
    };
    let methods = with(app, user, &has);
    Ok(contacts(app, user).into_iter().filter(|(channel, _)| methods.contains(&Method::Code(*channel))).collect())
}

fn contacts(app: &App, user: &users::Model) -> Vec<(Channel, String)> {
    let email = user.email.clone().filter(|_| user.email_verified_at.is_some()).map(|email| (Channel::Email, email));
    let phone = user.phone.clone().filter(|_| user.phone_verified_at.is_some()).map(|phone| (Channel::Sms, phone));
    let reached = |contact: &str| Contact::from_canonical(contact).is_some_and(|contact| app.reaches_contact(&contact));
    email.into_iter().chain(phone).filter(|(_, contact)| reached(contact)).collect()
}
