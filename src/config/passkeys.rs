//! What passkeys belong to, and where they may be used.

use url::{Host, Url};

use super::{Mode, http::Http, reader::Reader, value::is_loopback};

/// Settings of passkeys.
#[derive(Clone, Debug)]
pub struct Passkeys {
    /// The relying party id: passkeys work under this host alone. None where the gateway is named by an address, for which there are none.
    pub rp_id: Option<String>,
    /// What the relying party is called. None: the product's name.
    pub rp_name: Option<String>,
    /// The origins that an answer may come from, those of web pages first; one at least where there is an id.
    pub origins: Vec<Url>,
    /// Whether every port and every name under the host counts as one of them.
    pub any_port: bool,
}

const RP_ID: &str = "passkeys.rp_id";
const ORIGINS: &str = "passkeys.origins";
/// How Android writes the origin of an app: the hash of the certificate that signed it.
const ANDROID_APP: &str = "android:apk-key-hash:";

impl Passkeys {
    pub(super) fn read(reader: &mut Reader<'_>, http: &Http) -> Self {
        let default = default_id(reader.mode, &http.public_url);
        let id = reader.derived(
            RP_ID,
            (default.clone().unwrap_or_default(), "the host of http.public_url"),
            "The host that passkeys belong to, or a parent of it that the app shares (example.com for auth.example.com): they work under it alone, and none that was made works under another.",
        );
        let was_given = reader.settings.last().is_some_and(|setting| setting.given);
        let rp_id = if is_id(&id) {
            Some(id)
        } else {
            if was_given {
                reader.problem(RP_ID, format!("is wrong: {id:?} is not a host name like auth.example.com, in lower case"));
            }
            default.filter(|_| was_given)
        };
        let rp_name = reader.optional("passkeys.rp_name", "What is named when a passkey is made. None: messages.product_name.");
        let any_port = reader.mode == Mode::Development && rp_id.as_deref().is_some_and(is_loopback);
        let defaults = rp_id.as_deref().map(|id| default_origins(id, http)).unwrap_or_default();
        let texts: Vec<String> = reader.list(
            ORIGINS,
            (defaults, "the origins of http.public_url and http.allowed_origins under passkeys.rp_id"),
            "Origins of pages that may use passkeys, all under passkeys.rp_id, and of Android apps (android:apk-key-hash:…), separated by commas. Development allows every port of loopback besides.",
        );
        let origins_given = reader.settings.last().is_some_and(|setting| setting.given);
        let mut passkeys = Self { rp_id, rp_name, origins: Vec::new(), any_port };
        passkeys.take_origins(reader, texts, was_given || origins_given);
        passkeys
    }

    fn take_origins(&mut self, reader: &mut Reader<'_>, texts: Vec<String>, was_given: bool) {
        let Some(id) = self.rp_id.clone() else {
            if was_given && !texts.is_empty() {
                reader.problem(ORIGINS, "needs passkeys.rp_id: http.public_url has no host name");
            }
            return;
        };
        let mut apps = Vec::new();
        for text in texts {
            match Url::parse(&text) {
                Ok(app) if is_android_app(&text) => apps.push(app),
                Ok(page) if is_page_under(&page, &id) => self.origins.push(page),
                _ => reader.problem(
                    ORIGINS,
                    format!("is wrong: {text:?} is neither an https origin under {id} nor {ANDROID_APP} and the hash of a certificate"),
                ),
            }
        }
        if self.any_port {
            self.origins.extend(["http", "https"].iter().filter_map(|scheme| Url::parse(&format!("{scheme}://{id}")).ok()));
        }
        if self.origins.is_empty() {
            // By default it only means that there are no passkeys here.
            if was_given {
                reader.problem(ORIGINS, format!("must name a page under {id}"));
            }
            self.rp_id = None;
        }
        self.origins.extend(apps);
    }

    /// Takes over the port that the system chose where the settings said 0.
    pub(super) fn listening_on(&mut self, port: u16) {
        for origin in &mut self.origins {
            if origin.port() == Some(0) && origin.set_port(Some(port)).is_err() {
                return;
            }
        }
    }
}

/// An address is no relying party; on loopback there is always a name for it.
fn default_id(mode: Mode, public_url: &Url) -> Option<String> {
    match public_url.host()? {
        Host::Domain(name) => Some(name.trim_end_matches('.').to_owned()),
        Host::Ipv4(_) | Host::Ipv6(_) if mode == Mode::Development => Some("localhost".to_owned()),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

fn default_origins(id: &str, http: &Http) -> Vec<String> {
    let public = http.public_url.origin().ascii_serialization();
    let mut origins = vec![public];
    origins.extend(http.allowed_origins.iter().filter(|origin| **origin != origins[0]).cloned().collect::<Vec<_>>());
    origins.retain(|origin| Url::parse(origin).is_ok_and(|origin| is_page_under(&origin, id)));
    origins
}

/// A name that browsers can take for a relying party: one label alone is only `localhost`.
fn is_id(id: &str) -> bool {
    let is_name = matches!(Host::parse(id), Ok(Host::Domain(name)) if name == id && !name.ends_with('.'));
    is_name && (id == "localhost" || id.contains('.'))
}

fn is_page_under(page: &Url, id: &str) -> bool {
    let host = page.host_str().unwrap_or_default();
    let is_under = host == id || host.strip_suffix(id).is_some_and(|rest| rest.ends_with('.'));
    let is_origin = page.path() == "/" && page.query().is_none() && page.fragment().is_none();
    let is_bare = is_origin && page.username().is_empty() && page.password().is_none();
    let is_safe = page.scheme() == "https" || page.scheme() == "http" && is_loopback(host);
    is_under && is_bare && is_safe && matches!(page.host(), Some(Host::Domain(_)))
}

fn is_android_app(text: &str) -> bool {
    let hash = text.strip_prefix(ANDROID_APP).unwrap_or_default();
    hash.len() == 43 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Passkeys, Sources};

    fn read(settings: &[(&str, &str)]) -> (Passkeys, Vec<String>) {
        let production = [
            ("POSTERN_MODE", "production"),
            ("POSTERN_SECRET", "a secret of production that is long enough"),
            ("POSTERN_MAIL__URL", "smtps://mail.example.com"),
            ("POSTERN_MAIL__FROM", "no-reply@example.com"),
            ("POSTERN_HTTP__PUBLIC_URL", "https://auth.example.com"),
        ];
        let reading = Config::read(&Sources::of(production.iter().chain(settings).copied()));
        (reading.config.passkeys, reading.problems.iter().map(ToString::to_string).collect())
    }

    fn origins(passkeys: &Passkeys) -> Vec<String> {
        passkeys.origins.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_host_of_the_gateway_is_the_default() {
        let (passkeys, problems) = read(&[("POSTERN_HTTP__ALLOWED_ORIGINS", "https://auth.example.com,https://app.example.com")]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(passkeys.rp_id.as_deref(), Some("auth.example.com"));
        assert_eq!(origins(&passkeys), ["https://auth.example.com/"]);
        assert!(!passkeys.any_port);
    }

    #[test]
    fn a_parent_takes_the_app_in() {
        let (passkeys, problems) = read(&[
            ("POSTERN_HTTP__ALLOWED_ORIGINS", "https://app.example.com,https://badexample.com"),
            ("POSTERN_PASSKEYS__RP_ID", "example.com"),
        ]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(origins(&passkeys), ["https://auth.example.com/", "https://app.example.com/"]);
    }

    #[test]
    fn an_app_may_stand_beside_a_page_but_not_alone() {
        let app = "android:apk-key-hash:0123456789012345678901234567890123456789ABC";
        let (passkeys, problems) = read(&[("POSTERN_PASSKEYS__ORIGINS", &format!("{app},https://auth.example.com"))]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(origins(&passkeys), ["https://auth.example.com/", app]);
        let (_, problems) = read(&[("POSTERN_PASSKEYS__ORIGINS", app)]);
        assert_eq!(problems, ["passkeys.origins (POSTERN_PASSKEYS__ORIGINS) must name a page under auth.example.com"]);
    }

    #[test]
    fn what_is_wrong_is_one_line_each() {
        let (_, problems) = read(&[
            ("POSTERN_PASSKEYS__RP_ID", "https://example.com"),
            (
                "POSTERN_PASSKEYS__ORIGINS",
                "https://auth.example.com,https://other.example,http://auth.example.com,https://auth.example.com/x,*",
            ),
        ]);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems[0].starts_with("passkeys.rp_id (POSTERN_PASSKEYS__RP_ID) is wrong: \"https://example.com\""), "{problems:?}");
        for wrong in ["com", "EXAMPLE.com", "203.0.113.7", "example.com.", "a b.com"] {
            let (_, problems) = read(&[("POSTERN_PASSKEYS__RP_ID", wrong)]);
            assert_eq!(problems.len(), 1, "{wrong}: {problems:?}");
        }
        let (_, problems) = read(&[("POSTERN_PASSKEYS__RP_ID", "other.example")]);
        assert_eq!(problems, ["passkeys.origins (POSTERN_PASSKEYS__ORIGINS) must name a page under other.example"]);
    }

    #[test]
    fn a_gateway_without_a_name_has_none() {
        let (passkeys, problems) = read(&[("POSTERN_HTTP__PUBLIC_URL", "https://203.0.113.7")]);
        assert_eq!(problems, [""; 0]);
        assert_eq!((passkeys.rp_id, passkeys.origins.len()), (None, 0));
    }

    #[test]
    fn development_takes_every_port_of_loopback() {
        for url in ["http://localhost:4000", "http://127.0.0.1:4000"] {
            let passkeys = Config::read(&Sources::of([("POSTERN_HTTP__PUBLIC_URL", url)])).config.passkeys;
            assert_eq!(passkeys.rp_id.as_deref(), Some("localhost"), "{url}");
            assert!(passkeys.any_port && origins(&passkeys).contains(&"http://localhost/".to_owned()), "{url}");
        }
    }
}
