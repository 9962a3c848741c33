//! Every message once, with values made up: for looking at the texts, and for checking them.

use entity::Timestamp;
use uuid::Uuid;

use super::message::{MessageSecret, Sighting, Template};

/// The code in them.
pub const CODE: &str = "314159";
/// The token in their links.
pub const LINK_TOKEN: &str = "a-made-up-token-that-opens-nothing-at-all-00";

/// One of each kind.
#[must_use]
pub fn one_of_each() -> Vec<Template> {
    let at = Timestamp::from_millis(1_795_252_200_000);
    let challenge_id = Uuid::from_u128(7);
    let sighting = Sighting { device: "Firefox on Windows".to_owned(), ip_address: "203.0.113.9".to_owned(), at };
    vec![
        Template::SignUpCode { challenge_id },
        Template::SignUpContactTaken {},
        Template::AccountCreated {},
        Template::VerificationCode { challenge_id },
        Template::NewDevice(sighting.clone()),
        Template::PasswordChanged(sighting.clone()),
        Template::AccountLocked { until: at },
        Template::RefreshTokenReused(sighting.clone()),
        Template::SignInCode { challenge_id },
        Template::PasswordReset { challenge_id },
        Template::Invitation { until: at },
        Template::PasswordLink { until: at },
        Template::ReauthenticationCode { challenge_id },
        Template::RiskCode { challenge_id },
        Template::UnusualActivity(sighting.clone()),
        Template::EmailChangeCode { challenge_id },
        Template::EmailChangeTaken {},
        Template::EmailChangeRequested(sighting.clone()),
        Template::EmailChanged(sighting.clone()),
        Template::PhoneChangeCode { challenge_id },
        Template::PhoneChangeTaken {},
        Template::PhoneChangeRequested(sighting.clone()),
        Template::PhoneChanged(sighting.clone()),
        Template::PhoneRemoved(sighting.clone()),
        Template::TotpEnabled(sighting.clone()),
        Template::TotpDisabled(sighting.clone()),
        Template::RecoveryCodesReplaced(sighting.clone()),
        Template::SecondFactorLocked { until: at },
        Template::RecoveryCodeUsed(sighting.clone()),
        Template::PasskeyAdded(sighting.clone()),
        Template::PasskeyRemoved(sighting.clone()),
        Template::ProviderLinked { provider: "Example".to_owned(), sighting: sighting.clone() },
        Template::ProviderUnlinked { provider: "Example".to_owned(), sighting },
        Template::ContactLost {},
        Template::DeletionScheduled { until: at },
        Template::DeletionCancelled {},
        Template::AccountDeleted {},
    ]
}

/// What the flows put into a message of this kind: a code where it has one, a link where it can have one.
#[must_use]
pub fn secret_of(template: &Template) -> MessageSecret {
    MessageSecret {
        code: template.challenge_id().map(|_| CODE.to_owned()),
        link_token: template.link_path().map(|_| LINK_TOKEN.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::outbound::texts::{Language, SOURCES};

    /// The names of all variants, as serde tells them to whoever asks for one that there is not.
    fn every_name() -> BTreeSet<String> {
        let told = serde_json::from_value::<Template>(serde_json::json!({ "template": "?", "parameters": {} })).unwrap_err().to_string();
        told.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn there_is_a_sample_and_a_file_in_every_language_for_every_message() {
        let names = every_name();
        assert!(names.len() > 20, "{names:?}");
        assert_eq!(names, one_of_each().iter().map(|template| template.name().to_owned()).collect());
        let mut files: BTreeSet<String> = ["mail.html", "mail.txt"].map(str::to_owned).into();
        for language in Language::ALL {
            files.extend(names.iter().map(|name| format!("{}/{name}.txt", language.tag())));
            files.insert(format!("{}/common.txt", language.tag()));
        }
        assert_eq!(files, SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect());
    }
}
