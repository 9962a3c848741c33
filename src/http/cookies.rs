//! Our cookies: their names, what a request brought, and how an answer sets them.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, header};
use url::Url;

pub use crate::graphql::response_cookies::{CookieKind, ResponseCookie, ResponseCookies};

/// How cookies are named and marked at the public URL.
#[derive(Clone, Copy, Debug)]
pub struct CookieStyle {
    secure: bool,
}

impl CookieStyle {
    /// `__Host-` and `Secure` on https; neither on `http://localhost`, where browsers would drop them.
    pub fn for_url(public_url: &Url) -> Self {
        Self { secure: public_url.scheme() == "https" }
    }

    /// The name of a cookie.
    pub const fn name(self, kind: CookieKind) -> &'static str {
        match (kind, self.secure) {
            (CookieKind::Access, true) => "__Host-postern_access",
            (CookieKind::Access, false) => "postern_access",
            (CookieKind::Refresh, true) => "__Host-postern_refresh",
            (CookieKind::Refresh, false) => "postern_refresh",
            (CookieKind::Device, true) => "__Host-postern_device",
            (CookieKind::Device, false) => "postern_device",
            (CookieKind::OAuth, true) => "__Host-postern_oauth",
            (CookieKind::OAuth, false) => "postern_oauth",
            (CookieKind::Form, true) => "__Host-postern_form",
            (CookieKind::Form, false) => "postern_form",
        }
    }

    /// The value of a cookie that a request brought.
    pub fn find(self, headers: &HeaderMap, kind: CookieKind) -> Option<&str> {
        let wanted = self.name(kind);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == wanted && !value.is_empty()).then_some(value))
    }

    /// The `Set-Cookie` of a cookie; none where the value cannot stand in a header.
    pub fn header(self, cookie: &ResponseCookie) -> Option<HeaderValue> {
        let (value, seconds) = cookie.value.as_ref().map_or(("", 0), |(value, max_age)| (value.as_str(), max_age.as_secs()));
        let mut text = String::with_capacity(96 + value.len());
        // Providers may send the browser back by a form of theirs; without `Secure` browsers would not take it so.
        let same_site = if cookie.kind == CookieKind::OAuth && self.secure { "None" } else { "Lax" };
        let _ = write!(text, "{}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite={same_site}", self.name(cookie.kind));
        if self.secure {
            text.push_str("; Secure");
        }
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_and_marks_follow_the_public_url() {
        // D12
        let secure = CookieStyle::for_url(&"https://auth.example.com".parse().unwrap());
        let cookies = ResponseCookies::default();
        cookies.set(CookieKind::Access, "old".to_owned(), Duration::from_mins(1));
        cookies.set(CookieKind::Access, "abc".to_owned(), Duration::from_mins(1));
        cookies.clear(CookieKind::Refresh);
        let headers: Vec<_> = cookies.take().iter().filter_map(|cookie| secure.header(cookie)).collect();
        assert_eq!(headers[0], "__Host-postern_access=abc; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(headers[1], "__Host-postern_refresh=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure");
        // E12: Apple posts.
        cookies.set(CookieKind::OAuth, "trip".to_owned(), Duration::from_mins(10));
        let of_trip = secure.header(&cookies.take()[0]).unwrap();
        assert_eq!(of_trip, "__Host-postern_oauth=trip; Max-Age=600; Path=/; HttpOnly; SameSite=None; Secure");
        let local = CookieStyle::for_url(&"http://localhost:4000".parse().unwrap());
        assert_eq!(local.name(CookieKind::Device), "postern_device");
    }

    #[test]
    fn cookies_are_found_among_others() {
        let style = CookieStyle::for_url(&"http://localhost:4000".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; postern_access=one=two;  xpostern_refresh=no"));
        headers.append(header::COOKIE, HeaderValue::from_static("postern_device=d"));
        assert_eq!(style.find(&headers, CookieKind::Access), Some("one=two"));
        assert_eq!(style.find(&headers, CookieKind::Refresh), None);
        assert_eq!(style.find(&headers, CookieKind::Device), Some("d"));
    }
}
