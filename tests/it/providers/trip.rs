//! The round trip: who may begin it, where it may end, and that only the browser and the client that began it finish it.

use std::time::Duration;

use postern::config::ProviderKind;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::{World, offer};
use crate::support::{
    Gateway,
    oauth::{HOME, challenge, verifier},
    provider::{FakeProvider, Person, read},
};

#[tokio::test]
async fn a_browser_signs_up_and_in_again_by_a_provider() {
    let World { gateway, provider } = World::new().await;
    let person = Person {
        claims: json!({"sub": "s-1", "email": "Ann@Example.com", "email_verified": true, "name": "Ann Lee", "given_name": "Ann"}),
    };
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    assert!(trip.url.starts_with(&format!("{}/oauth/start/", gateway.origin)), "{}", trip.url);

    let away = visitor.visit(&trip.url).await;
    assert_eq!(away.status, 302);
    assert_eq!(
        (&away.headers["cache-control"], &away.headers["referrer-policy"]),
        (&"no-store".parse().unwrap(), &"no-referrer".parse().unwrap())
    );
    let cookie = away.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("postern_oauth=") && cookie.ends_with("; Max-Age=600; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let (_, asked) = read(&away.location());
    assert_eq!(asked["redirect_uri"], format!("{}/oauth/callback/acme", gateway.origin));
    assert_eq!(asked["scope"], "openid email");

    let back = visitor.visit(&provider.approves(&away.location(), &person)).await;
    assert_eq!(back.status, 303);
    assert_eq!(
        (&back.headers["cache-control"], &back.headers["referrer-policy"]),
        (&"no-store".parse().unwrap(), &"no-referrer".parse().unwrap())
    );
    let outcome = visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_done()["outcome"].clone();
    assert_eq!((&outcome["__typename"], &outcome["isNewUser"]), (&json!("SignedIn"), &json!(true)));
    let user = &outcome["user"];
    assert_eq!(
        (&user["email"], &user["displayName"], &user["fullName"]),
        (&json!("ann@example.com"), &json!("Ann Lee"), &json!("Ann Lee"))
    );
    assert_eq!((&user["username"], &outcome["session"]["loginMethod"]), (&Value::Null, &json!("OAUTH")));
    assert!(user["emailVerifiedAt"].is_string());
    gateway.next_message("ann@example.com").await;

    let again = gateway.app_user().sign_in_with("acme", &provider, &person).await;
    assert_eq!((again.user_id.as_str(), again.is_new_user), (user["id"].as_str().unwrap(), false));
    let linked = again.identities().await;
    assert_eq!((linked.len(), &linked[0]["provider"], &linked[0]["email"]), (1, &json!("acme"), &json!("ann@example.com")));
    assert!(linked[0]["lastUsedAt"].is_string());
    gateway.next_message("ann@example.com").await;
    let config = gateway.visitor().graphql("{ authConfig { loginMethods providers { kind id name } } }", json!({})).await.expect_field();
    assert_eq!(config["providers"], json!([{"kind": "OIDC", "id": "acme", "name": "The acme"}]));
    assert!(config["loginMethods"].as_array().unwrap().contains(&json!("OAUTH")));
}

#[tokio::test]
async fn nothing_is_offered_where_nothing_is_configured() {
    let gateway = Gateway::start().await;
    let config = gateway.visitor().graphql("{ authConfig { loginMethods providers { id } } }", json!({})).await.expect_field();
    assert_eq!(config["providers"], json!([]));
    assert!(!config["loginMethods"].as_array().unwrap().contains(&json!("OAUTH")));
    let input = json!({"provider": "acme", "redirectUri": HOME, "codeChallenge": challenge("x")});
    gateway.visitor().try_begin_oauth(input).await.expect_problem("PROVIDER_UNKNOWN");
}

// E8, A16
#[tokio::test]
async fn only_allowed_addresses_are_come_back_to() {
    let World { gateway, .. } = World::with(|config| config.oauth.redirect_uris = vec!["https://ok.example/back".to_owned()]).await;
    let visitor = gateway.visitor();
    let begin =
        async |uri: &str| visitor.try_begin_oauth(json!({"provider": "acme", "redirectUri": uri, "codeChallenge": challenge("x")})).await;
    begin("https://ok.example/back").await.expect_done();
    for evil in [
        "",
        "https://evil.example",
        "//evil.example",
        "/back",
        "\\evil.example",
        "javascript:alert(1)",
        "https://ok.example@evil.example/back",
        "https://ok.example.evil.example/back",
        "https://ok.example/back/",
        "https://ok.example/back?x=1",
        "https://ok.example/back#x",
        "https://ok.example/back/../evil",
        "https://OK.example/back",
        "http://ok.example/back",
        "https://ok.example:443/back",
        "https://ok.example\\@evil.example/back",
        "https://user@ok.example/back",
        " https://ok.example/back",
        "https://ok.example/back\n",
        "https://ok.example%2fback",
        "https://evil.example/https://ok.example/back",
    ] {
        let problem = begin(evil).await.expect_problem("REDIRECT_URI_NOT_ALLOWED");
        assert_eq!(problem["path"], json!(["input", "redirectUri"]), "{evil}");
    }
}

#[tokio::test]
async fn a_challenge_is_32_bytes_in_base64url() {
    let World { gateway, .. } = World::new().await;
    let whole = challenge("x");
    for wrong in [
        "",
        "plain",
        &whole[..42],
        &format!("{whole}="),
        &format!("{whole}A"),
        &whole.replace(&whole[..1], "+"),
        &format!("{}é", &whole[..41]),
    ] {
        let input = json!({"provider": "acme", "redirectUri": HOME, "codeChallenge": wrong});
        let problem = gateway.visitor().try_begin_oauth(input).await.expect_problem("INVALID_INPUT");
        assert_eq!(problem["path"], json!(["input", "codeChallenge"]), "{wrong}");
    }
    let input = json!({"provider": "other", "redirectUri": HOME, "codeChallenge": whole});
    gateway.visitor().try_begin_oauth(input).await.expect_problem("PROVIDER_UNKNOWN");
}

// E1: the callback in another cookie jar (login CSRF), without a cookie, and again.
#[tokio::test]
async fn only_the_browser_that_began_comes_back() {
    let World { gateway, provider } = World::new().await;
    let person = Person::new("s-1");
    let (attacker, victim) = (gateway.visitor(), gateway.visitor());
    let trip = attacker.begin_oauth("acme").await;
    let away = attacker.visit(&trip.url).await;
    let callback = provider.approves(&away.location(), &person);
    victim.visit(&callback).await.expect_lost();
    // The state is used up by that.
    attacker.visit(&callback).await.expect_lost();
    assert_eq!(provider.calls("/token"), 0);

    // A browser that is on another trip of its own is no better.
    let own = victim.begin_oauth("acme").await;
    victim.visit(&own.url).await;
    let trip = attacker.begin_oauth("acme").await;
    let callback = provider.approves(&attacker.visit(&trip.url).await.location(), &person);
    victim.visit(&callback).await.expect_lost();
    assert_eq!(provider.calls("/token"), 0);
}

// E1: replay.
#[tokio::test]
async fn a_state_and_a_code_work_once() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("s-1"));
    let code = visitor.visit(&callback).await.code();
    visitor.visit(&callback).await.expect_lost();
    assert_eq!(provider.calls("/token"), 1);
    visitor.try_complete_oauth(&code, &trip.verifier).await.expect_done();
    let problem = visitor.try_complete_oauth(&code, &trip.verifier).await.expect_problem("CODE_INVALID");
    assert_eq!(problem["path"], json!(["input", "code"]));
    visitor.visit(&trip.url).await.expect_lost();
}

// E1: ten minutes for the trip, one for the result.
#[tokio::test]
async fn trips_and_results_have_their_time() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("s-1"));
    gateway.advance(Duration::from_mins(10));
    visitor.visit(&callback).await.expect_lost();
    visitor.visit(&trip.url).await.expect_lost();

    let trip = visitor.begin_oauth("acme").await;
    let code = visitor.travels(&trip, &provider, &Person::new("s-1")).await.code();
    gateway.advance(Duration::from_mins(1));
    visitor.try_complete_oauth(&code, &trip.verifier).await.expect_problem("CODE_INVALID");
}

// E1: only the client that began finishes, and a wrong try uses the code up.
#[tokio::test]
async fn a_code_is_worth_nothing_without_what_the_client_kept() {
    let World { gateway, provider } = World::new().await;
    for wrong in ["", "guessed", &verifier("of another client"), &challenge(&verifier("x"))] {
        let visitor = gateway.visitor();
        let trip = visitor.begin_oauth("acme").await;
        let code = visitor.travels(&trip, &provider, &Person::new("s-1")).await.code();
        visitor.try_complete_oauth(&code, wrong).await.expect_problem("CODE_INVALID");
        visitor.try_complete_oauth(&code, &trip.verifier).await.expect_problem("CODE_INVALID");
    }
    for wrong in ["", "x", &"A".repeat(43), &"A".repeat(10_000)] {
        gateway.visitor().try_complete_oauth(wrong, "x").await.expect_problem("CODE_INVALID");
    }
}

// E1, E9: a state of provider A at provider B.
#[tokio::test]
async fn a_state_belongs_to_its_provider() {
    let (other, apple) = (FakeProvider::start(None).await, FakeProvider::start(None).await);
    let World { gateway, provider } = World::with(|config| {
        config.providers.push(other.settings("other", ProviderKind::Oidc));
        config.providers.push(apple.settings("fruit", ProviderKind::Apple));
    })
    .await;
    for elsewhere in ["other", "fruit", "nobody", "ACME", "acme%2f.."] {
        let visitor = gateway.visitor();
        let trip = visitor.begin_oauth("acme").await;
        let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("s-1"));
        visitor.visit(&callback.replace("/callback/acme", &format!("/callback/{elsewhere}"))).await.expect_lost();
    }
    assert_eq!((provider.calls("/token"), other.calls("/token"), apple.calls("/token")), (0, 0, 0));
}

// E9: the parameter `iss` (RFC 9207).
#[tokio::test]
async fn an_answer_of_another_issuer_is_a_failure() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let come_back = async |added: &str| {
        let trip = visitor.begin_oauth("acme").await;
        let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("s-1"));
        let code = visitor.visit(&format!("{callback}{added}")).await.code();
        visitor.try_complete_oauth(&code, &trip.verifier).await
    };
    let own = url::form_urlencoded::byte_serialize(provider.issuer.as_bytes()).collect::<String>();
    come_back(&format!("&iss={own}")).await.expect_done();
    come_back("&iss=https%3A%2F%2Fevil.example").await.expect_problem("PROVIDER_FAILED");
    come_back(&format!("&iss={own}%2F")).await.expect_problem("PROVIDER_FAILED");
    provider.says("authorization_response_iss_parameter_supported", json!(true));
    gateway.advance(Duration::from_hours(1));
    come_back("").await.expect_problem("PROVIDER_FAILED");
    come_back(&format!("&iss={own}")).await.expect_done();
}

#[tokio::test]
async fn parameters_that_come_twice_or_not_at_all_lead_nowhere() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let trip = visitor.begin_oauth("acme").await;
    let callback = provider.approves(&visitor.visit(&trip.url).await.location(), &Person::new("s-1"));
    for wrong in [
        format!("{callback}&state=x"),
        format!("{callback}&code=x"),
        callback.split('?').next().unwrap().to_owned(),
        callback.replace("state=", "estate="),
    ] {
        visitor.visit(&wrong).await.expect_lost();
    }
    // None of these touched the trip.
    let code = visitor.visit(&callback).await.code();
    visitor.try_complete_oauth(&code, &trip.verifier).await.expect_done();
    let long = format!("{}?state={}", callback.split('?').next().unwrap(), "x".repeat(6000));
    visitor.visit(&long).await.expect_lost();
    for state in ["", "x", "%00", "..", &"A".repeat(43)] {
        let visit = visitor.visit(&format!("{}/oauth/start/{state}", gateway.origin)).await;
        assert!(matches!(visit.status, 400 | 404), "{state}: {}", visit.status);
    }
}

// E13: the person says no.
#[tokio::test]
async fn a_refusal_at_the_provider_is_told_as_that() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    for (error, problem) in [("access_denied", "PROVIDER_DENIED"), ("server_error", "PROVIDER_FAILED"), ("<script>", "PROVIDER_FAILED")] {
        let trip = visitor.begin_oauth("acme").await;
        let back = visitor.visit(&provider.refuses(&visitor.visit(&trip.url).await.location(), error)).await;
        visitor.try_complete_oauth(&back.code(), &trip.verifier).await.expect_problem(problem);
    }
    assert_eq!((provider.calls("/token"), visitor.cookies().get("postern_access")), (0, None));
}

#[tokio::test]
async fn an_app_comes_back_by_its_own_scheme_and_query() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.app_user();
    let browser = gateway.visitor();
    let kept = verifier("app");
    let uri = "com.example.app:/back?from=postern";
    let input = json!({"provider": "acme", "redirectUri": uri, "codeChallenge": challenge(&kept), "intent": "SIGN_IN"});
    let url = visitor.try_begin_oauth(input).await.expect_done()["authorizationUrl"].as_str().unwrap().to_owned();
    let callback = provider.approves(&browser.visit(&url).await.location(), &Person::new("s-1"));
    let location = browser.visit(&callback).await.location();
    let code = location.strip_prefix(&format!("{uri}&code=")).expect("its own query is kept");
    let outcome = visitor.try_complete_oauth(code, &kept).await.expect_done()["outcome"].clone();
    assert!(outcome["tokens"]["refreshToken"].is_string() && outcome["tokens"]["deviceToken"].is_string());
}

#[tokio::test]
async fn several_tabs_of_a_browser_are_on_their_way_at_once() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let mut trips = Vec::new();
    for number in 0..3 {
        let input = json!({"provider": "acme", "redirectUri": HOME, "codeChallenge": challenge(&verifier(&number.to_string()))});
        let begun = visitor.try_begin_oauth(input).await.expect_done();
        let away = visitor.visit(begun["authorizationUrl"].as_str().unwrap()).await;
        trips.push((number, provider.approves(&away.location(), &Person::new("s-1"))));
    }
    for (number, callback) in trips.into_iter().rev() {
        let code = visitor.visit(&callback).await.code();
        visitor.try_complete_oauth(&code, &verifier(&number.to_string())).await.expect_done();
    }
}

// E14: nothing of the provider's tokens is kept or told; D13.
#[tokio::test]
async fn the_providers_tokens_are_kept_nowhere() {
    let World { gateway, provider } = World::new().await;
    let visitor = gateway.visitor();
    let member = visitor.sign_in_with("acme", &provider, &Person::with_email("s-1", "ann@example.com")).await;
    gateway.next_message("ann@example.com").await;
    let export = member.try_export_account().await.expect_done()["export"].to_string();
    assert!(export.contains("\"subject\":\"s-1\"") && export.contains(&provider.issuer), "{export}");
    let database = gateway.database().await;
    let dump = format!(
        "{:?} {:?} {:?} {:?}",
        entity::auth_providers::Entity::find().all(&database).await.unwrap(),
        entity::user_audit_log::Entity::find().all(&database).await.unwrap(),
        entity::spent_tokens::Entity::find().all(&database).await.unwrap(),
        entity::messages::Entity::find().all(&database).await.unwrap(),
    );
    for secret in ["canary-refresh", "access code", "of the provider", "eyJ"] {
        assert!(!dump.contains(secret) && !export.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_way_of_the_secret_to_the_provider_is_found_out() {
    for place in ["header", "body"] {
        let provider = FakeProvider::start(None).await;
        provider.takes_secret_in(place);
        let gateway = Gateway::start_with(|config| offer(config, &provider, ProviderKind::Oidc)).await;
        provider.follow(&gateway.clock);
        gateway.visitor().sign_in_with("acme", &provider, &Person::new("s-1")).await;
        let form = provider.last_exchange();
        assert_eq!((form.contains_key("client_secret"), form.contains_key("code_verifier")), (place == "body", true));
    }
}
