//! `/dev/messages`: every message in every language and channel with values made up, in development.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use entity::Channel;
use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::dev_inbox::{MAIL_POLICY, PAGE_POLICY, html_page, only_from_here};
use crate::outbound::{
    message::Template,
    render::{Draft, RenderError, Rendered, Renderer},
    samples::{one_of_each, secret_of},
};

const PAGE: &str = include_str!("../../templates/dev_inbox/messages.html");

/// What is shown.
#[derive(Clone, Debug)]
pub struct Previews {
    /// As the courier has it.
    pub renderer: Arc<Renderer>,
    /// BCP 47.
    pub locales: &'static [&'static str],
}

/// The previews' routes: to be mounted in development alone, and as closed as the inbox.
pub fn routes(previews: Previews) -> Router {
    Router::new()
        .route("/dev/messages", get(page))
        .route("/dev/messages/{locale}/{name}", get(mail))
        .route_layer(middleware::from_fn(only_from_here))
        .with_state(previews)
}

impl Previews {
    fn render(&self, channel: Channel, template: &Template, locale: &str) -> Result<Rendered, RenderError> {
        self.renderer.render(&Draft { channel, template, secret: &secret_of(template), locale })
    }

    fn all(&self) -> Result<Vec<Value>, RenderError> {
        let mut messages = Vec::new();
        for template in one_of_each() {
            for &locale in self.locales {
                let mail = self.render(Channel::Email, &template, locale)?;
                let sms = self.render(Channel::Sms, &template, locale)?;
                messages.push(context! {
                    name => template.name(),
                    language => locale,
                    subject => mail.subject,
                    text => mail.text,
                    sms => sms.text,
                });
            }
        }
        Ok(messages)
    }
}

async fn page(State(previews): State<Previews>) -> Response {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let page = previews.all().and_then(|messages| Ok(environment.render_named_str("messages.html", PAGE, context! { messages })?));
    match page {
        Ok(html) => html_page(html, PAGE_POLICY),
        Err(error) => broken(&error),
    }
}

async fn mail(State(previews): State<Previews>, Path((locale, name)): Path<(String, String)>) -> Response {
    let found = one_of_each().into_iter().find(|template| template.name() == name);
    let (Some(template), true) = (found, previews.locales.contains(&locale.as_str())) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match previews.render(Channel::Email, &template, &locale) {
        Ok(mail) => html_page(mail.html.unwrap_or_default(), MAIL_POLICY),
        Err(error) => broken(&error),
    }
}

fn broken(error: &RenderError) -> Response {
    tracing::error!(%error, "a preview cannot be shown");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
