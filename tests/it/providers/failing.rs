//! A provider that is down, slow, in love with its own voice, or leads elsewhere: a clean failure in time, and nothing else suffers.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use postern::config::ProviderKind;
use serde_json::json;

use super::{World, offer};
use crate::support::{
    Gateway, PASSWORD,
    oauth::{HOME, challenge},
    provider::{FakeProvider, Person, Trouble},
};

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn input() -> serde_json::Value {
    json!({"provider": "acme", "redirectUri": HOME, "codeChallenge": challenge("x")})
}

/// Somebody who listens and must never be called.
async fn canary() -> (String, std::sync::Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&calls);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, calls)
}

// E11: 100 MB, nonsense, refusals and redirects, at each door of the provider.
#[tokio::test]
async fn every_trouble_ends_in_a_clean_failure() {
    let (address, calls) = canary().await;
    let troubles = [
        Trouble::Huge,
        Trouble::Status(500),
        Trouble::Status(404),
        Trouble::Text("<html>down for maintenance</html>"),
        Trouble::Text("{}"),
        Trouble::Text("[1,2"),
        Trouble::Redirect(address.clone()),
        Trouble::Redirect("http://169.254.169.254/latest/meta-data/".to_owned()),
    ];
    for trouble in troubles {
        let World { gateway, provider } = World::new().await;
        provider.tells_in_token(false);
        provider.fails(DISCOVERY, Some(trouble.clone()));
        gateway.visitor().try_begin_oauth(input()).await.expect_problem("PROVIDER_FAILED");
        provider.fails(DISCOVERY, None);
        gateway.advance(Duration::from_secs(5));
        for path in ["/keys", "/token", "/me"] {
            // Nobody but people with an address is told of beside the token.
            if path == "/me" && matches!(trouble, Trouble::Text("{}")) {
                continue;
            }
            provider.fails(path, Some(trouble.clone()));
            let begun = Instant::now();
            gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-1")).await.expect_problem("PROVIDER_FAILED");
            assert!(begun.elapsed() < Duration::from_secs(10), "{path} {trouble:?}");
            provider.fails(path, None);
            gateway.advance(Duration::from_secs(5));
        }
        // All by itself it is well again.
        gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0, "no redirect was followed");
}

// E11: 4 s inside the API, 10 s in the callback.
#[tokio::test]
async fn nobody_waits_for_a_slow_provider() {
    let World { gateway, provider } = World::new().await;
    provider.fails(DISCOVERY, Some(Trouble::Slow(Duration::from_mins(1))));
    let begun = Instant::now();
    gateway.visitor().try_begin_oauth(input()).await.expect_problem("PROVIDER_FAILED");
    assert!(begun.elapsed() < Duration::from_millis(4900), "{:?}", begun.elapsed());
    // The next ones do not even ask.
    let begun = Instant::now();
    gateway.visitor().try_begin_oauth(input()).await.expect_problem("PROVIDER_FAILED");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(provider.calls(DISCOVERY), 1);
    provider.fails(DISCOVERY, None);
    gateway.advance(Duration::from_secs(5));
    provider.fails("/token", Some(Trouble::Slow(Duration::from_mins(1))));
    let begun = Instant::now();
    gateway.visitor().try_sign_in_with("acme", &provider, &Person::new("s-1")).await.expect_problem("PROVIDER_FAILED");
    assert!(begun.elapsed() < Duration::from_secs(13), "{:?}", begun.elapsed());
}

// E11: down between the beginning and the start of the trip.
#[tokio::test]
async fn a_provider_that_goes_down_on_the_way_sends_the_browser_back() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    provider.fails(DISCOVERY, Some(Trouble::Status(503)));
    // Another instance does not know the document yet.
    let beside = gateway.start_beside_with(|config| offer(config, &provider, ProviderKind::Oidc)).await;
    if gateway.place.is_shared() {
        let back = visitor.at(&beside).visit(&trip.url).await;
        visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_problem("PROVIDER_FAILED");
    }
    // This one does, and goes on with what it knows.
    let trip = visitor.begin_oauth("acme").await;
    gateway.advance(Duration::from_hours(2));
    let trip_later = visitor.begin_oauth("acme").await;
    drop(trip);
    assert_eq!(visitor.visit(&trip_later.url).await.status, 302);
}

// E11: private addresses, by number and by name, wherever they stand.
#[tokio::test]
async fn private_addresses_are_not_asked() {
    let provider = FakeProvider::start(None).await;
    let strict = |issuer: String| {
        let mut settings = provider.settings("acme", ProviderKind::Oidc);
        settings.issuer = issuer;
        move |config: &mut postern::config::Config| {
            config.providers = vec![settings];
            config.oauth.redirect_uris = vec![HOME.to_owned()];
            config.oauth.allow_private_addresses = false;
        }
    };
    let port = provider.issuer.rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "169.254.169.254", "10.0.0.1", "0x7f.1"]
    {
        for scheme in ["http", "https"] {
            let gateway = Gateway::start_with(strict(format!("{scheme}://{host}:{port}"))).await;
            let begun = Instant::now();
            gateway.visitor().try_begin_oauth(input()).await.expect_problem("PROVIDER_FAILED");
            assert!(begun.elapsed() < Duration::from_secs(3), "{host}");
        }
    }
    assert_eq!(provider.calls(DISCOVERY), 0);
}

// E11: also with private addresses allowed, those of machines' secrets are not, and a document cannot lead there.
#[tokio::test]
async fn a_document_leads_nowhere_that_is_not_allowed() {
    let World { gateway, provider } = World::new().await;
    for endpoint in ["token_endpoint", "jwks_uri", "userinfo_endpoint", "authorization_endpoint"] {
        for url in [
            "http://169.254.169.254/latest",
            "http://10.0.0.1/",
            "ftp://127.0.0.1/",
            "javascript:alert(1)",
            "https://[fe80::1]/",
            "http://u:p@127.0.0.1/",
            "file:///etc/passwd",
        ] {
            let honest = format!("{}/x", provider.issuer);
            provider.says(endpoint, json!(url));
            gateway.visitor().try_begin_oauth(input()).await.expect_problem("PROVIDER_FAILED");
            provider.says(endpoint, json!(honest));
            gateway.advance(Duration::from_secs(5));
        }
    }
}

// The bar: a provider that hangs takes nobody's password sign-in.
#[tokio::test]
async fn an_outage_does_not_touch_other_ways_to_sign_in() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().becomes_member("ann@example.com").await;
    let trips: Vec<_> = futures::future::join_all((0..20).map(|_| async {
        let visitor = gateway.visitor();
        let trip = visitor.begin_oauth("acme").await;
        let away = visitor.visit(&trip.url).await.location();
        (visitor, provider.approves(&away, &Person::new("s-1")))
    }))
    .await;
    provider.fails("/token", Some(Trouble::Slow(Duration::from_secs(30))));
    let hanging: Vec<_> =
        trips.into_iter().map(|(visitor, callback)| tokio::spawn(async move { visitor.visit(&callback).await })).collect();
    let begun = Instant::now();
    // Four at once: attempts count before they are checked, and five that are under way are as good as five failures.
    let signed_in: Vec<_> = futures::stream::iter(0..200)
        .map(|_| async { gateway.app_user().try_sign_in("ann@example.com", PASSWORD).await.expect_done() })
        .buffer_unordered(4)
        .collect()
        .await;
    assert_eq!(signed_in.len(), 200);
    let took = begun.elapsed();
    println!("200 sign-ins beside 20 that hang at the provider: {took:?}");
    for callback in hanging {
        let visit = callback.await.unwrap();
        assert_eq!(visit.status, 303);
    }
    drop(member);
    gateway.expect_undelivered();
}
