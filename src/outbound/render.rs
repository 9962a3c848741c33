//! From a message to its text.

use std::{collections::BTreeMap, fmt, time::Duration};

use entity::{Channel, Timestamp};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use super::{
    message::{MessageSecret, Sighting, Template},
    texts::{Language, SOURCES},
};
use crate::config::Pages;

/// A template that cannot be read, or does not fit its message.
#[derive(Debug, thiserror::Error)]
#[error("a message template is broken")]
pub struct RenderError(#[from] pub(super) minijinja::Error);

/// What the recipient reads. Has the code in it: sealed where it is kept, never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// One line; none in a text message.
    pub subject: Option<String>,
    /// Plain text.
    pub text: String,
    /// The same as a page; none in a text message.
    pub html: Option<String>,
    /// The code in it.
    pub code: Option<String>,
    /// The link in it.
    pub link: Option<String>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// What a message is rendered from.
#[derive(Debug)]
pub struct Draft<'a> {
    /// By which way it goes.
    pub channel: Channel,
    /// What it says.
    pub template: &'a Template,
    /// Code and link token.
    pub secret: &'a MessageSecret,
    /// BCP 47.
    pub locale: &'a str,
}

/// The texts, and what all of them need from the settings.
pub struct Renderer {
    pub(super) environment: Environment<'static>,
    product: String,
    public_url: Url,
    pages: Pages,
    code_minutes: u64,
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderer").field("product", &self.product).finish_non_exhaustive()
    }
}

impl Renderer {
    /// Links begin with `public_url` and with nothing that a request said; `code_ttl` is how long codes are good for.
    pub fn new(product_name: &str, public_url: &Url, code_ttl: Duration) -> Result<Self, RenderError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Only the page is HTML. The texts are rendered plain and escaped as a whole where the page takes them in.
        environment.set_auto_escape_callback(|name| if name.ends_with("mail.html") { AutoEscape::Html } else { AutoEscape::None });
        for (path, source) in SOURCES {
            environment.add_template(path, source)?;
        }
        Ok(Self {
            environment,
            product: one_line(product_name),
            public_url: public_url.clone(),
            pages: Pages::default(),
            code_minutes: code_ttl.as_secs().div_ceil(60),
        })
    }

    /// Links lead to the deployment's own pages, where it has any.
    #[must_use]
    pub fn leading_to(self, pages: Pages) -> Self {
        Self { pages, ..self }
    }

    /// The text of a message in the nearest language.
    pub fn render(&self, draft: &Draft<'_>) -> Result<Rendered, RenderError> {
        let language = Language::nearest(draft.locale);
        let seen = Seen::of(draft.template);
        let link = self.link(draft);
        let code = draft.secret.code.clone().unwrap_or_default();
        let facts = Value::from(self.facts(draft, &seen));
        let mut texts =
            self.environment.get_template(&format!("{}/{}.txt", language.tag(), draft.template.name()))?.render_captured(facts.clone())?;
        let mut text_of = |block: &str| texts.with_state_mut(|state| state.render_block(block));

        match draft.channel {
            Channel::Sms => {
                Ok(Rendered { subject: None, text: one_line(&text_of("sms")?), html: None, code: draft.secret.code.clone(), link })
            }
            Channel::Email => {
                let mut common = self.environment.get_template(&format!("{}/common.txt", language.tag()))?.render_captured(facts)?;
                let mut common_of = |block: &str| common.with_state_mut(|state| state.render_block(block));
                let mut details = Vec::new();
                for (label, value) in [("device_label", &seen.device), ("address_label", &seen.address), ("time_label", &seen.at)] {
                    if !value.is_empty() {
                        details.push(Value::from(vec![common_of(label)?, value.clone()]));
                    }
                }
                let subject = one_line(&text_of("subject")?);
                let page = context! {
                    language => language.tag(),
                    product => self.product.as_str(),
                    subject => subject.as_str(),
                    title => one_line(&text_of("title")?),
                    body => paragraphs(&text_of("body")?),
                    after => paragraphs(&text_of("after")?),
                    button => one_line(&text_of("button")?),
                    code => code,
                    code_label => common_of("code_label")?,
                    link => link.clone().unwrap_or_default(),
                    link_label => common_of("link_label")?,
                    details => details,
                    details_label => common_of("details_label")?,
                    footer => common_of("footer")?,
                };
                Ok(Rendered {
                    subject: Some(subject),
                    text: self.environment.get_template("mail.txt")?.render(page.clone())?,
                    html: Some(self.environment.get_template("mail.html")?.render(page)?),
                    code: draft.secret.code.clone(),
                    link,
                })
            }
        }
    }

    /// The names of what the texts of a message can name.
    pub(super) fn names_of(&self, template: &Template) -> Vec<&'static str> {
        let draft = Draft { channel: Channel::Email, template, secret: &MessageSecret::none(), locale: "en" };
        self.facts(&draft, &Seen::of(template)).into_keys().collect()
    }

    /// What the texts of a message can name: nothing that this kind of message does not have.
    fn facts(&self, draft: &Draft<'_>, seen: &Seen) -> BTreeMap<&'static str, Value> {
        let mut facts = BTreeMap::from([("product", Value::from(self.product.as_str())), ("minutes", Value::from(self.code_minutes))]);
        let link = self.link(draft);
        facts.insert("has_link", Value::from(link.is_some()));
        if draft.template.texts_link() {
            facts.insert("link", Value::from(link.unwrap_or_default()));
        }
        if draft.template.challenge_id().is_some() {
            facts.insert("code", Value::from(draft.secret.code.as_deref().unwrap_or_default()));
        }
        let told =
            [("device", &seen.device), ("address", &seen.address), ("at", &seen.at), ("until", &seen.until), ("provider", &seen.provider)];
        for (name, value) in told {
            if !value.is_empty() {
                facts.insert(name, Value::from(value.as_str()));
            }
        }
        facts
    }

    /// `{public_url}/verify-email?token=…&challenge=…`, or a page of the deployment's own with the same behind `#`, which its scripts read and no
    /// server is told; by text message only where the message is nothing without it.
    fn link(&self, draft: &Draft<'_>) -> Option<String> {
        if draft.channel == Channel::Sms && !draft.template.texts_link() {
            return None;
        }
        let (Some(page), Some(token)) = (draft.template.link_path(), &draft.secret.link_token) else { return None };
        let mut values = form_urlencoded::Serializer::new(String::new());
        values.append_pair("token", token);
        if let Some(challenge_id) = draft.template.challenge_id() {
            values.append_pair("challenge", &challenge_id.to_string());
        }
        let values = values.finish();
        if let Some(own) = self.pages.own(page) {
            let mut link = own.clone();
            link.set_fragment(Some(&values));
            return Some(link.into());
        }
        let mut link = self.public_url.clone();
        link.set_path(&format!("{}{page}", self.public_url.path().trim_end_matches('/')));
        link.set_fragment(None);
        link.set_query(Some(&values));
        Some(link.into())
    }
}

/// What the texts tell of where and when, made harmless; empty where a message does not tell it.
#[derive(Default)]
struct Seen {
    device: String,
    address: String,
    at: String,
    until: String,
    provider: String,
}

impl Seen {
    fn at(sighting: &Sighting) -> Self {
        let Sighting { device, ip_address, at } = sighting;
        Self { device: inert(device), address: inert(ip_address), at: minute(*at), ..Self::default() }
    }

    fn of(template: &Template) -> Self {
        match template {
            Template::NewDevice(sighting)
            | Template::UnusualActivity(sighting)
            | Template::PasswordChanged(sighting)
            | Template::RefreshTokenReused(sighting)
            | Template::EmailChangeRequested(sighting)
            | Template::EmailChanged(sighting)
            | Template::PhoneChangeRequested(sighting)
            | Template::PhoneChanged(sighting)
            | Template::PhoneRemoved(sighting)
            | Template::TotpEnabled(sighting)
            | Template::TotpDisabled(sighting)
            | Template::RecoveryCodesReplaced(sighting)
            | Template::RecoveryCodeUsed(sighting)
            | Template::PasskeyAdded(sighting)
            | Template::PasskeyRemoved(sighting) => Self::at(sighting),
            Template::ProviderLinked { provider, sighting } | Template::ProviderUnlinked { provider, sighting } => {
                Self { provider: inert(provider), ..Self::at(sighting) }
            }
            Template::AccountLocked { until }
            | Template::SecondFactorLocked { until }
            | Template::DeletionScheduled { until }
            | Template::Invitation { until }
            | Template::PasswordLink { until } => Self { until: minute(*until), ..Self::default() },
            Template::SignUpCode { .. }
            | Template::SignUpContactTaken {}
            | Template::AccountCreated {}
            | Template::VerificationCode { .. }
            | Template::SignInCode { .. }
            | Template::PasswordReset { .. }
            | Template::ReauthenticationCode { .. }
            | Template::RiskCode { .. }
            | Template::EmailChangeCode { .. }
            | Template::ContactLost {}
            | Template::EmailChangeTaken {}
            | Template::PhoneChangeCode { .. }
            | Template::PhoneChangeTaken {}
            | Template::DeletionCancelled {}
            | Template::AccountDeleted {} => Self::default(),
        }
    }
}

/// `2026-11-21 09:30 UTC`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}

/// Paragraphs are parted by empty lines.
fn paragraphs(text: &str) -> Vec<String> {
    text.split("\n\n").map(one_line).filter(|paragraph| !paragraph.is_empty()).collect()
}

/// Every run of blanks, line ends and other control characters becomes one blank: nothing can start a header or a line of its own.
fn one_line(text: &str) -> String {
    let visible = |c: char| if c.is_control() || is_bidirectional_control(c) { ' ' } else { c };
    text.chars().map(visible).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value that a stranger may have chosen, so that no mail program makes a link, an address or markup of it.
fn inert(value: &str) -> String {
    let mut text = String::new();
    let mut letters = value.chars().take(80).peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '<' | '>' | '@' | '/' | '\\' | '&' | '"' | '\'' => text.push(' '),
            // A dot before a letter could be a host's; versions and IPv4 addresses have digits there.
            '.' if letters.peek().is_some_and(|next| next.is_alphabetic()) => text.push_str(". "),
            _ => text.push(letter),
        }
    }
    one_line(&text)
}

const fn is_bidirectional_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{super::samples::one_of_each, *};

    fn renderer(product: &str) -> Renderer {
        let public_url = Url::parse("https://id.example.com/auth/?x=1").expect("a URL");
        Renderer::new(product, &public_url, Duration::from_mins(10)).expect("templates")
    }

    fn secret() -> MessageSecret {
        MessageSecret { code: Some("123456".to_owned()), link_token: Some("abc-DEF_123".to_owned()) }
    }

    #[test]
    fn every_message_has_its_text_in_every_language_and_channel() {
        let texts = renderer("Postern");
        for template in one_of_each() {
            for language in Language::ALL {
                for channel in [Channel::Email, Channel::Sms] {
                    let draft = Draft { channel, template: &template, secret: &secret(), locale: language.tag() };
                    let rendered = texts.render(&draft).expect("a text");
                    let all = format!("{:?} {} {:?}", rendered.subject, rendered.text, rendered.html);
                    assert!(!all.contains("{{") && !rendered.text.contains("none"), "{}", template.name());
                    assert!(rendered.text.contains("Postern"));
                    if channel == Channel::Email {
                        assert!(!rendered.subject.as_deref().unwrap_or_default().is_empty());
                        assert!(!rendered.subject.unwrap_or_default().contains("123456"), "a locked screen shows the subject");
                        assert_eq!(rendered.link.is_some(), template.link_path().is_some());
                        assert_eq!(rendered.html.is_some_and(|html| html.contains("123456")), rendered.text.contains("123456"));
                    } else {
                        assert_eq!(rendered.html, None);
                        assert_eq!(rendered.link.is_some(), template.texts_link());
                        assert!(rendered.link.is_none_or(|link| rendered.text.contains(&link)));
                        assert_eq!(rendered.text.contains("123456"), template.challenge_id().is_some(), "{}", rendered.text);
                    }
                }
            }
        }
    }

    #[test]
    fn links_begin_with_the_public_url_alone() {
        let template = Template::SignUpCode { challenge_id: Uuid::from_u128(7) };
        let draft = Draft { channel: Channel::Email, template: &template, secret: &secret(), locale: "en" };
        let rendered = renderer("Postern").render(&draft).expect("rendered");
        let link = "https://id.example.com/auth/verify-email?token=abc-DEF_123&challenge=00000000-0000-0000-0000-000000000007";
        assert_eq!(rendered.link.as_deref(), Some(link));
        assert!(rendered.text.contains(link));
    }

    #[test]
    fn a_page_of_ones_own_gets_the_token_where_no_server_sees_it() {
        let own = Url::parse("https://app.example.com/welcome?from=mail").expect("a URL");
        let pages = Pages { verify_email: Some(own), ..Pages::default() };
        let texts = renderer("Postern").leading_to(pages);
        let link_of = |template: &Template| {
            let draft = Draft { channel: Channel::Email, template, secret: &secret(), locale: "en" };
            texts.render(&draft).expect("rendered").link.expect("a link")
        };
        let of_sign_up = link_of(&Template::SignUpCode { challenge_id: Uuid::from_u128(7) });
        assert_eq!(
            of_sign_up,
            "https://app.example.com/welcome?from=mail#token=abc-DEF_123&challenge=00000000-0000-0000-0000-000000000007"
        );
        let of_lock = link_of(&Template::AccountLocked { until: Timestamp::from_millis(0) });
        assert_eq!(of_lock, "https://id.example.com/auth/unlock?token=abc-DEF_123", "each has a setting of its own");
    }

    #[test]
    fn the_nearest_language_is_taken() {
        for (locale, language) in [
            ("th-TH", Language::Thai),
            ("TH", Language::Thai),
            ("en-GB", Language::English),
            ("xx", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::nearest(locale), language);
        }
    }

    #[test]
    fn strangers_values_and_names_inject_nothing() {
        let sighting = Sighting {
            device: "x\r\nBcc: b@x.test <a href=//evil.test>win</a> http://evil.test\u{202e}".to_owned(),
            ip_address: "2001:db8::1".to_owned(),
            at: Timestamp::from_millis(0),
        };
        let template = Template::NewDevice(sighting);
        let draft = Draft { channel: Channel::Email, template: &template, secret: &MessageSecret::none(), locale: "en" };
        let rendered = renderer("Acme <b>\r\nBcc: b@x.test").render(&draft).expect("rendered");
        assert!(!rendered.subject.unwrap_or_default().contains(['\r', '\n']));
        let html = rendered.html.unwrap_or_default();
        for evil in ["<a href=//evil", "evil.test", "<b>", "\nBcc", "http://"] {
            assert!(!html.contains(evil), "{evil} in {html}");
        }
        for evil in ["evil.test", "\nBcc", "http://", "\u{202e}"] {
            assert!(!rendered.text.contains(evil), "{evil} in {}", rendered.text);
        }
        assert!(rendered.text.contains("2001:db8::1"));
    }

    #[test]
    fn a_rendered_message_is_never_printed() {
        let template = Template::SignUpCode { challenge_id: Uuid::from_u128(7) };
        let draft = Draft { channel: Channel::Email, template: &template, secret: &secret(), locale: "en" };
        let rendered = renderer("Postern").render(&draft).expect("rendered");
        assert!(!format!("{rendered:?} {draft:?}").contains("123456"));
    }
}
