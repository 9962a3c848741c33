//! The round trip to providers: where it may end, and which addresses it may reach.

use url::Url;

use super::{Mode, reader::Reader, value::is_loopback};

/// Schemes that browsers run or show by themselves: nothing that could be an app of somebody's.
const NO_APPS: [&str; 12] =
    ["about", "blob", "chrome", "data", "file", "filesystem", "ftp", "javascript", "mailto", "vbscript", "view-source", "ws"];

/// Settings of the round trip to providers.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// Where people may be sent back to, compared byte by byte.
    pub redirect_uris: Vec<String>,
    /// Whether providers may be on loopback and in private networks.
    pub allow_private_addresses: bool,
}

impl OAuth {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let redirect_uris: Vec<String> = reader.list(
            "oauth.redirect_uris",
            (Vec::new(), "none"),
            "Where beginOAuth may send people back to, separated by commas and compared byte by byte: pages of your front end, links of your apps.",
        );
        for uri in &redirect_uris {
            if let Some(why) = wrong_with(uri, reader.mode) {
                reader.problem("oauth.redirect_uris", format!("is wrong: {uri:?} {why}"));
            }
        }
        let private = reader.mode == Mode::Development;
        Self {
            redirect_uris,
            allow_private_addresses: reader.derived(
                "oauth.allow_private_addresses",
                (private, "on in development, off in production"),
                "Whether providers may be on loopback and in private networks. Off, such addresses are refused after each look-up of a name.",
            ),
        }
    }
}

/// Why nobody may be sent there.
fn wrong_with(uri: &str, mode: Mode) -> Option<&'static str> {
    let Ok(url) = Url::parse(uri) else { return Some("is not a URL") };
    let host = url.host_str().unwrap_or_default();
    if uri.contains('\\') || uri.chars().any(|character| character.is_whitespace() || character.is_control() || !character.is_ascii()) {
        Some("must be plain ASCII without blanks and backslashes")
    } else if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        Some("must not carry a user, a password or a fragment")
    } else if NO_APPS.contains(&url.scheme()) {
        Some("has a scheme that is no app's")
    } else if url.scheme() == "http" && mode == Mode::Production && !is_loopback(host) {
        Some("must be https in production, but for loopback")
    } else if matches!(url.scheme(), "http" | "https") && host.is_empty() {
        Some("has no host")
    } else {
        None
    }
}
