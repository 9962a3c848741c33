//! Forms that others send in somebody's name, and pages that others want to change.

use reqwest::{
    Method,
    header::{COOKIE, HOST, ORIGIN},
};

use super::{
    ADA, account,
    browser::{Browser, filled, local},
    gateway,
};
use crate::support::Visitor;

fn signed_in(visitor: &Visitor) -> bool {
    visitor.cookies().names().contains(&"postern_access")
}

// CSRF, H10: only our own page sends our form.
#[tokio::test]
async fn a_form_counts_only_from_our_own_origin() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code(ADA).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::of(&visitor);
    let fields = browser.open(&link).await.form().fields;
    let other_loopback = "http://localhost:1";
    let foreign: [&[(&str, &str)]; 9] = [
        &[],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        // Development lets every loopback origin ask the API, but not press this button.
        &[("origin", other_loopback)],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("origin", "null"), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "null"), ("origin", "null"), ("sec-fetch-site", "same-origin")],
    ];
    for headers in foreign {
        let request = filled(browser.request(Method::POST, "/sign-in"), &fields);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        browser.send(request).await.expect(403, "This was sent from another site");
        assert!(!signed_in(&visitor), "{headers:?}");
    }
    // A browser that tells its origin in full is as good as one that hides it.
    let request = filled(browser.request(Method::POST, "/sign-in").header(ORIGIN, &gateway.origin), &fields);
    browser.send(request).await.expect(200, "You are signed in");
    gateway.next_message(ADA).await;
}

// CSRF: the token of the form is bound to a cookie of this browser, and to its page.
#[tokio::test]
async fn a_form_counts_only_with_the_cookie_that_it_was_given_with() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code(ADA).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::of(&visitor);
    let page = browser.open(&link).await;
    let form = page.form();
    let replaced = |name: &str, value: &str| {
        let fields = form.fields.iter().cloned().map(|(known, old)| if known == name { (known, value.to_owned()) } else { (known, old) });
        fields.collect::<Vec<_>>()
    };

    // No cookie: as a link login from elsewhere, or a browser that keeps none. The page comes again, with the button.
    let bare = browser.form("/sign-in", &form.fields);
    let mut request = bare.build().unwrap();
    request.headers_mut().remove(COOKIE);
    let response = gateway.client.execute(request).await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(response.headers().get_all("set-cookie").iter().all(|cookie| !cookie.to_str().unwrap().contains("access")));

    // An attacker's own cookie and token, a token of another page, none.
    let attacker = Browser::of(&gateway.visitor());
    let theirs = attacker.open(&link).await.input("form")["value"].clone();
    let elsewhere = browser.open("/unlock?token=x").await;
    assert!(!elsewhere.has_form());
    for forged in [theirs.as_str(), "", "x", &"A".repeat(43)] {
        let stale = browser.send(browser.form("/sign-in", &replaced("form", forged))).await.expect(403, "Nothing was done yet");
        assert!(stale.has_form() && !signed_in(&visitor), "{forged}");
    }
    let without: Vec<_> = form.fields.iter().filter(|(name, _)| name != "form").cloned().collect();
    let stale = browser.send(browser.form("/sign-in", &without)).await.expect(403, "Nothing was done yet");
    visitor.change_cookies(|jar| jar.set("postern_form", "chosen-by-somebody-else"));
    browser.send(browser.form("/sign-in", &form.fields)).await.expect(403, "Nothing was done yet");
    assert_ne!(visitor.cookies().get("postern_form"), Some("chosen-by-somebody-else"), "one that is none of ours is replaced");
    let fresh = browser.press(&stale, &[]).await.expect(403, "Nothing was done yet");
    // Once more, as the page says: then it counts.
    browser.press(&fresh, &[]).await.expect(200, "You are signed in");
    gateway.next_message(ADA).await;
}

#[tokio::test]
async fn the_token_of_a_form_is_good_for_its_page_alone() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code(ADA).await;
    let sign_in = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    visitor.request_password_reset(ADA).await;
    let reset = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::of(&visitor);
    let of_reset = browser.open(&reset).await.input("form")["value"].clone();
    let mut fields = browser.open(&sign_in).await.form().fields;
    fields.iter_mut().filter(|(name, _)| name == "form").for_each(|field| field.1.clone_from(&of_reset));
    browser.send(browser.form("/sign-in", &fields)).await.expect(403, "Nothing was done yet");
    assert!(!signed_in(&visitor));
}

// D12: a cookie that no other host can set, on https; and its form works there.
#[tokio::test]
async fn the_cookie_of_forms_is_bound_to_the_host() {
    let gateway = crate::support::Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.http.public_url = "https://auth.example.com/id".parse().unwrap();
    })
    .await;
    gateway.visitor().sign_up(ADA, crate::support::PASSWORD).await;
    let link = gateway.next_message(ADA).await.link.unwrap();
    assert!(link.starts_with("https://auth.example.com/id/verify-email?token="), "{link}");
    let browser = Browser::of(&gateway.visitor());
    // As a proxy passes it on that takes its own path away.
    let page = browser.open(local(&link).strip_prefix("/id").unwrap()).await.expect(200, "Confirm your address");
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-postern_form="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert_eq!(page.tags("form")[0]["action"], "verify-email", "relative: it stays below the path of the proxy");
    assert!(page.header("strict-transport-security").starts_with("max-age="));
    browser.press(&page, &[]).await.expect(200, "Your address is confirmed");
}

// A16: nothing that a request says of itself stands on a page or changes where its form goes.
#[tokio::test]
async fn no_header_changes_a_page() {
    let gateway = gateway().await;
    gateway.visitor().sign_up(ADA, crate::support::PASSWORD).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let visitor = gateway.visitor();
    let browser = Browser::of(&visitor);
    let plain = browser.open(&link).await;
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "666"),
        ("x-forwarded-prefix", "//evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-url", "/evil.example"),
        ("referer", "https://evil.example/"),
        (ORIGIN.as_str(), "https://evil.example"),
        (HOST.as_str(), "evil.example"),
    ] {
        let page = browser.send(browser.request(Method::GET, &link).header(name, value)).await;
        assert_eq!((page.status, &page.html), (200, &plain.html), "{name}");
    }
    for redirect in ["https://evil.example", "//evil.example", "\\evil.example", "javascript:alert(1)"] {
        let target: String = url::form_urlencoded::byte_serialize(redirect.as_bytes()).collect();
        let page = browser.open(&format!("{link}&redirectTo={target}&redirect_to={target}&home={target}")).await;
        assert_eq!(page.html, plain.html, "{redirect}");
    }
}
