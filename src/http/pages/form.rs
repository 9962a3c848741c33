//! What a form sends, and how it is known to be one of ours: same origin, and a token bound to a cookie.

use std::{collections::HashMap, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroize;

use crate::{
    app::App,
    crypto::{
        keyed_hash::{constant_time_eq, keyed},
        opaque_token::OpaqueToken,
    },
    http::graphql::{BodyRefusal, read_body},
};

/// Far more than any form of ours sends.
const LONGEST_BODY: usize = 16 * 1024;
const PURPOSE: &str = "page form";
/// The field of the token that shows that a form is ours.
pub(super) const FORM_TOKEN: &str = "form";
/// The field of the link's token.
pub(super) const LINK_TOKEN: &str = "token";
/// The field of the language in which the form was shown.
pub(super) const LANGUAGE: &str = "language";

/// The fields of a form; wiped when dropped, since one of them may be a password.
pub(super) struct Form(HashMap<String, String>);

impl Drop for Form {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            value.zeroize();
        }
    }
}

impl Form {
    /// What was typed into a field; none where it was left empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Reads a body.
    pub(super) async fn read(headers: &HeaderMap, body: Body, timeout: Duration) -> Result<Self, BodyRefusal> {
        let bytes = read_body((headers, body), is_form, LONGEST_BODY, timeout).await?;
        Ok(Self(url::form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// Whether its token is the one that this page gave to this browser.
    pub(super) fn is_of(&self, app: &App, cookie: Option<&str>, path: &str) -> bool {
        let (Some(sent), Some(cookie)) = (self.0.get(FORM_TOKEN), cookie) else { return false };
        OpaqueToken::parse(cookie).is_some() && constant_time_eq(sent.as_bytes(), token_of(app, cookie, path).as_bytes())
    }
}

/// The token of a page's form in the browser with this cookie.
pub(super) fn token_of(app: &App, cookie: &str, path: &str) -> String {
    URL_SAFE_NO_PAD.encode(keyed(&app.key_ring, PURPOSE, &[cookie.as_bytes(), path.as_bytes()]))
}

/// Whether the browser says that the form was on a page of `origin`. Of a page with `Referrer-Policy: no-referrer` browsers send `Origin: null`
/// with its forms; then `Sec-Fetch-Site`, which no page can set, tells whose it is.
pub(super) fn is_same_origin(headers: &HeaderMap, origin: &str) -> bool {
    let fetched_here = only(headers, "sec-fetch-site") == Some("same-origin");
    match only(headers, "origin") {
        Some("null") => fetched_here,
        Some(sent) => sent == origin,
        None => !headers.contains_key(header::ORIGIN) && fetched_here,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let media = only(headers, "content-type").and_then(|value| value.split(';').next()).unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The value of a header that came once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    // H10
    #[test]
    fn only_the_own_origin_sends_forms() {
        let judged = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
            is_same_origin(&headers, "https://auth.example.com")
        };
        assert!(judged(&[("origin", "https://auth.example.com")]));
        assert!(judged(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(judged(&[("sec-fetch-site", "same-origin")]));
        for foreign in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null"), ("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://auth.example.com.evil.example")],
            &[("origin", "http://auth.example.com")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!judged(foreign), "{foreign:?}");
        }
    }
}
