//! E-mail by SMTP.

use std::{
    fmt,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, UNIX_EPOCH},
};

use entity::Timestamp;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail as MailFrom, Rcpt},
        extension::{ClientId, Extension, MailParameter},
        response::Category,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};
use url::Url;
use uuid::Uuid;

use super::{
    render::Rendered,
    send_failure::{SendFailure, one_line},
    turns::Turns,
};

/// A connection that lay idle for longer is not used again.
const PARKED_FOR: Duration = Duration::from_secs(20);
/// How long a parked connection may take to show that it lives.
const PROOF_OF_LIFE: Duration = Duration::from_secs(2);
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

/// What is wrong with the settings of the mail server; says nothing of the password in the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailSettingError {
    /// Not a URL of a mail server.
    #[error("mail.url: must be smtp://[user:password@]host[:port] or smtps://…, and nothing after it")]
    Url,
    /// Not a sender.
    #[error(
        "mail.from: must be an address, or a name with an address: Example <no-reply@example.com>; a name with a comma, a dot or brackets stands in quotes: \"Example, Inc.\" <no-reply@example.com>"
    )]
    From,
    /// The certificates of this machine cannot be read.
    #[error("mail.url: TLS cannot be set up: {0}")]
    Tls(String),
}

/// How the connection is protected.
#[derive(Clone)]
enum Protection {
    /// TLS from the first byte.
    Wrapped(TlsParameters),
    /// STARTTLS, or nothing is sent.
    Required(TlsParameters),
    /// STARTTLS where it is offered: to this machine itself only.
    Offered(TlsParameters),
}

/// One mail.
#[derive(Debug)]
pub struct Mail<'a> {
    /// Id of the message: it makes the Message-ID, so that a second attempt can be recognised as the same mail.
    pub id: Uuid,
    /// Canonical address.
    pub recipient: &'a str,
    /// What it says.
    pub content: &'a Rendered,
    /// Now.
    pub at: Timestamp,
}

/// A mail server, with the connections to it that are ready to be used again.
///
/// lettre's own pool is not used: its connections have no time-outs on reading, and one whose caller gave up goes back into it in the
/// middle of its dialogue. Here whoever gives up drops the connection.
pub struct Mailer {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Mailbox,
    timeout: Duration,
    parked: Mutex<Vec<Parked>>,
}

struct Parked {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Mailer {
    /// `smtp://` wants STARTTLS (port 587) and `smtps://` TLS (port 465), both with a certificate that this machine trusts. To loopback alone
    /// `smtp://` is plain where STARTTLS is not offered, and certificates are not checked. `timeout` is for one mail from connecting to the end.
    pub fn new(url: &SecretString, from: &str, timeout: Duration) -> Result<Self, MailSettingError> {
        let url = Url::parse(url.expose_secret()).map_err(|_| MailSettingError::Url)?;
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(MailSettingError::Url);
        }
        let loopback = is_loopback(&host);
        let tls = TlsParameters::builder(host.clone())
            .dangerous_accept_invalid_certs(loopback)
            .dangerous_accept_invalid_hostnames(loopback)
            .build()
            .map_err(|error| MailSettingError::Tls(error.to_string()))?;
        let (protection, port) = match url.scheme() {
            "smtps" => (Protection::Wrapped(tls), 465),
            "smtp" if loopback => (Protection::Offered(tls), 587),
            "smtp" => (Protection::Required(tls), 587),
            _ => return Err(MailSettingError::Url),
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            protection,
            credentials: credentials(&url)?,
            hello: ClientId::default(),
            from: from.parse().map_err(|_| MailSettingError::From)?,
            timeout,
            parked: Mutex::default(),
        })
    }

    /// Hands one mail to the server when it is its turn; returns when the server has taken it, or by the time-outs: one until the server would take
    /// it, one for the turn, one for the mail itself. So a server that is long about one recipient holds up nobody else, and whoever waited does
    /// not break off in the middle. The turn lasts until the caller has written down what came of it.
    pub async fn send(&self, mail: &Mail<'_>, turns: &Turns) -> Result<OwnedSemaphorePermit, SendFailure> {
        let message = self.compose(mail)?;
        let mut connection = self.within_timeout(self.prepare(message.envelope())).await?;
        let turn = turns.next().await?;
        self.within_timeout(hand_over(&mut connection, &message)).await?;
        self.parked().push(Parked { connection, since: Instant::now() });
        Ok(turn)
    }

    async fn within_timeout<T>(&self, step: impl Future<Output = Result<T, SendFailure>> + Send) -> Result<T, SendFailure> {
        let ended = tokio::time::timeout(self.timeout, step).await;
        ended.unwrap_or_else(|_| Err(SendFailure::Later(format!("no answer within {} s", self.timeout.as_secs()))))
    }

    /// A connection on which the server would take a mail from here to there.
    async fn prepare(&self, envelope: &Envelope) -> Result<AsyncSmtpConnection, SendFailure> {
        let mut connection = match self.take_parked().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut parameters = Vec::new();
        if envelope.to().iter().chain(envelope.from()).any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SendFailure::Later("the server takes no addresses beyond ASCII".to_owned()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        connection.command(MailFrom::new(envelope.from().cloned(), parameters)).await.map_err(|error| failure(&error))?;
        for recipient in envelope.to() {
            connection.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(|error| failure(&error))?;
        }
        Ok(connection)
    }

    async fn take_parked(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let Parked { mut connection, since } = self.parked().pop()?;
            if since.elapsed() < PARKED_FOR && tokio::time::timeout(PROOF_OF_LIFE, connection.test_connected()).await == Ok(true) {
                return Some(connection);
            }
        }
    }

    fn parked(&self) -> std::sync::MutexGuard<'_, Vec<Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendFailure> {
        let later = |error: &std::io::Error| SendFailure::Later(one_line(error));
        let address = (self.host.as_str(), self.port);
        let mut connection = match &self.protection {
            Protection::Wrapped(tls) => {
                AsyncSmtpConnection::connect_tokio1(address, Some(self.timeout), &self.hello, Some(tls.clone()), None).await
            }
            Protection::Required(_) | Protection::Offered(_) => {
                let stream = TcpStream::connect(address).await.map_err(|error| later(&error))?;
                // A mail goes in two writes: the second one must not wait until the server has acknowledged the first.
                stream.set_nodelay(true).map_err(|error| later(&error))?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await
            }
        }
        .map_err(|error| not_yet(&error))?;
        match &self.protection {
            Protection::Required(tls) => connection.starttls(tls.clone(), &self.hello).await,
            Protection::Offered(tls) if connection.can_starttls() => connection.starttls(tls.clone(), &self.hello).await,
            Protection::Wrapped(_) | Protection::Offered(_) => Ok(()),
        }
        .map_err(|error| not_yet(&error))?;
        if let Some(credentials) = &self.credentials {
            connection.auth(MECHANISMS, credentials).await.map_err(|error| not_yet(&error))?;
        }
        Ok(connection)
    }

    fn compose(&self, mail: &Mail<'_>) -> Result<Message, SendFailure> {
        let refused = |cause: &dyn fmt::Display| SendFailure::Refused(one_line(cause));
        let recipient: Address = mail.recipient.parse().map_err(|error| refused(&error))?;
        let since_epoch = Duration::from_millis(u64::try_from(mail.at.millis()).unwrap_or(0));
        let message = Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .date(UNIX_EPOCH + since_epoch)
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(mail.content.subject.as_deref().unwrap_or_default())
            .header(AutoSubmitted);
        let text = mail.content.text.clone();
        match &mail.content.html {
            Some(html) => message.multipart(MultiPart::alternative_plain_html(text, html.clone())),
            None => message.body(text),
        }
        .map_err(|error| refused(&error))
    }
}

async fn hand_over(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), SendFailure> {
    connection.command(Data).await.map_err(|error| failure(&error))?;
    // Quoted-printable and encoded words: no byte of it is beyond ASCII.
    connection.message(&message.formatted()).await.map_err(|error| failure(&error))?;
    Ok(())
}

/// 53z are about who we are to the server, which the operator can put right; the other 5yz are about this mail.
fn failure(error: &SmtpError) -> SendFailure {
    if error.status().is_some_and(|code| error.is_permanent() && code.category != Category::Unspecified3) {
        SendFailure::Refused(told(error))
    } else {
        not_yet(error)
    }
}

fn not_yet(error: &SmtpError) -> SendFailure {
    SendFailure::Later(told(error))
}

/// Of what the server said its codes alone (RFC 5321, RFC 3463): filters quote what they refuse, and a link or a code in it would stand in the log.
fn told(error: &SmtpError) -> String {
    let Some(code) = error.status() else {
        return if error.is_response() { "the server's answer is none of SMTP".to_owned() } else { one_line(error) };
    };
    let said = error.to_string();
    let enhanced = said.split(|c: char| !c.is_ascii_digit() && c != '.').find(|word| is_enhanced_code(word));
    enhanced.map_or_else(|| format!("the server answered {code}"), |enhanced| format!("the server answered {code} {enhanced}"))
}

/// `5.7.1`: class, subject and detail.
fn is_enhanced_code(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let [class, subject, detail] = parts[..] else { return false };
    matches!(class, "2" | "4" | "5") && [subject, detail].iter().all(|part| (1..=3).contains(&part.len()))
}

/// `Auto-Submitted: auto-generated` (RFC 3834): no holiday answers, please.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, MailSettingError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user = percent_decoded(url.username()).ok_or(MailSettingError::Url)?;
    let password = percent_decoded(url.password().unwrap_or_default()).ok_or(MailSettingError::Url)?;
    Ok(Some(Credentials::new(user, password)))
}

/// `None` if what comes out is no text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low]).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = &tail[if escaped.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8(bytes).ok()
}

/// A name or address that can only be this machine.
fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().map_or_else(
        |_| host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
        |address| address.is_loopback(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(url: &str, from: &str) -> Result<Mailer, MailSettingError> {
        Mailer::new(&SecretString::from(url), from, Duration::from_secs(5))
    }

    #[test]
    fn only_loopback_may_go_without_tls() {
        for (url, required) in [
            ("smtp://mail.example.com", true),
            ("smtp://192.0.2.1:25", true),
            ("smtp://localhost.example.com", true),
            ("smtp://localhost:2525", false),
            ("smtp://127.0.0.9", false),
            ("smtp://[::1]:2525", false),
        ] {
            let protection = mailer(url, "a@example.com").expect(url).protection;
            assert_eq!(matches!(protection, Protection::Required(_)), required, "{url}");
        }
        let wrapped = mailer("smtps://localhost", "a@example.com").expect("a mailer");
        assert!(matches!(wrapped.protection, Protection::Wrapped(_)));
        assert_eq!(wrapped.port, 465);
    }

    #[test]
    fn wrong_settings_are_told_without_the_password() {
        for url in
            ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://u:hunter2@h/path", "smtp://h?tls=none", "smtp://h:99999"]
        {
            let error = mailer(url, "a@example.com").expect_err(url);
            assert_eq!(error, MailSettingError::Url, "{url}");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert_eq!(mailer("smtp://localhost", "nobody").expect_err("no address"), MailSettingError::From);
        let mailer = mailer("smtp://u:hunter2@localhost", "Postern <a@example.com>").expect("a mailer");
        assert!(!format!("{mailer:?}").contains("hunter2"));
    }

    #[test]
    fn passwords_may_have_any_character() {
        assert_eq!(percent_decoded("p%40ss%3Aw%C3%B6rd%").as_deref(), Some("p@ss:wörd%"));
        assert_eq!(percent_decoded("%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(percent_decoded("%ff"), None);
    }

    #[test]
    fn a_mail_is_stable_and_takes_no_headers_from_its_content() {
        let mailer = mailer("smtp://localhost", "Postern <no-reply@example.com>").expect("a mailer");
        let content = Rendered {
            subject: Some("Hello\r\nBcc: b@x.test".to_owned()),
            text: "Grüße".to_owned(),
            html: Some("<p>Grüße</p>".to_owned()),
            code: None,
            link: None,
        };
        let mut mail = Mail { id: Uuid::from_u128(9), recipient: "a@example.com", content: &content, at: Timestamp::from_millis(0) };
        let composed = mailer.compose(&mail).expect("a message");
        let formatted = String::from_utf8(composed.formatted()).expect("ASCII");
        assert!(formatted.contains("Message-ID: <00000000-0000-0000-0000-000000000009@example.com>\r\n"), "{formatted}");
        assert!(formatted.contains("Auto-Submitted: auto-generated\r\n"));
        assert!(!formatted.contains("\r\nBcc"));
        assert_eq!(composed.envelope().to().len(), 1);
        for recipient in ["a@example.com, b@example.com", "a@example.com\r\nRCPT TO:<b@x.test>", "", "a"] {
            mail.recipient = recipient;
            assert!(matches!(mailer.compose(&mail), Err(SendFailure::Refused(_))), "{recipient}");
        }
    }
}
