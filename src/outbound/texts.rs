//! The texts of every message in every language, as they are built into the program.

/// A language that there are texts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Thai,
}

impl Language {
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Thai];

    /// Nearest to a BCP 47 tag; English where there is nothing near.
    pub(super) fn nearest(locale: &str) -> Self {
        let primary = locale.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("th") { Self::Thai } else { Self::English }
    }

    /// The primary subtag, which is also the folder.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Thai => "th",
        }
    }
}

/// The texts of a message, each a block of its file.
pub(super) const MESSAGE_TEXTS: [&str; 6] = ["subject", "title", "body", "button", "after", "sms"];
/// The texts that every mail of a language shares.
pub(super) const COMMON_TEXTS: [&str; 7] =
    ["code_label", "link_label", "details_label", "device_label", "address_label", "time_label", "footer"];

macro_rules! sources {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/", $path)))),+]
    };
}

/// Path and source of every template.
pub(super) const SOURCES: &[(&str, &str)] = sources![
    "mail.html",
    "mail.txt",
    "en/common.txt",
    "en/sign_up_code.txt",
    "en/sign_up_contact_taken.txt",
    "en/account_created.txt",
    "en/verification_code.txt",
    "en/new_device.txt",
    "en/password_changed.txt",
    "en/account_locked.txt",
    "en/refresh_token_reused.txt",
    "en/sign_in_code.txt",
    "en/password_reset.txt",
    "en/invitation.txt",
    "en/password_link.txt",
    "en/reauthentication_code.txt",
    "en/risk_code.txt",
    "en/unusual_activity.txt",
    "en/email_change_code.txt",
    "en/email_change_taken.txt",
    "en/email_change_requested.txt",
    "en/email_changed.txt",
    "en/phone_change_code.txt",
    "en/phone_change_taken.txt",
    "en/phone_change_requested.txt",
    "en/phone_changed.txt",
    "en/phone_removed.txt",
    "en/totp_enabled.txt",
    "en/totp_disabled.txt",
    "en/recovery_codes_replaced.txt",
    "en/second_factor_locked.txt",
    "en/recovery_code_used.txt",
    "en/passkey_added.txt",
    "en/passkey_removed.txt",
    "en/provider_linked.txt",
    "en/provider_unlinked.txt",
    "en/contact_lost.txt",
    "en/deletion_scheduled.txt",
    "en/deletion_cancelled.txt",
    "en/account_deleted.txt",
    "th/common.txt",
    "th/sign_up_code.txt",
    "th/sign_up_contact_taken.txt",
    "th/account_created.txt",
    "th/verification_code.txt",
    "th/new_device.txt",
    "th/password_changed.txt",
    "th/account_locked.txt",
    "th/refresh_token_reused.txt",
    "th/sign_in_code.txt",
    "th/password_reset.txt",
    "th/invitation.txt",
    "th/password_link.txt",
    "th/reauthentication_code.txt",
    "th/risk_code.txt",
    "th/unusual_activity.txt",
    "th/email_change_code.txt",
    "th/email_change_taken.txt",
    "th/email_change_requested.txt",
    "th/email_changed.txt",
    "th/phone_change_code.txt",
    "th/phone_change_taken.txt",
    "th/phone_change_requested.txt",
    "th/phone_changed.txt",
    "th/phone_removed.txt",
    "th/totp_enabled.txt",
    "th/totp_disabled.txt",
    "th/recovery_codes_replaced.txt",
    "th/second_factor_locked.txt",
    "th/recovery_code_used.txt",
    "th/passkey_added.txt",
    "th/passkey_removed.txt",
    "th/provider_linked.txt",
    "th/provider_unlinked.txt",
    "th/contact_lost.txt",
    "th/deletion_scheduled.txt",
    "th/deletion_cancelled.txt",
    "th/account_deleted.txt",
];
