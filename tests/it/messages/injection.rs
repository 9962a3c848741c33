//! What people type and browsers say reaches mails only as harmless text, and links lead where the settings say.

use std::time::Duration;

use serde_json::json;

use super::fake_smtp::{FakeSmtp, Mood};
use crate::support::{Gateway, PASSWORD, until_some};

const NAMES: [&str; 6] = [
    "<a href=//evil.test>win</a>",
    "{{ code }}{% include 'mail.html' %}{{ 77777 * 77777 }}",
    "http://evil.test/login www.evil.test",
    "x\u{202e}tset.live//:ptth",
    "\"><script>alert(1)</script>",
    "mailto:b@evil.test",
];

async fn mail_to(server: &FakeSmtp, to: &str, nth: usize) -> String {
    until_some(&format!("mail {nth} to {to}"), Duration::from_secs(10), async || {
        server.mails.lock().unwrap().iter().filter(|mail| mail.contains(&format!("To: {to}\n"))).nth(nth).cloned()
    })
    .await
}

/// Its headers, with those that were folded made whole.
fn headers(mail: &str) -> Vec<String> {
    let head = mail.split("\n\n").next().unwrap().replace("\n ", " ").replace("\n\t", " ");
    head.lines().map(|line| line.split(':').next().unwrap().to_ascii_lowercase()).collect()
}

fn plain(mail: &str) -> String {
    mail.replace("=\n", "").replace("=3D", "=")
}

async fn gateway_with(server: &FakeSmtp, product: &str) -> Gateway {
    let (url, product) = (format!("smtp://127.0.0.1:{}", server.port), product.to_owned());
    Gateway::start_with(|config| {
        config.mail.url = Some(url.into());
        config.mail.from = Some("Postern <no-reply@postern.test>".to_owned());
        config.messages.product_name = product;
    })
    .await
}

// A17: through every field that a stranger or an owner fills, and through what a browser says it is.
#[tokio::test]
async fn names_and_browsers_inject_nothing() {
    let server = FakeSmtp::start(Mood::Well).await;
    let gateway = gateway_with(&server, "Postern").await;
    for (number, name) in NAMES.iter().enumerate() {
        let email = format!("n{number}@example.com");
        let visitor = gateway.app_user();
        let profile = json!({"displayName": name, "firstName": name, "lastName": name, "fullName": name});
        let input = json!({"contact": {"email": email}, "password": PASSWORD, "profile": profile});
        let challenge = visitor.try_sign_up(input).await.expect_done().into();
        let first = plain(&mail_to(&server, &email, 0).await);
        let code = first.split("Your code: ").nth(1).unwrap()[..6].to_owned();
        let member = visitor.confirm(&challenge, &code).await;
        mail_to(&server, &email, 1).await;
        // A new device tells its name.
        let agent: String = name.chars().filter(char::is_ascii).collect();
        gateway.app_user().with_user_agent(&agent).sign_in(&email, PASSWORD).await;
        mail_to(&server, &email, 2).await;
        member.try_change_password(PASSWORD, "quite-Another 52 teapot").await.expect_done();
        for nth in 0..4 {
            let mail = mail_to(&server, &email, nth).await;
            let text = plain(&mail);
            assert!(!text.contains("base64"), "or this test would look at nothing: {text}");
            let body = text.split_once("\n\n").unwrap().1;
            for evil in ["evil.test", "<script", "alert(1)", "{{", "{%", "6049261729", "\u{202e}"] {
                assert!(!body.contains(evil), "{evil} in {text}");
            }
            assert!(!headers(&mail).iter().any(|header| header == "bcc" || header == "cc"), "{mail}");
        }
    }
}

// A17: an address or a header of a request cannot become a header of a mail.
#[tokio::test]
async fn addresses_and_the_products_name_make_no_headers() {
    let server = FakeSmtp::start(Mood::Well).await;
    let gateway = gateway_with(&server, "Acme {{ code }} <b>\r\nBcc: b@evil.test\r\n\r\n<script>").await;
    for address in [
        "a@example.com\r\nBcc: b@evil.test",
        "a@example.com, b@evil.test",
        "a@example.com\n",
        "<a@example.com>",
        "a@example.com%0aBcc:b@evil.test",
    ] {
        let answer = gateway.visitor().try_sign_up(json!({"contact": {"email": address}, "password": PASSWORD})).await;
        let accepted = answer.data()["signUp"]["challenge"].is_object();
        assert!(!accepted || address.trim() == "a@example.com", "{address:?}: {}", answer.body);
    }
    gateway.visitor().sign_up("ada@example.com", PASSWORD).await;
    let mail = mail_to(&server, "ada@example.com", 0).await;
    let headers = headers(&mail);
    assert_eq!(headers.iter().filter(|header| *header == "to").count(), 1);
    assert!(!headers.iter().any(|header| header == "bcc"), "{mail}");
    let text = plain(&mail);
    assert!(text.contains("Acme {{ code }} <b> Bcc: b@evil.test <script>"), "the operator's own word, as plain text: {text}");
    assert!(!text.split("text/html").nth(1).unwrap().contains("<script>"), "{text}");
}

// A16: whatever a request says of where it came to.
#[tokio::test]
async fn links_lead_where_the_settings_say() {
    let gateway = Gateway::start().await;
    let base = gateway.config.http.public_base().to_owned();
    for (number, (name, value)) in [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "666"),
        ("forwarded", "host=evil.test;proto=https"),
        ("x-original-url", "https://evil.test/"),
        ("referer", "https://evil.test/"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("n{number}@example.com");
        let query = "mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id } problems { code } } }";
        let body = json!({"query": query, "variables": {"input": {"contact": {"email": email}, "password": PASSWORD}}});
        let request = gateway.app_user().request(reqwest::Method::POST, "/graphql").header(name, value).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 200, "{name}");
        let message = gateway.next_message(&email).await;
        assert!(message.link.unwrap().starts_with(&format!("{base}/verify-email?token=")), "{name}");
        assert!(!format!("{} {:?}", message.text, message.html).contains("evil.test"), "{name}");
    }
}
