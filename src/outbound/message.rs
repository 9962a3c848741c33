//! What messages there are and what they carry.

use std::fmt;

use entity::{Channel, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

/// What the secrets of messages are sealed for.
pub const SECRET_PURPOSE: &str = "messages";
/// What the content of the development inbox is sealed for.
pub const INBOX_PURPOSE: &str = "dev_inbox";

/// Every message there is, with what its text needs. Nothing in here is chosen by a stranger but what a browser says of itself: a
/// display name in a message to an address that was not proved yet would be a free advertisement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", content = "parameters", rename_all = "snake_case")]
pub enum Template {
    /// Code, and by e-mail a link, that finish a sign-up.
    SignUpCode {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// Somebody began a sign-up with a contact that has an account.
    SignUpContactTaken {},
    /// The account is there.
    AccountCreated {},
    /// Code, and by e-mail a link, that prove the contact of an account that exists.
    VerificationCode {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// A sign-in from a device that was not known; with a link token, it carries the link that ends the session.
    NewDevice(Sighting),
    /// The password was changed.
    PasswordChanged(Sighting),
    /// Too many wrong passwords; with a link token, it carries the link that unlocks.
    AccountLocked {
        /// When it ends by itself.
        #[serde(with = "millis")]
        until: Timestamp,
    },
    /// A refresh token was used twice, so its session was ended.
    RefreshTokenReused(Sighting),
    /// Code, and by e-mail a link, that sign in.
    SignInCode {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// Code, and by e-mail a link, for a new password.
    PasswordReset {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// An administrator made an account; with the link its password is chosen.
    Invitation {
        /// The end of the link.
        #[serde(with = "millis")]
        until: Timestamp,
    },
    /// An administrator wants the owner to choose another password; with the link that is done.
    PasswordLink {
        /// The end of the link.
        #[serde(with = "millis")]
        until: Timestamp,
    },
    /// Code that makes a session recent.
    ReauthenticationCode {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// Code of a sign-in that looks risky.
    RiskCode {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// A session became suspicious; with a link token, it carries the link that ends it.
    UnusualActivity(Sighting),
    /// Code that proves a new address.
    EmailChangeCode {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// Somebody wanted the address of this account for another one.
    EmailChangeTaken {},
    /// To the old address: another one was asked for; its link stops that.
    EmailChangeRequested(Sighting),
    /// To both addresses: it was changed; the link of the old one undoes that.
    EmailChanged(Sighting),
    /// Code that proves a new number.
    PhoneChangeCode {
        /// The challenge that the code answers.
        challenge_id: Uuid,
    },
    /// Somebody wanted the number of this account for another one.
    PhoneChangeTaken {},
    /// To the old number: another one was asked for.
    PhoneChangeRequested(Sighting),
    /// The number was changed.
    PhoneChanged(Sighting),
    /// The number was removed.
    PhoneRemoved(Sighting),
    /// An authenticator app was set up: from now on signing in takes a second step.
    TotpEnabled(Sighting),
    /// It was switched off.
    TotpDisabled(Sighting),
    /// There are new recovery codes; the old ones are dead.
    RecoveryCodesReplaced(Sighting),
    /// Somebody passed the first factor and guessed at the second.
    SecondFactorLocked {
        /// When it ends by itself.
        #[serde(with = "millis")]
        until: Timestamp,
    },
    /// A recovery code was used.
    RecoveryCodeUsed(Sighting),
    /// A passkey was added.
    PasskeyAdded(Sighting),
    /// A passkey was removed.
    PasskeyRemoved(Sighting),
    /// An account at a provider was linked.
    ProviderLinked {
        /// Its name in the settings.
        provider: String,
        /// Where and when.
        sighting: Sighting,
    },
    /// It was unlinked.
    ProviderUnlinked {
        /// Its name in the settings.
        provider: String,
        /// Where and when.
        sighting: Sighting,
    },
    /// A contact that the account had, and never proved, is somebody else's.
    ContactLost {},
    /// The account will be deleted.
    DeletionScheduled {
        /// When everything goes.
        #[serde(with = "millis")]
        until: Timestamp,
    },
    /// It will not.
    DeletionCancelled {},
    /// It was.
    AccountDeleted {},
}

/// Where something was done, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// "Firefox on Windows".
    pub device: String,
    /// Address of the client.
    pub ip_address: String,
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
}

impl Template {
    /// Name of the template, as the database and the folder of texts have it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SignUpCode { .. } => "sign_up_code",
            Self::SignUpContactTaken {} => "sign_up_contact_taken",
            Self::AccountCreated {} => "account_created",
            Self::VerificationCode { .. } => "verification_code",
            Self::NewDevice(_) => "new_device",
            Self::PasswordChanged(_) => "password_changed",
            Self::AccountLocked { .. } => "account_locked",
            Self::RefreshTokenReused(_) => "refresh_token_reused",
            Self::SignInCode { .. } => "sign_in_code",
            Self::PasswordReset { .. } => "password_reset",
            Self::Invitation { .. } => "invitation",
            Self::PasswordLink { .. } => "password_link",
            Self::ReauthenticationCode { .. } => "reauthentication_code",
            Self::RiskCode { .. } => "risk_code",
            Self::UnusualActivity(_) => "unusual_activity",
            Self::EmailChangeCode { .. } => "email_change_code",
            Self::EmailChangeTaken {} => "email_change_taken",
            Self::EmailChangeRequested(_) => "email_change_requested",
            Self::EmailChanged(_) => "email_changed",
            Self::PhoneChangeCode { .. } => "phone_change_code",
            Self::PhoneChangeTaken {} => "phone_change_taken",
            Self::PhoneChangeRequested(_) => "phone_change_requested",
            Self::PhoneChanged(_) => "phone_changed",
            Self::PhoneRemoved(_) => "phone_removed",
            Self::TotpEnabled(_) => "totp_enabled",
            Self::TotpDisabled(_) => "totp_disabled",
            Self::RecoveryCodesReplaced(_) => "recovery_codes_replaced",
            Self::SecondFactorLocked { .. } => "second_factor_locked",
            Self::RecoveryCodeUsed(_) => "recovery_code_used",
            Self::PasskeyAdded(_) => "passkey_added",
            Self::PasskeyRemoved(_) => "passkey_removed",
            Self::ProviderLinked { .. } => "provider_linked",
            Self::ProviderUnlinked { .. } => "provider_unlinked",
            Self::ContactLost {} => "contact_lost",
            Self::DeletionScheduled { .. } => "deletion_scheduled",
            Self::DeletionCancelled {} => "deletion_cancelled",
            Self::AccountDeleted {} => "account_deleted",
        }
    }

    /// The parameters as the database keeps them: a JSON object.
    #[must_use]
    pub fn parameters(&self) -> serde_json::Value {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(mut tagged)) => tagged.remove("parameters").unwrap_or_default(),
            Ok(_) | Err(_) => serde_json::Value::Null,
        }
    }

    /// From what the database keeps; `None` if this version has no such template.
    #[must_use]
    pub fn from_stored(name: &str, parameters: &serde_json::Value) -> Option<Self> {
        serde_json::from_value(serde_json::json!({ "template": name, "parameters": parameters })).ok()
    }

    /// The page that the link of this message opens, if it can have one.
    #[must_use]
    pub const fn link_path(&self) -> Option<&'static str> {
        match self {
            Self::SignUpCode { .. } | Self::VerificationCode { .. } => Some("/verify-email"),
            Self::NewDevice(_) | Self::UnusualActivity(_) => Some("/end-session"),
            Self::AccountLocked { .. } => Some("/unlock"),
            Self::SignInCode { .. } => Some("/sign-in"),
            Self::PasswordReset { .. } | Self::Invitation { .. } | Self::PasswordLink { .. } => Some("/reset-password"),
            Self::EmailChangeRequested(_) | Self::EmailChanged(_) => Some("/cancel-email-change"),
            Self::SignUpContactTaken {}
            | Self::AccountCreated {}
            | Self::PasswordChanged(_)
            | Self::RefreshTokenReused(_)
            | Self::ReauthenticationCode { .. }
            | Self::RiskCode { .. }
            | Self::EmailChangeCode { .. }
            | Self::EmailChangeTaken {}
            | Self::PhoneChangeCode { .. }
            | Self::PhoneChangeTaken {}
            | Self::PhoneChangeRequested(_)
            | Self::PhoneChanged(_)
            | Self::PhoneRemoved(_)
            | Self::TotpEnabled(_)
            | Self::TotpDisabled(_)
            | Self::RecoveryCodesReplaced(_)
            | Self::SecondFactorLocked { .. }
            | Self::RecoveryCodeUsed(_)
            | Self::PasskeyAdded(_)
            | Self::PasskeyRemoved(_)
            | Self::ProviderLinked { .. }
            | Self::ProviderUnlinked { .. }
            | Self::ContactLost {}
            | Self::DeletionScheduled { .. }
            | Self::DeletionCancelled {}
            | Self::AccountDeleted {} => None,
        }
    }

    /// Whether a text message carries the link too: nobody waits for a code that could be typed instead.
    #[must_use]
    pub const fn texts_link(&self) -> bool {
        matches!(self, Self::Invitation { .. } | Self::PasswordLink { .. })
    }

    /// The challenge that goes with the link.
    #[must_use]
    pub const fn challenge_id(&self) -> Option<Uuid> {
        match self {
            Self::SignUpCode { challenge_id }
            | Self::VerificationCode { challenge_id }
            | Self::SignInCode { challenge_id }
            | Self::PasswordReset { challenge_id }
            | Self::ReauthenticationCode { challenge_id }
            | Self::RiskCode { challenge_id }
            | Self::EmailChangeCode { challenge_id }
            | Self::PhoneChangeCode { challenge_id } => Some(*challenge_id),
            Self::SignUpContactTaken {}
            | Self::AccountCreated {}
            | Self::NewDevice(_)
            | Self::UnusualActivity(_)
            | Self::PasswordChanged(_)
            | Self::AccountLocked { .. }
            | Self::RefreshTokenReused(_)
            | Self::Invitation { .. }
            | Self::PasswordLink { .. }
            | Self::EmailChangeTaken {}
            | Self::EmailChangeRequested(_)
            | Self::EmailChanged(_)
            | Self::PhoneChangeTaken {}
            | Self::PhoneChangeRequested(_)
            | Self::PhoneChanged(_)
            | Self::PhoneRemoved(_)
            | Self::TotpEnabled(_)
            | Self::TotpDisabled(_)
            | Self::RecoveryCodesReplaced(_)
            | Self::SecondFactorLocked { .. }
            | Self::RecoveryCodeUsed(_)
            | Self::PasskeyAdded(_)
            | Self::PasskeyRemoved(_)
            | Self::ProviderLinked { .. }
            | Self::ProviderUnlinked { .. }
            | Self::ContactLost {}
            | Self::DeletionScheduled { .. }
            | Self::DeletionCancelled {}
            | Self::AccountDeleted {} => None,
        }
    }
}

/// Whether a message is meant to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is.
    Send,
    /// It stands in for one, so that an unknown contact costs the same transaction and the same courier's work; it reaches nobody.
    Decoy,
}

/// A message to be written in the transaction of what it tells.
pub struct NewMessage {
    /// Whose account it is about.
    pub user_id: Option<Uuid>,
    /// By which way.
    pub channel: Channel,
    /// Canonical e-mail address, or E.164 number.
    pub recipient: String,
    /// What it says.
    pub template: Template,
    /// What only the recipient may see.
    pub secret: MessageSecret,
    /// BCP 47; the nearest language that there are texts for is taken.
    pub locale: String,
    /// When it was asked for: now.
    pub created_at: Timestamp,
    /// From then on it is no longer worth sending, and is not sent.
    pub expires_at: Timestamp,
    /// Whether it is meant to arrive.
    pub delivery: Delivery,
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage").field("template", &self.template.name()).finish_non_exhaustive()
    }
}

/// Code and link token: wiped when dropped, never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSecret {
    /// Six digits.
    pub code: Option<String>,
    /// 32 random bytes in base64url.
    pub link_token: Option<String>,
}

/// What is sealed: bound to its row, so that a sealed value moved to another row opens nothing.
#[derive(Serialize, Deserialize)]
struct SealedContent {
    message_id: Uuid,
    secret: MessageSecret,
    delivery: Delivery,
}

impl MessageSecret {
    /// Nothing secret in it.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The bytes to be sealed. Whether it is a decoy is in there too, so that the table does not tell.
    #[must_use]
    pub fn encode(self, message_id: Uuid, delivery: Delivery) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(&SealedContent { message_id, secret: self, delivery }).unwrap_or_default())
    }

    /// The other way; `None` if it is not the content of this message.
    #[must_use]
    pub fn decode(bytes: Vec<u8>, message_id: Uuid) -> Option<(Self, Delivery)> {
        let bytes = Zeroizing::new(bytes);
        let content: SealedContent = serde_json::from_slice(&bytes).ok()?;
        (content.message_id == message_id).then_some((content.secret, content.delivery))
    }
}

impl fmt::Debug for MessageSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageSecret(…)")
    }
}

impl Drop for MessageSecret {
    fn drop(&mut self) {
        self.code.zeroize();
        self.link_token.zeroize();
    }
}

/// Instants as milliseconds.
mod millis {
    use entity::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.millis())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples::one_of_each, *};

    #[test]
    fn templates_survive_the_database() {
        for template in one_of_each() {
            let parameters = template.parameters();
            assert!(parameters.is_object(), "{}: {parameters}", template.name());
            assert_eq!(Template::from_stored(template.name(), &parameters), Some(template));
        }
        assert_eq!(Template::from_stored("unheard_of", &serde_json::json!({})), None);
        assert_eq!(Template::from_stored("sign_up_code", &serde_json::json!({})), None);
    }

    #[test]
    fn a_secret_opens_only_for_its_own_row() {
        let secret = MessageSecret { code: Some("123456".to_owned()), link_token: None };
        let bytes = secret.clone().encode(Uuid::from_u128(1), Delivery::Decoy).to_vec();
        assert_eq!(MessageSecret::decode(bytes.clone(), Uuid::from_u128(1)), Some((secret, Delivery::Decoy)));
        assert_eq!(MessageSecret::decode(bytes, Uuid::from_u128(2)), None);
        assert_eq!(MessageSecret::decode(b"nonsense".to_vec(), Uuid::from_u128(1)), None);
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = MessageSecret { code: Some("123456".to_owned()), link_token: Some("tokentoken".to_owned()) };
        assert!(!format!("{secret:?}").contains("123456"));
    }
}
