//! Texts of a deployment's own in place of the built-in ones: what they replace, what they leave, and what is refused at start.

use std::{fs, path::PathBuf, time::Duration};

use entity::Channel;
use postern::outbound::{
    own_texts::TextProblems,
    render::{Draft, Rendered, Renderer},
    samples::{CODE, one_of_each, secret_of},
};
use url::Url;

use crate::support::Gateway;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("postern-texts-{}-{name}", std::process::id())));
        fs::remove_dir_all(&folder.0).ok();
        fs::create_dir_all(&folder.0).unwrap();
        for (path, content) in files {
            let path = folder.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn renderer(&self) -> Result<Renderer, TextProblems> {
        built_in().with_folder(&self.0)
    }

    /// What is wrong, line by line.
    fn problems(&self) -> Vec<String> {
        self.renderer().expect_err("problems").to_string().lines().map(str::to_owned).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn built_in() -> Renderer {
    Renderer::new("Acme", &Url::parse("https://id.example.com").unwrap(), Duration::from_mins(10)).unwrap()
}

fn render(renderer: &Renderer, name: &str, channel: Channel, locale: &str) -> Rendered {
    let template = one_of_each().into_iter().find(|template| template.name() == name).unwrap();
    renderer.render(&Draft { channel, template: &template, secret: &secret_of(&template), locale }).unwrap()
}

#[test]
fn what_is_there_replaces_and_what_is_not_there_stays() {
    let folder = Folder::with(
        "replaces",
        &[
            (
                "en/sign_up_code.txt",
                "{% block subject %}Welcome aboard {{ product }}{% endblock %}\n{% block sms %}Acme: {{ code }}{% endblock %}",
            ),
            ("th/common.txt", "{% block footer %}{{ super() }} ติดต่อเรา{% endblock %}"),
            ("mail.html", "<html lang={{ language }}><h1>{{ title }}</h1><b>{{ code }}</b><a href=\"{{ link }}\">{{ button }}</a></html>"),
            (".DS_Store", "not looked at"),
            ("..data/en/nothing.txt", "a ConfigMap has such folders"),
        ],
    );
    let (own, plain) = (folder.renderer().unwrap(), built_in());
    let mail = render(&own, "sign_up_code", Channel::Email, "en");
    let before = render(&plain, "sign_up_code", Channel::Email, "en");
    assert_eq!(mail.subject.as_deref(), Some("Welcome aboard Acme"));
    assert_eq!(mail.text, before.text, "its other texts are the built-in ones");
    let html = mail.html.unwrap();
    assert!(html.starts_with("<html lang=en><h1>Confirm your sign-up</h1><b>314159</b><a href=\"https:"), "{html}");
    assert_eq!(render(&own, "sign_up_code", Channel::Sms, "en").text, format!("Acme: {CODE}"));
    assert_eq!(render(&own, "sign_up_code", Channel::Sms, "th"), render(&plain, "sign_up_code", Channel::Sms, "th"));
    let thai = render(&own, "new_device", Channel::Email, "th").text;
    assert!(thai.trim_end().ends_with("ไม่ว่ากรณีใด ติดต่อเรา"), "{thai}");
    for template in one_of_each() {
        if template.name() != "sign_up_code" {
            let (own, plain) = [&own, &plain].map(|renderer| render(renderer, template.name(), Channel::Email, "en")).into();
            assert_eq!((own.subject, own.text), (plain.subject, plain.text), "{}", template.name());
        }
    }
}

// A17: what a deployment writes itself is escaped as the built-in texts are.
#[test]
fn values_are_escaped_in_own_pages_too() {
    let page = "<p>{{ title }}{{ code }}{{ link }}</p>";
    let folder =
        Folder::with("escapes", &[("mail.html", page), ("en/new_device.txt", "{% block title %}<i>{{ device }}</i>{% endblock %}")]);
    let html = render(&folder.renderer().unwrap(), "new_device", Channel::Email, "en").html.unwrap();
    assert!(html.starts_with("<p>&lt;i&gt;Firefox on Windows&lt;"), "{html}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let folder = Folder::with(
        "wrong",
        &[
            ("en/sign_up_kode.txt", "{% block subject %}x{% endblock %}"),
            ("de/sign_up_code.txt", "{% block subject %}x{% endblock %}"),
            ("en/deeper/still.txt", "x"),
            ("logo.png", "x"),
            ("en/new_device.txt", "\n{% block subject %}x{% endblok %}"),
            ("en/account_locked.txt", "Hello"),
            ("en/password_changed.txt", "{% block sbject %}x{% endblock %}"),
            // In a branch that no sample takes.
            ("en/account_created.txt", "{% block after %}{% if minutes == 7 %}{{ first_name }}{% endif %}{% endblock %}"),
            ("en/email_changed.txt", "{% block body %}{{ code }}{% endblock %}"),
            ("th/sign_in_code.txt", "{% block sms %}no code in here{% endblock %}"),
            ("th/password_reset.txt", "{% block subject %} {% endblock %}"),
            ("th/phone_removed.txt", "{% block body %}{{ device|shout }}{% endblock %}"),
            ("mail.txt", "{{ title }}{{ links }}"),
            ("mail.html", "<p>{{ code }}</p>"),
        ],
    );
    let problems = folder.problems();
    for (file, part) in [
        ("en/sign_up_kode.txt:", "no such text"),
        ("de/sign_up_code.txt:", "no such text"),
        ("en/deeper:", "no such text"),
        ("logo.png:", "no such text"),
        ("en/new_device.txt: line 2:", "syntax error"),
        ("en/account_locked.txt:", "no {% block"),
        ("en/password_changed.txt:", "\"sbject\""),
        ("en/account_created.txt:", "{{ first_name }}"),
        ("en/email_changed.txt:", "{{ code }}"),
        ("th/sign_in_code.txt:", "sms does not show {{ code }}"),
        ("th/password_reset.txt:", "subject is empty"),
        ("th/phone_removed.txt:", "shout"),
        ("mail.txt:", "{{ links }}"),
        ("mail.html:", "does not show {{ link }}"),
    ] {
        assert!(problems.iter().any(|line| line.starts_with(file) && line.contains(part)), "{file} {part} in {problems:#?}");
    }
    let missing = built_in().with_folder(&folder.0.join("nowhere")).expect_err("no such folder").to_string();
    assert!(missing.starts_with("the folder ") && missing.contains("nowhere"), "{missing}");
}

#[tokio::test]
async fn a_gateway_sends_what_its_folder_says() {
    let folder = Folder::with("gateway", &[("en/sign_up_code.txt", "{% block subject %}Ahoy from {{ product }}{% endblock %}")]);
    let gateway = Gateway::start_with(|config| config.messages.folder = Some(folder.0.clone())).await;
    gateway.visitor().sign_up("ada@example.com", crate::support::PASSWORD).await;
    assert_eq!(gateway.next_message("ada@example.com").await.subject.as_deref(), Some("Ahoy from Postern"));
}
