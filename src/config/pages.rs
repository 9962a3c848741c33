//! Where the links in messages lead.

use url::Url;

use super::{Mode, reader::Reader, value::is_loopback};

/// Settings of the pages behind links. Without one, Postern's own page is taken.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// Confirms a sign-up or an address.
    pub verify_email: Option<Url>,
    /// Chooses a new password.
    pub reset_password: Option<Url>,
    /// Signs in.
    pub sign_in: Option<Url>,
    /// Stops or undoes a change of address.
    pub cancel_email_change: Option<Url>,
    /// Ends a lockout.
    pub unlock: Option<Url>,
    /// Ends a session that the owner does not know.
    pub end_session: Option<Url>,
    /// Where Postern's own pages lead when they are done.
    pub home: Option<Url>,
}

impl Pages {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut page = |name, meaning| {
            let url: Option<Url> = reader.optional(name, meaning);
            if let Some(url) = &url {
                check(reader, name, url);
            }
            url
        };
        Self {
            verify_email: page(
                "pages.verify_email",
                "Your own page for the link that confirms an address; it gets #token=…&challenge=…. None: Postern's /verify-email.",
            ),
            reset_password: page("pages.reset_password", "The same for the link to a new password. None: Postern's /reset-password."),
            sign_in: page("pages.sign_in", "The same for the link that signs in. None: Postern's /sign-in."),
            cancel_email_change: page(
                "pages.cancel_email_change",
                "The same for the link that stops or undoes a change of address. None: Postern's /cancel-email-change.",
            ),
            unlock: page("pages.unlock", "The same for the link that ends a lockout. None: Postern's /unlock."),
            end_session: page("pages.end_session", "The same for the link that ends an unknown session. None: Postern's /end-session."),
            home: page("pages.home", "Where Postern's own pages lead when they are done, such as your app. None: nowhere."),
        }
    }

    /// The deployment's own page in place of one of Postern's, by that one's path.
    #[must_use]
    pub fn own(&self, path: &str) -> Option<&Url> {
        match path {
            "/verify-email" => self.verify_email.as_ref(),
            "/reset-password" => self.reset_password.as_ref(),
            "/sign-in" => self.sign_in.as_ref(),
            "/cancel-email-change" => self.cancel_email_change.as_ref(),
            "/unlock" => self.unlock.as_ref(),
            "/end-session" => self.end_session.as_ref(),
            _ => None,
        }
    }
}

fn check(reader: &mut Reader<'_>, name: &str, url: &Url) {
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || !matches!(url.scheme(), "http" | "https") {
        reader.problem(name, "must be an http or https URL");
    } else if reader.mode == Mode::Production && url.scheme() == "http" && !is_loopback(host) {
        reader.problem(name, "must be https in production");
    } else if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        reader.problem(name, "must not carry a user, a password or a fragment: the token is put there");
    }
}
