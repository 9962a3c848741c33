//! Accounts elsewhere that people sign in with: one table of settings for each provider.

use p256::pkcs8::DecodePrivateKey as _;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    reader::Reader,
    value::{Value, is_loopback},
};

/// As long as the database takes.
const LONGEST_ID: usize = 32;
const LONGEST_ISSUER: usize = 512;

/// How a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Google.
    Google,
    /// LINE: ID tokens with HS256 and the channel secret.
    Line,
    /// Sign in with Apple: a client secret that is signed anew each time, and answers by POST.
    Apple,
    /// Any other OpenID Connect provider.
    Oidc,
}

/// By what a provider knows this deployment.
#[derive(Clone, Debug)]
pub enum ClientKey {
    /// By PKCE alone.
    None,
    /// A secret that both know.
    Secret(SecretString),
    /// A key that signs a secret anew each time: a P-256 private key as PEM (PKCS#8).
    Apple {
        /// The team at Apple.
        team_id: String,
        /// The name of the key.
        key_id: String,
        /// The key.
        private_key: SecretString,
    },
}

/// A provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Names it in the API and in the address of its callback.
    pub id: String,
    /// How it speaks.
    pub kind: ProviderKind,
    /// For people.
    pub name: String,
    /// What it calls this deployment.
    pub client_id: String,
    /// By what it knows it.
    pub key: ClientKey,
    /// Where its discovery document is, and what its ID tokens must say, byte by byte.
    pub issuer: String,
    /// What is asked of it.
    pub scopes: Vec<String>,
    /// Whether an address that it proved leads to the account that proved it too.
    pub link_by_email: bool,
}

impl Value for ProviderKind {
    const FORM: &'static str = "google, line, apple or oidc";

    fn read(text: &str) -> Option<Self> {
        [Self::Google, Self::Line, Self::Apple, Self::Oidc].into_iter().find(|kind| kind.as_str() == text)
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl ProviderKind {
    /// As the settings have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Line => "line",
            Self::Apple => "apple",
            Self::Oidc => "oidc",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Google => "Google",
            Self::Line => "LINE",
            Self::Apple => "Apple",
            Self::Oidc => "",
        }
    }

    const fn issuer(self) -> Option<&'static str> {
        match self {
            Self::Google => Some("https://accounts.google.com"),
            Self::Line => Some("https://access.line.me"),
            Self::Apple => Some("https://appleid.apple.com"),
            Self::Oidc => None,
        }
    }

    const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Google | Self::Oidc => &["openid", "email", "profile"],
            // The address takes a permission of LINE's first.
            Self::Line => &["openid", "profile"],
            Self::Apple => &["openid", "email", "name"],
        }
    }
}

impl Provider {
    /// All that are set.
    pub(super) fn read_all(reader: &mut Reader<'_>) -> Vec<Self> {
        reader.tables("providers").iter().filter_map(|id| Self::read(reader, id)).collect()
    }

    fn read(reader: &mut Reader<'_>, id: &str) -> Option<Self> {
        let named = |key: &str| format!("providers.{id}.{key}");
        if !is_id(id) {
            reader.problem(&named("kind"), "is of a provider whose id is wrong: take up to 32 of a-z, 0-9, - and _, a letter first");
        }
        let kind: Option<ProviderKind> =
            reader.optional(named("kind"), "How the provider {id} speaks: google, line, apple or oidc. The id is yours to choose.");
        let client_id: Option<String> = reader
            .optional(named("client_id"), "What the provider calls this deployment; for line the channel id, for apple the services id.");
        let secret: Option<SecretString> = reader.optional(
            named("client_secret"),
            "The secret that goes with it; for line the channel secret. apple has none; oidc may do without.",
        );
        let team_id: Option<String> = reader.optional(named("team_id"), "apple: the team.");
        let key_id: Option<String> = reader.optional(named("key_id"), "apple: the name of the key.");
        let private_key: Option<SecretString> =
            reader.optional(named("private_key"), "apple: the key, as PEM or as the path of the file (AuthKey_….p8).");
        let issuer: Option<String> = reader.optional(
            named("issuer"),
            "The issuer, as its discovery document and ID tokens have it, byte by byte. google, line and apple know theirs.",
        );
        let name: Option<String> = reader.optional(named("name"), "What people are shown. None: Google, LINE, Apple, or the id.");
        let scopes = kind.map_or(&["openid"][..], ProviderKind::scopes);
        let scopes: Vec<String> = reader.list(
            named("scopes"),
            (scopes.iter().map(|scope| (*scope).to_owned()).collect(), "what the kind needs"),
            "What is asked of the provider, separated by commas; openid must be among it.",
        );
        let link_by_email = reader.value(
            named("link_by_email"),
            true,
            "Whether an address that the provider proved leads to the account that proved it too. Off: IDENTITY_CONFLICT; its owner signs in and links.",
        );
        let Some(kind) = kind else {
            reader.problem(&named("kind"), "is needed: google, line, apple or oidc");
            return None;
        };
        let needed = |reader: &mut Reader<'_>, key: &str| reader.problem(&named(key), format!("is needed for {}", kind.as_str()));
        if client_id.as_ref().is_none_or(String::is_empty) {
            needed(reader, "client_id");
        }
        if !scopes.iter().any(|scope| scope == "openid") || scopes.iter().any(|scope| scope.contains(char::is_whitespace)) {
            reader.problem(&named("scopes"), "must have openid among them, separated by commas");
        }
        let key = match kind {
            ProviderKind::Apple => {
                for (key, missing) in [("team_id", team_id.is_none()), ("key_id", key_id.is_none()), ("private_key", private_key.is_none())]
                {
                    if missing {
                        needed(reader, key);
                    }
                }
                if secret.is_some() {
                    reader.problem(&named("client_secret"), "is not for apple: its key signs one anew each time");
                }
                let private_key = private_key.and_then(|given| match pem(&given) {
                    Ok(pem) => Some(pem),
                    Err(why) => {
                        reader.problem(&named("private_key"), why);
                        None
                    }
                });
                ClientKey::Apple {
                    team_id: team_id.unwrap_or_default(),
                    key_id: key_id.unwrap_or_default(),
                    private_key: private_key.unwrap_or_default(),
                }
            }
            ProviderKind::Google | ProviderKind::Line | ProviderKind::Oidc => {
                for (key, given) in [("team_id", team_id.is_some()), ("key_id", key_id.is_some()), ("private_key", private_key.is_some())] {
                    if given {
                        reader.problem(&named(key), "is for apple alone");
                    }
                }
                let secret = secret.filter(|secret| !secret.expose_secret().is_empty());
                if secret.is_none() && kind != ProviderKind::Oidc {
                    needed(reader, "client_secret");
                }
                secret.map_or(ClientKey::None, ClientKey::Secret)
            }
        };
        let issuer = issuer.or_else(|| kind.issuer().map(str::to_owned));
        match &issuer {
            None => needed(reader, "issuer"),
            Some(issuer) => {
                if let Some(why) = wrong_with(issuer) {
                    reader.problem(&named("issuer"), why);
                }
            }
        }
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| match kind {
            ProviderKind::Oidc => id.to_owned(),
            ProviderKind::Google | ProviderKind::Line | ProviderKind::Apple => kind.name().to_owned(),
        });
        Some(Self {
            id: id.to_owned(),
            kind,
            name,
            client_id: client_id.unwrap_or_default(),
            key,
            issuer: issuer.unwrap_or_default(),
            scopes,
            link_by_email,
        })
    }
}

fn is_id(id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    id.len() <= LONGEST_ID && id.starts_with(|first: char| first.is_ascii_lowercase()) && id.bytes().all(known)
}

/// Answers of the issuer decide who somebody is: only in the open where they do not leave this machine.
fn wrong_with(issuer: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(issuer) else { return Some("must be a URL like https://login.example.com") };
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || !matches!(url.scheme(), "http" | "https") {
        Some("must be an https URL")
    } else if url.scheme() == "http" && !is_loopback(host) {
        Some("must be https, but for loopback")
    } else if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        Some("must not carry a user, a password, a query or a fragment")
    } else if issuer.len() > LONGEST_ISSUER {
        Some("is too long")
    } else {
        None
    }
}

/// The key itself, or what stands in the file that is named. Variables often carry the breaks of lines as `\n`.
fn pem(given: &SecretString) -> Result<SecretString, String> {
    let text = given.expose_secret();
    let pem = if text.starts_with("-----BEGIN") {
        text.replace("\\n", "\n")
    } else {
        std::fs::read_to_string(text).map_err(|error| format!("names a file that cannot be read: {error}"))?
    };
    match p256::SecretKey::from_pkcs8_pem(pem.trim()) {
        Ok(_) => Ok(SecretString::from(pem.trim().to_owned())),
        Err(_) => Err("must be a P-256 private key in PEM, as Apple gives it out, or the path of its file".to_owned()),
    }
}
