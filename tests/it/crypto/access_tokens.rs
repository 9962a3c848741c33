//! What an access token must withstand: forged algorithms and headers, other people's tokens, clocks and rotations.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
use postern::{
    clock::Timestamp,
    crypto::{
        access_token::{CannotSign, Claims, Rejected, SigningKeys},
        signing_key::{Algorithm, Schedule, SigningKey},
    },
    entropy::Entropy,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

const ISSUER: &str = "https://auth.example.com";
const TTL: Duration = Duration::from_mins(10);
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn key(algorithm: Algorithm, seed: u64, schedule: Schedule) -> SigningKey {
    SigningKey::generate(algorithm, &Entropy::seeded(seed), schedule).unwrap()
}

const fn from(activate_at: Timestamp, retire_at: Option<Timestamp>) -> Schedule {
    Schedule { publish_at: activate_at, activate_at, retire_at }
}

fn keys(list: Vec<SigningKey>) -> SigningKeys {
    let keys = SigningKeys::new(TTL);
    keys.replace(list).unwrap();
    keys
}

fn claims(now: Timestamp) -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        aud: ISSUER.to_owned(),
        sub: Uuid::from_u128(1),
        sid: Uuid::from_u128(2),
        generation: 3,
        jti: Uuid::from_u128(4),
        iat: now.seconds(),
        exp: (now + TTL).seconds(),
        auth_time: now.seconds(),
        amr: vec!["pwd".to_owned()],
        acr: "aal1".to_owned(),
        role: "USER".to_owned(),
    }
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn genuine_header(key: &SigningKey) -> Value {
    json!({ "typ": "at+jwt", "alg": key.algorithm().as_str(), "kid": key.kid() })
}

/// A token with any header and claims, signed with the real key.
fn sign(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let (encoding, algorithm) = match key.algorithm() {
        Algorithm::Es256 => (EncodingKey::from_ec_der(key.private_pkcs8()), jsonwebtoken::Algorithm::ES256),
        Algorithm::EdDsa => (EncodingKey::from_ed_der(key.private_pkcs8()), jsonwebtoken::Algorithm::EdDSA),
    };
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &encoding, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn hs256(message: &str, secret: &[u8]) -> String {
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_says_what_was_signed() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let keys = keys(vec![key(algorithm, 1, from(START, None))]);
        let token = keys.sign(&claims(START), START).unwrap();
        assert_eq!(*keys.verify(&token, START, ISSUER, ISSUER).unwrap(), claims(START));
        // Once more, now from memory.
        assert_eq!(*keys.verify(&token, START, ISSUER, ISSUER).unwrap(), claims(START));
        assert_eq!(keys.remembered(), 1);
    }
}

// A back end that only knows the JWKS reads the token with an ordinary library.
#[test]
fn any_library_verifies_with_the_jwks() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let keys = keys(vec![key(algorithm, 1, from(START, None))]);
        let token = keys.sign(&claims(START), START).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.jwks(START)).unwrap();
        let jwk = jwks.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        let read = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(read.claims["gen"], 3);
        assert_eq!(read.claims["sid"], Uuid::from_u128(2).to_string());
        for name in ["iss", "aud", "sub", "sid", "gen", "jti", "iat", "exp", "auth_time", "amr", "acr", "role"] {
            assert!(read.claims.get(name).is_some(), "{name}");
        }
    }
}

// D8: only the key's own algorithm counts.
#[test]
fn other_algorithms_are_refused() {
    let real = key(Algorithm::Es256, 1, from(START, None));
    let ed = key(Algorithm::EdDsa, 2, from(START, None));
    let keys = keys(vec![real.clone(), ed.clone()]);
    let body = part(&json!(claims(START)));
    let refused = |token: &str, what: &str| assert_eq!(keys.verify(token, START, ISSUER, ISSUER), Err(Rejected::Invalid), "{what}");

    for alg in ["none", "None", "nOnE", "NONE", "", "HS256", "RS256", "PS256", "ES384", "es256", "EdDSA", "ES256 "] {
        let header = part(&json!({ "typ": "at+jwt", "alg": alg, "kid": real.kid() }));
        refused(&format!("{header}.{body}."), alg);
        refused(&format!("{header}.{body}"), alg);
        refused(&format!("{header}.{body}.AAAA"), alg);
    }
    let header = part(&json!({ "typ": "at+jwt", "alg": "HS256", "kid": real.kid() }));
    let message = format!("{header}.{body}");
    let jwk = real.public_jwk();
    let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let y = URL_SAFE_NO_PAD.decode(jwk["y"].as_str().unwrap()).unwrap();
    for secret in [&b""[..], &x, &[&[4][..], &x, &y].concat(), jwk.to_string().as_bytes(), real.kid().as_bytes()] {
        refused(&hs256(&message, secret), "HS256 with something public");
    }
    // A right signature under another algorithm's name, or with another algorithm's key.
    refused(&sign(&real, &json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": real.kid() }), &json!(claims(START))), "swapped name");
    refused(&sign(&real, &json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": ed.kid() }), &json!(claims(START))), "swapped key");
    refused(&sign(&ed, &json!({ "typ": "at+jwt", "alg": "ES256", "kid": real.kid() }), &json!(claims(START))), "swapped key");

    let genuine = keys.sign(&claims(START), START).unwrap();
    let (message, signature) = genuine.rsplit_once('.').unwrap();
    refused(message, "no signature");
    refused(&format!("{message}."), "an empty signature");
    refused(&format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])), "r = s = 0 (CVE-2022-21449)");
    refused(&format!("{message}.{}", &signature[..signature.len() - 1]), "a cut signature");
    refused(&format!("{genuine}A"), "a longer signature");
    refused(&format!("{genuine}=="), "padding");
    refused(&format!("{genuine}.AAAA"), "a fourth part");
    refused(&format!(" {genuine}"), "a blank");
    refused("", "nothing");
    refused("..", "dots");
    refused(&"A.".repeat(100_000), "a long one");
}

// D9: keys come from our list alone, whatever the header offers.
#[test]
fn keys_in_the_header_are_ignored() {
    let real = key(Algorithm::Es256, 1, from(START, None));
    let own = key(Algorithm::Es256, 666, from(START, None));
    let keys = keys(vec![real.clone()]);
    for (name, value) in [
        ("jwk", own.public_jwk()),
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = genuine_header(&real);
        header[name] = value.clone();
        assert_eq!(keys.verify(&sign(&own, &header, &json!(claims(START))), START, ISSUER, ISSUER), Err(Rejected::Invalid), "{name}");
        header["kid"] = json!(own.kid());
        assert_eq!(keys.verify(&sign(&own, &header, &json!(claims(START))), START, ISSUER, ISSUER), Err(Rejected::UnknownKey), "{name}");
    }
    for kid in ["../../etc/passwd", "/dev/null", "' OR 1=1 --", "http://127.0.0.1:9/", "", "\0"] {
        let header = json!({ "typ": "at+jwt", "alg": "ES256", "kid": kid });
        assert_eq!(keys.verify(&sign(&own, &header, &json!(claims(START))), START, ISSUER, ISSUER), Err(Rejected::UnknownKey), "{kid:?}");
    }
    for header in [json!({ "typ": "at+jwt", "alg": "ES256" }), json!({ "typ": "at+jwt", "alg": "ES256", "kid": 1 })] {
        assert_eq!(keys.verify(&sign(&real, &header, &json!(claims(START))), START, ISSUER, ISSUER), Err(Rejected::Invalid));
    }
    let mut critical = genuine_header(&real);
    critical["crit"] = json!(["b64"]);
    assert_eq!(keys.verify(&sign(&real, &critical, &json!(claims(START))), START, ISSUER, ISSUER), Err(Rejected::Invalid));
}

// D10: right signature, wrong token.
#[test]
fn type_issuer_audience_and_claims_are_checked() {
    let real = key(Algorithm::Es256, 1, from(START, None));
    let keys = keys(vec![real.clone()]);
    for typ in
        [json!("JWT"), json!("jwt"), json!("id+jwt"), json!("refresh+jwt"), json!("AT+JWT"), json!(""), Value::Null, json!(["at+jwt"])]
    {
        let mut header = genuine_header(&real);
        header["typ"] = typ.clone();
        assert_eq!(keys.verify(&sign(&real, &header, &json!(claims(START))), START, ISSUER, ISSUER), Err(Rejected::Invalid), "{typ}");
    }
    for (name, value) in [
        ("iss", json!("https://evil.example.com")),
        ("iss", json!(format!("{ISSUER}/"))),
        ("aud", json!("other")),
        ("aud", json!([ISSUER, "other"])),
        ("sub", json!("somebody")),
        ("sid", Value::Null),
        ("gen", json!(-1)),
        ("exp", json!("never")),
        ("exp", json!(1e300)),
    ] {
        let mut body = json!(claims(START));
        body[name] = value.clone();
        assert_eq!(
            keys.verify(&sign(&real, &genuine_header(&real), &body), START, ISSUER, ISSUER),
            Err(Rejected::Invalid),
            "{name}: {value}"
        );
    }
    for name in ["iss", "aud", "sub", "sid", "gen", "jti", "iat", "exp", "auth_time", "amr", "acr", "role"] {
        let mut body = json!(claims(START));
        body.as_object_mut().unwrap().remove(name);
        assert_eq!(keys.verify(&sign(&real, &genuine_header(&real), &body), START, ISSUER, ISSUER), Err(Rejected::Invalid), "{name}");
    }
    // The memory of verified tokens does not blur it.
    let token = keys.sign(&claims(START), START).unwrap();
    assert!(keys.verify(&token, START, ISSUER, ISSUER).is_ok());
    assert_eq!(keys.verify(&token, START, "https://other.example.com", ISSUER), Err(Rejected::Invalid));
    assert_eq!(keys.verify(&token, START, ISSUER, "other"), Err(Rejected::Invalid));
}

// D15: expiry is exact by our clock, also for a remembered token; `iat` may be a little ahead.
#[test]
fn clocks_are_trusted_by_seconds_only() {
    let keys = keys(vec![key(Algorithm::Es256, 1, from(START, None))]);
    let token = keys.sign(&claims(START), START).unwrap();
    let verify = |now: Timestamp| keys.verify(&token, now, ISSUER, ISSUER).map(|_| ());
    assert_eq!(verify(START), Ok(()));
    assert_eq!(verify(START + TTL - Duration::from_millis(1)), Ok(()));
    assert!(matches!(verify(START + TTL), Err(Rejected::Expired(_))));
    assert!(matches!(verify(START + TTL + Duration::from_secs(61)), Err(Rejected::Expired(_))));
    assert_eq!(verify(START - Duration::from_secs(5)), Ok(()));
    assert_eq!(verify(START - Duration::from_secs(59)), Err(Rejected::Invalid));
    assert_eq!(verify(START - Duration::from_secs(61)), Err(Rejected::Invalid));
}

// D11: the newest key whose time has come signs; older ones hold until their tokens are over.
#[test]
fn keys_come_and_go() {
    let switch = START + Duration::from_hours(1);
    let old = key(Algorithm::Es256, 1, from(START, Some(switch)));
    let new = key(Algorithm::EdDsa, 2, Schedule { publish_at: START, activate_at: switch, retire_at: None });
    let keys = keys(vec![new.clone(), old.clone()]);
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();

    let before = switch - Duration::from_millis(1);
    let last = keys.sign(&claims(before), before).unwrap();
    assert_eq!(kid(&last), old.kid());
    assert_eq!(kid(&keys.sign(&claims(switch), switch).unwrap()), new.kid());
    assert!(keys.verify(&last, switch + TTL - Duration::from_secs(2), ISSUER, ISSUER).is_ok());
    let forged_for_later = sign(&old, &genuine_header(&old), &json!(claims(switch + TTL)));
    assert_eq!(keys.verify(&forged_for_later, switch + TTL, ISSUER, ISSUER), Err(Rejected::UnknownKey));

    let published = |now: Timestamp| keys.jwks(now)["keys"].as_array().unwrap().len();
    assert_eq!(published(START - Duration::from_secs(1)), 0);
    assert_eq!(published(START), 2);
    assert_eq!(published(switch + Duration::from_mins(15) - Duration::from_secs(1)), 2);
    assert_eq!(published(switch + Duration::from_mins(15)), 1);
    assert!(!keys.jwks(START).to_string().contains("\"d\""));
}

#[test]
fn without_a_key_nothing_is_signed_and_nothing_holds() {
    let empty = SigningKeys::new(TTL);
    assert!(matches!(empty.sign(&claims(START), START), Err(CannotSign::NoKey)));
    let full = keys(vec![key(Algorithm::Es256, 1, from(START, None))]);
    assert!(matches!(full.sign(&claims(START), START - Duration::from_secs(1)), Err(CannotSign::NoKey)));
    let token = full.sign(&claims(START), START).unwrap();
    assert_eq!(empty.verify(&token, START, ISSUER, ISSUER), Err(Rejected::UnknownKey));
    // A key that is taken away takes what it signed along, remembered or not.
    assert!(full.verify(&token, START, ISSUER, ISSUER).is_ok());
    full.replace(vec![key(Algorithm::Es256, 2, from(START, None))]).unwrap();
    assert_eq!(full.verify(&token, START, ISSUER, ISSUER), Err(Rejected::UnknownKey));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changed_character_is_refused(at: prop::sample::Index, to in "[A-Za-z0-9_.-]") {
        let keys = keys(vec![key(Algorithm::EdDsa, 1, from(START, None))]);
        let token = keys.sign(&claims(START), START).unwrap();
        let at = at.index(token.len());
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        prop_assert!(keys.verify(&changed, START, ISSUER, ISSUER).is_err());
    }

    #[test]
    fn rubbish_never_holds(token in "\\PC{0,80}(\\.\\PC{0,80}){0,4}") {
        let keys = keys(vec![key(Algorithm::EdDsa, 1, from(START, None))]);
        prop_assert!(keys.verify(&token, START, ISSUER, ISSUER).is_err());
    }
}
