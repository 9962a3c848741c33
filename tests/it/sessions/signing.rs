//! Access tokens at the real endpoint: what verifies them, what forges them, and how their keys rotate.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Validation, jwk::JwkSet};
use postern::{
    config::SigningAlgorithm,
    crypto::signing_key::{Algorithm, Schedule, SigningKey},
    entropy::Entropy,
};
use reqwest::header::CACHE_CONTROL;
use serde_json::{Value, json};

use super::{app_member, works};
use crate::support::{Gateway, Member};

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn decode(token: &str, part: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(part).unwrap()).unwrap()).unwrap()
}

async fn jwks(gateway: &Gateway) -> Value {
    let response = gateway.client.get(format!("http://{}/.well-known/jwks.json", gateway.address)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()[CACHE_CONTROL].to_str().unwrap().contains("max-age=300"));
    response.json().await.unwrap()
}

/// As a back end checks a token that knows nothing but the JWKS.
fn verifies(jwks: &Value, token: &str, issuer: &str) -> bool {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let keys: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let Some(key) = keys.find(header.kid.as_deref().unwrap()) else { return false };
    let mut rules = Validation::new(header.alg);
    rules.validate_exp = false;
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[issuer]);
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &rules).is_ok()
}

async fn refused(member: &Member, token: &str, what: &str) {
    let answer = member.visitor.graphql_with("{ me { id } }", json!({}), Some(token)).await;
    assert_eq!((answer.code(), answer.reason()), (Some("UNAUTHENTICATED"), Some("TOKEN_INVALID")), "{what}: {}", answer.body);
}

// D10, D11: a library verifies a token with what the endpoint shows, which is public.
#[tokio::test]
async fn back_ends_verify_with_the_jwks() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
        let gateway = Gateway::start_with(|config| config.tokens.algorithm = algorithm).await;
        let member = app_member(&gateway, "jwks@example.com").await;
        let token = member.tokens().access;
        let keys = jwks(&gateway).await;
        assert!(verifies(&keys, &token, &gateway.config.tokens.issuer));
        let header = decode(&token, 0);
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header["alg"], if matches!(algorithm, SigningAlgorithm::Es256) { "ES256" } else { "EdDSA" });
        let claims = decode(&token, 1);
        assert_eq!((&claims["sub"], &claims["sid"]), (&json!(member.user_id), &json!(member.session_id)));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
        for key in keys["keys"].as_array().unwrap() {
            for private in ["d", "p", "q", "k"] {
                assert_eq!(key.get(private), None, "{private}");
            }
        }
        assert_eq!(member.me().await["id"], member.user_id);
    }
}

// D8: no algorithm but the key's own.
#[tokio::test]
async fn no_other_algorithm_is_taken() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "algorithms@example.com").await;
    let token = member.tokens().access;
    let (header, claims) = (decode(&token, 0), decode(&token, 1));
    let signature = token.rsplit('.').next().unwrap();
    for none in ["none", "None", "nOnE", "NONE", ""] {
        let message = format!("{}.{}", encode(&json!({"typ": "at+jwt", "alg": none, "kid": header["kid"]})), encode(&claims));
        refused(&member, &format!("{message}."), none).await;
        refused(&member, &format!("{message}.{signature}"), none).await;
        refused(&member, &message, none).await;
    }
    let keys = jwks(&gateway).await;
    let key = &keys["keys"][0];
    let point: Vec<u8> = ["x", "y"].iter().flat_map(|part| URL_SAFE_NO_PAD.decode(key[part].as_str().unwrap()).unwrap()).collect();
    for secret in [&b""[..], key.to_string().as_bytes(), &point, &[&[4][..], &point].concat(), key["x"].as_str().unwrap().as_bytes()] {
        let message = format!("{}.{}", encode(&json!({"typ": "at+jwt", "alg": "HS256", "kid": header["kid"]})), encode(&claims));
        let forged =
            jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), jsonwebtoken::Algorithm::HS256).unwrap();
        refused(&member, &format!("{message}.{forged}"), "HS256 with a public key").await;
    }
    for other in ["RS256", "PS256", "ES384", "EdDSA", "HS512"] {
        let message = format!("{}.{}", encode(&json!({"typ": "at+jwt", "alg": other, "kid": header["kid"]})), encode(&claims));
        refused(&member, &format!("{message}.{signature}"), other).await;
    }
    // Not even a changed signature, a changed claim, or a shorter one.
    let head = &token[..token.rfind('.').unwrap()];
    refused(&member, &format!("{head}."), "no signature").await;
    refused(&member, &token[..token.len() - 1], "shorter").await;
    refused(&member, &format!("{token}A"), "longer").await;
    refused(&member, &format!("{token}.{signature}"), "four parts").await;
    refused(&member, &format!("{head}.{}", URL_SAFE_NO_PAD.encode([0; 64])), "zeros").await;
    let mut other = claims.clone();
    other["role"] = json!("admin");
    refused(&member, &format!("{}.{}.{signature}", encode(&header), encode(&other)), "another role").await;
    assert!(works(&member, &token).await);
}

// D9: what a token says about keys is not believed, and nobody is asked.
#[tokio::test]
async fn a_token_cannot_bring_its_key() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "headers@example.com").await;
    let claims = decode(&member.tokens().access, 1);
    let known = decode(&member.tokens().access, 0)["kid"].clone();
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys.json", trap.local_addr().unwrap());
    let now = gateway.clock.now();
    let own = SigningKey::generate(Algorithm::Es256, &Entropy::seeded(7), Schedule { publish_at: now, activate_at: now, retire_at: None });
    let own = own.unwrap();
    let sign = |header: &Value| {
        let message = format!("{}.{}", encode(header), encode(&claims));
        let key = EncodingKey::from_ec_der(own.private_pkcs8());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    };
    for kid in
        [known, json!(own.kid()), json!(url), json!("../../dev/null"), json!("' OR 1=1 --"), json!(""), json!("x".repeat(500)), Value::Null]
    {
        refused(&member, &sign(&json!({"typ": "at+jwt", "alg": "ES256", "kid": kid})), "kid").await;
        let header = json!({"typ": "at+jwt", "alg": "ES256", "kid": kid, "jku": url, "x5u": url, "jwk": own.public_jwk(), "x5c": ["AA"]});
        refused(&member, &sign(&header), "a key in the header").await;
    }
    assert!(tokio::time::timeout(Duration::ZERO, trap.accept()).await.is_err(), "nobody was asked");
}

// D10: what else we or others sign is no access token.
#[tokio::test]
async fn other_tokens_are_no_access_tokens() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "others@example.com").await;
    let elsewhere =
        Gateway::start_with(|config| config.secret = vec!["another secret that is long enough for anybody".to_owned().into()]).await;
    let foreign = app_member(&elsewhere, "others@example.com").await;
    refused(&member, &foreign.tokens().access, "another deployment's").await;
    refused(&member, &member.tokens().refresh.unwrap(), "a refresh token").await;
    refused(&member, &member.event_cursor().await, "a cursor").await;
    refused(&member, &member.visitor.device_token().unwrap(), "a device token").await;
    refused(&member, &"A".repeat(4_000), "letters").await;
    refused(&member, &format!("{}.{}.{}", encode(&json!({})), encode(&json!({})), "AAAA"), "empty objects").await;
}

// D11: the next key is shown an hour before it signs, the last one for a while after, and nobody is signed out by it.
#[tokio::test]
async fn keys_rotate_without_anybody_noticing() {
    let gateway = Gateway::start_with(|config| {
        config.tokens.rotate_after = Duration::from_hours(24);
        config.tokens.access_ttl = Duration::from_mins(10);
    })
    .await;
    let member = app_member(&gateway, "rotation@example.com").await;
    let look =
        async || gateway.inside(gateway.app().signing_keys.ensure(gateway.app().database.write(), gateway.clock.now())).await.unwrap();
    let count = async || jwks(&gateway).await["keys"].as_array().unwrap().len();
    let kid = |member: &Member| decode(&member.tokens().access, 0)["kid"].as_str().unwrap().to_owned();
    let first = kid(&member);
    assert_eq!(count().await, 1);
    gateway.advance(Duration::from_hours(23));
    look().await;
    assert_eq!(count().await, 2, "the next one is shown");
    member.refresh().await;
    assert_eq!(kid(&member), first, "and does not sign yet");
    gateway.advance(Duration::from_hours(1) - Duration::from_secs(1));
    member.refresh().await;
    assert_eq!(kid(&member), first);
    let old = member.tokens().access;
    gateway.advance(Duration::from_secs(1));
    look().await;
    member.refresh().await;
    assert_ne!(kid(&member), first);
    let keys = jwks(&gateway).await;
    let issuer = &gateway.config.tokens.issuer;
    assert!(verifies(&keys, &member.tokens().access, issuer) && verifies(&keys, &old, issuer));
    assert!(works(&member, &old).await && works(&member, &member.tokens().access).await);
    // A quarter of an hour later no token of the first key lives.
    gateway.advance(Duration::from_mins(15) + Duration::from_secs(1));
    look().await;
    assert_eq!(count().await, 1);
    refused(&member, &old, "the first key is forgotten").await;
    member.refresh().await;
    assert_eq!(member.me().await["id"], member.user_id);
}
