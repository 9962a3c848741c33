//! A browser without script: it follows links, keeps cookies, and sends forms as they are filled in. On the way it looks whether each answer is
//! fit to be shown and keeps its token to itself.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, ORIGIN},
};
use sha2::{Digest, Sha256};

use crate::support::Visitor;

/// Somebody's browser.
pub struct Browser {
    visitor: Visitor,
    language: &'static str,
}

/// What it shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
    path: String,
}

/// The form of a page.
#[derive(Clone, Debug)]
pub struct Form {
    /// Path that it is sent to.
    pub action: String,
    /// Every field with what stands in it, in their order.
    pub fields: Vec<(String, String)>,
}

/// A request with the fields of a form as its body.
pub fn filled(request: RequestBuilder, fields: &[(String, String)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
}

/// Path and query of a link.
pub fn local(link: &str) -> String {
    let url = url::Url::parse(link).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

impl Browser {
    pub fn of(visitor: &Visitor) -> Self {
        Self { visitor: visitor.clone(), language: "en-GB,en;q=0.9" }
    }

    pub fn speaking(visitor: &Visitor, language: &'static str) -> Self {
        Self { visitor: visitor.clone(), language }
    }

    /// A request of it as it would be sent from its address bar.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let door = self.visitor.door();
        let mut request = door
            .client
            .request(method, format!("http://{}{path}", door.address))
            .header("x-forwarded-for", self.visitor.address().to_string())
            .header(ACCEPT_LANGUAGE, self.language);
        if let Some(cookies) = self.visitor.cookies().header() {
            request = request.header(COOKIE, cookies);
        }
        request
    }

    /// Sends a request, and keeps the cookies of its answer.
    pub async fn send(&self, request: RequestBuilder) -> Page {
        let response = request.send().await.unwrap();
        let path = response.url().path().to_owned();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let page = Page { status, headers, html: response.text().await.unwrap(), path };
        self.visitor.change_cookies(|jar| jar.keep(&page.headers));
        page.expect_sheltered();
        page
    }

    /// Opens a link.
    pub async fn open(&self, path: &str) -> Page {
        let page = self.send(self.request(Method::GET, path)).await;
        page.expect_usable();
        page
    }

    /// A form on its way. The pages have browsers send `Origin: null` with it, for they want no Referer.
    pub fn form(&self, action: &str, fields: &[(String, String)]) -> RequestBuilder {
        filled(self.request(Method::POST, action).header(ORIGIN, "null").header("sec-fetch-site", "same-origin"), fields)
    }

    /// Fills in the form of a page and presses its button.
    pub async fn press(&self, page: &Page, typed: &[(&str, &str)]) -> Page {
        let form = page.form();
        let mut fields = form.fields;
        for (name, value) in typed {
            let field = fields.iter_mut().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no field {name}"));
            (*value).clone_into(&mut field.1);
        }
        let next = self.send(self.form(&form.action, &fields)).await;
        next.expect_usable();
        next
    }

    /// Opens a link and presses the button of its page.
    pub async fn follow(&self, path: &str) -> Page {
        let page = self.open(path).await;
        assert_eq!(page.status, 200, "{}", page.html);
        self.press(&page, &[]).await
    }
}

impl Page {
    #[track_caller]
    pub fn expect(self, status: u16, text: &str) -> Self {
        assert!(self.status == status && self.text().contains(text), "expected {status} {text:?}: {} {}", self.status, self.html);
        self
    }

    pub fn has_form(&self) -> bool {
        self.html.contains("<form ")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What is read, without markup.
    pub fn text(&self) -> String {
        let body = self.html.split_once("<body>").map_or("", |(_, body)| body);
        let mut text = String::new();
        let mut inside = false;
        for letter in body.chars() {
            match letter {
                '<' => inside = true,
                '>' => inside = false,
                _ if !inside => text.push(letter),
                _ => {}
            }
        }
        unescaped(&text)
    }

    /// The tags of this name, as their attributes.
    pub fn tags(&self, name: &str) -> Vec<HashMap<String, String>> {
        let open = format!("<{name}");
        let all = self.html.split(&open).skip(1).filter(|rest| rest.starts_with([' ', '>', '\n']));
        all.map(|rest| attributes(rest.split_once('>').expect("a tag ends").0)).collect()
    }

    #[track_caller]
    pub fn input(&self, name: &str) -> HashMap<String, String> {
        let inputs = self.tags("input").into_iter().find(|input| input.get("name").is_some_and(|known| known == name));
        inputs.unwrap_or_else(|| panic!("no input {name}: {}", self.html))
    }

    #[track_caller]
    pub fn form(&self) -> Form {
        let forms = self.tags("form");
        assert_eq!(forms.len(), 1, "one form: {}", self.html);
        assert_eq!(forms[0]["method"], "post");
        let base = url::Url::parse("http://localhost").unwrap().join(&self.path).unwrap();
        let action = base.join(&forms[0]["action"]).unwrap();
        assert_eq!((action.host_str(), action.query()), (Some("localhost"), None), "the token is in no address");
        let fields = self.tags("input").into_iter().map(|mut input| {
            let value = input.remove("value").unwrap_or_default();
            (input.remove("name").expect("an input has a name"), value)
        });
        Form { action: action.path().to_owned(), fields: fields.collect() }
    }

    /// H24, A15, D13: what every answer carries, whatever it says.
    #[track_caller]
    fn expect_sheltered(&self) {
        assert_eq!(self.header("referrer-policy"), "no-referrer");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("x-frame-options"), "DENY");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        let policy = self.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!self.headers.contains_key("location") && !self.headers.contains_key("access-control-allow-origin"));
        assert_ne!(self.status, 500, "{}", self.html);
    }

    /// For people: with script or without, with eyes or without.
    #[track_caller]
    fn expect_usable(&self) {
        assert_eq!(self.headers.get(CONTENT_TYPE), Some(&HeaderValue::from_static("text/html; charset=utf-8")));
        let style = self.html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).expect("a style").0;
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = self.header("content-security-policy");
        assert!(policy.contains(&format!("style-src 'sha256-{hash}';")) && policy.contains("form-action 'self'"), "{policy}");
        let without_style = self.html.replace(style, "");
        for absent in ["<script", "javascript:", " style=", " onclick", " src=", "url(", "@import"] {
            assert!(!without_style.contains(absent) && !style.contains("@import") && !style.contains("url("), "{absent}: {}", self.html);
        }
        for once in ["<main>", "<h1>", "<header>", "<title>"] {
            assert_eq!(self.html.matches(once).count(), 1, "{once}: {}", self.html);
        }
        assert_eq!(self.tags("html")[0]["lang"], self.header("content-language"));
        assert!(self.tags("meta").iter().any(|meta| meta.get("name").is_some_and(|name| name == "viewport")));
        let labels: Vec<String> = self.tags("label").into_iter().map(|mut label| label.remove("for").unwrap()).collect();
        for input in self.tags("input").iter().filter(|input| input["type"] != "hidden" && !input.contains_key("hidden")) {
            assert!(labels.contains(&input["id"]), "every field has its label: {input:?}");
            for id in input.get("aria-describedby").into_iter().flat_map(|ids| ids.split(' ')) {
                assert!(self.html.contains(&format!("id=\"{id}\"")), "{id}");
            }
        }
        assert!(!self.html.contains("{{") && !self.text().contains(['{', '}']), "{}", self.html);
    }
}

fn attributes(tag: &str) -> HashMap<String, String> {
    let mut all = HashMap::new();
    let mut rest = tag.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ', '\n']).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (inside, after) = quoted.split_once('"').expect("a value ends");
            value = unescaped(inside);
            rest = after;
        }
        all.insert(name, value);
        rest = rest.trim_start();
    }
    all
}

fn unescaped(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
