//! The frame of every page: one template, and the headers that keep it to itself.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value as Shown, context};
use sha2::{Digest, Sha256};

use super::{
    form::{FORM_TOKEN, LANGUAGE, token_of},
    note::Note,
    texts::Texts,
    view::{Ask, Ending, Field, View},
};
use crate::app::App;

const PAGE: &str = include_str!("../../../templates/pages/page.html");
const STYLE: &str = include_str!("../../../templates/pages/page.css");
const TEMPLATE: &str = "page.html";

/// Why the pages cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The template.
    #[error("{0}")]
    Template(#[from] minijinja::Error),
    /// The texts.
    #[error("{0}")]
    Texts(#[from] serde_json::Error),
    /// A header.
    #[error("{0}")]
    Header(#[from] header::InvalidHeaderValue),
}

/// What is put on a page.
pub(super) struct Sheet<'a> {
    /// None: the link is dead, or nothing was looked at.
    pub view: Option<&'a View>,
    /// What went wrong.
    pub notes: &'a [Note],
    /// What the forms of this browser are bound to.
    pub form_cookie: &'a str,
}

/// Makes pages.
pub(super) struct Frame {
    environment: Environment<'static>,
    texts: Vec<Texts>,
    policy: HeaderValue,
    default_language: String,
    home: Option<String>,
}

impl Frame {
    pub(super) fn new(app: &App) -> Result<Self, PageError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_template(TEMPLATE, PAGE)?;
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
        Ok(Self {
            environment,
            texts: Texts::all(&app.config.messages.product_name, app.config.passwords.min_length)?,
            policy: HeaderValue::try_from(policy)?,
            default_language: app.config.messages.locale.clone(),
            home: app.config.pages.home.as_ref().map(|url| url.as_str().to_owned()),
        })
    }

    /// The language of messages, too: that of the request, else the owner's, else the deployment's.
    pub(super) fn language(&self, of_request: Option<&str>, of_owner: Option<&str>) -> &'static str {
        let known = |wanted: &str| {
            let primary = wanted.split(['-', '_']).next().unwrap_or_default();
            self.texts.iter().find(|texts| texts.language.eq_ignore_ascii_case(primary)).map(|texts| texts.language)
        };
        of_request.and_then(known).or_else(|| of_owner.and_then(known)).or_else(|| known(&self.default_language)).unwrap_or("en")
    }

    /// The page, or none where its template is broken.
    pub(super) fn render(&self, app: &App, language: &str, sheet: &Sheet<'_>) -> Option<String> {
        let texts = self.texts.iter().find(|texts| texts.language == language)?;
        let common = context! {
            language,
            style => Shown::from_safe_string(STYLE.to_owned()),
            product => texts.text(&["common", "product"]),
            error_word => texts.text(&["common", "error"]),
            failed => !sheet.notes.is_empty(),
            home => self.home.as_deref(),
            home_label => texts.text(&["common", "home"]),
        };
        let page = sheet.view.map_or_else(|| dead(texts, sheet.notes), |view| shown(app, texts, view, sheet));
        match self.environment.get_template(TEMPLATE).and_then(|template| template.render(context! { ..common, ..page })) {
            Ok(html) => Some(html),
            Err(error) => {
                tracing::error!(%error, "a hosted page is broken");
                None
            }
        }
    }

    pub(super) fn respond(&self, status: StatusCode, language: &'static str, html: Option<String>) -> Response {
        let Some(html) = html else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
        headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
        (status, headers, html).into_response()
    }
}

/// Nothing can be done here.
fn dead(texts: &Texts, notes: &[Note]) -> Shown {
    let is_of_link = notes.iter().any(|note| note.is_of_dead_link());
    context! {
        title => texts.text(&["dead", "title"]),
        notices => notes.iter().map(|note| note.text(texts)).collect::<Vec<_>>(),
        paragraphs => if is_of_link { texts.paragraphs(&["dead", "body"]) } else { Vec::new() },
        facts => Vec::<Shown>::new(),
        form => Shown::from(()),
        done => false,
    }
}

fn shown(app: &App, texts: &Texts, view: &View, sheet: &Sheet<'_>) -> Shown {
    let of_state = |key: &str| texts.text(&[view.page, view.state, key]);
    let mut paragraphs = texts.paragraphs(&[view.page, view.state, "body"]);
    paragraphs.extend(view.explanations.iter().map(|key| texts.text(&[view.page, "explanations", key])));
    let facts: Vec<Shown> =
        view.facts.iter().map(|(label, value)| context! { label => texts.text(&["facts", label]), value => value.as_str() }).collect();
    let has = |name: &str| view.form.iter().flat_map(|form| &form.fields).any(|field| field.name == name);
    let notices: Vec<String> = sheet.notes.iter().filter(|note| !note.field.is_some_and(has)).map(|note| note.text(texts)).collect();
    context! {
        title => of_state("title"),
        notices,
        paragraphs,
        facts,
        form => view.form.as_ref().map(|form| form_shown(app, texts, form, sheet)),
        button => of_state("button"),
        done => view.ending == Ending::Done,
    }
}

fn form_shown(app: &App, texts: &Texts, form: &Ask, sheet: &Sheet<'_>) -> Shown {
    let form_token = token_of(app, sheet.form_cookie, form.path);
    let ours = [(FORM_TOKEN, form_token.as_str()), (LANGUAGE, texts.language)];
    let hidden = form.hidden.iter().map(|(name, value)| (*name, value.as_str())).chain(ours);
    let first_wrong = form.fields.iter().find(|field| note_at(field, sheet).is_some()).map(|field| field.name);
    let fields: Vec<Shown> = form
        .fields
        .iter()
        .map(|field| {
            context! {
                name => field.name,
                kind => field.kind,
                autocomplete => field.autocomplete,
                required => field.required,
                focused => first_wrong == Some(field.name),
                label => texts.text(&["fields", field.name]),
                hint => texts.text(&["hints", field.name]),
                error => note_at(field, sheet).map(|note| note.text(texts)),
            }
        })
        .collect();
    context! {
        // Relative, so that a path before it, of a proxy, stays; and without the query, so that the token goes in the body.
        action => form.path.trim_start_matches('/'),
        hidden => hidden.map(|(name, value)| context! { name, value }).collect::<Vec<_>>(),
        account => form.account.as_deref(),
        fields,
    }
}

fn note_at<'a>(field: &Field, sheet: &'a Sheet<'_>) -> Option<&'a Note> {
    sheet.notes.iter().find(|note| note.field == Some(field.name))
}
