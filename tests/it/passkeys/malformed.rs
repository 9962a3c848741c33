//! Answers that are none: JSON, client data, CBOR and COSE as nobody would write them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use postern::{
    config::{Config, Passkeys, Sources},
    crypto::webauthn::{Account, Assertion, AssertionCeremony, NewPasskey, RegistrationCeremony, Rejected, RelyingParty, Seen, Stored},
};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use url::Url;

use super::{with_security_key, without_buckets};
use crate::support::Authenticator;

/// Of each ceremony: 10,000 in all.
const CASES: u32 = 5_000;

/// What is asked, a right answer to it, and who checks.
struct Bench {
    relying_party: RelyingParty,
    registration: RegistrationCeremony,
    made: Value,
    assertion: AssertionCeremony,
    answered: Value,
    passkey: NewPasskey,
}

impl Bench {
    fn new() -> Self {
        // As in production: development takes an origin with any port.
        let passkeys = Passkeys { any_port: false, ..Config::read(&Sources::default()).config.passkeys };
        let relying_party = RelyingParty::of(&passkeys, "Postern").unwrap().unwrap();
        let account = Account { id: uuid::Uuid::from_u128(7), name: "ada", display_name: "Ada" };
        let (options, registration) = relying_party.begin_registration(account, &[]).unwrap();
        let mut key = Authenticator::security_key("http://localhost:4000");
        let made = key.create(&options);
        let passkey = relying_party.finish_registration(&made, &registration).unwrap();
        let (options, assertion) = relying_party.begin_assertion(&[]).unwrap();
        let answered = key.get(&options);
        Self { relying_party, registration, made, assertion, answered, passkey }
    }

    fn finish(&self, answer: &Value) -> Result<NewPasskey, Rejected> {
        self.relying_party.finish_registration(answer, &self.registration)
    }

    fn check(&self, answer: &Value) -> Result<Seen, Rejected> {
        let stored = Stored { public_key: &self.passkey.public_key, counter: 0, backed_up: false };
        self.relying_party.finish_assertion(&Assertion::parse(answer)?, &self.assertion, stored)
    }
}

/// One thing that is done to an answer.
#[derive(Clone, Debug)]
enum Twist {
    /// A member becomes something else.
    Replace(usize, Value),
    /// It is gone.
    Remove(usize),
    /// Bits of a binary member turn over.
    Flip(usize, Vec<(usize, u8)>),
    /// It ends early.
    Cut(usize, usize),
    /// Something comes after it, or in its midst.
    Insert(usize, usize, Vec<u8>),
    /// It is something else altogether.
    Bytes(usize, Vec<u8>),
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)),
        ".{0,40}".prop_map(Value::from),
        Just(json!("x".repeat(70_000))),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec(("[a-zA-Z]{1,9}", inner), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// CBOR by its grammar: heads of every kind, with lengths that hold or lie, nested as deep as it goes.
fn any_cbor() -> impl Strategy<Value = Vec<u8>> {
    let head = (0_u8..8, prop_oneof![0_u8..24, 24_u8..32], any::<u64>()).prop_map(|(major, short, long)| {
        let mut bytes = vec![(major << 5) | short];
        let width = match short {
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => 0,
        };
        bytes.extend(&long.to_be_bytes()[8 - width..]);
        bytes
    });
    let piece = prop_oneof![3 => head, 1 => vec(any::<u8>(), 0..40)];
    let nested = (prop_oneof![Just(0x81_u8), Just(0x9f), Just(0xa1), Just(0xbf), Just(0xc0)], 1_usize..3_000)
        .prop_map(|(opening, depth)| vec![opening; depth]);
    prop_oneof![4 => vec(piece, 0..30).prop_map(|pieces| pieces.concat()), 1 => nested]
}

/// Client data by its grammar, with members of every kind.
fn any_client_data() -> impl Strategy<Value = Vec<u8>> {
    let member = |name: &'static str| any_json().prop_map(move |value| (name.to_owned(), value));
    let members = vec(
        prop_oneof![
            member("type"),
            member("challenge"),
            member("origin"),
            member("crossOrigin"),
            member("topOrigin"),
            member("tokenBinding")
        ],
        0..7,
    );
    prop_oneof![
        members.prop_map(|members| Value::Object(members.into_iter().collect()).to_string().into_bytes()),
        (1_usize..500).prop_map(|depth| "[".repeat(depth).into_bytes()),
        ".{0,60}".prop_map(String::into_bytes),
    ]
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![any_cbor(), any_client_data(), vec(any::<u8>(), 0..300)]
}

fn any_twist() -> impl Strategy<Value = Twist> {
    let place = 0_usize..16;
    prop_oneof![
        2 => (place.clone(), any_json()).prop_map(|(place, value)| Twist::Replace(place, value)),
        1 => place.clone().prop_map(Twist::Remove),
        4 => (place.clone(), vec((any::<usize>(), 1_u8..=255), 1..4)).prop_map(|(place, bits)| Twist::Flip(place, bits)),
        3 => (place.clone(), any::<usize>()).prop_map(|(place, at)| Twist::Cut(place, at)),
        3 => (place.clone(), any::<usize>(), any_bytes()).prop_map(|(place, at, bytes)| Twist::Insert(place, at, bytes)),
        3 => (place, any_bytes()).prop_map(|(place, bytes)| Twist::Bytes(place, bytes)),
    ]
}

const BINARY: [&str; 6] = ["rawId", "clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

/// The members of an answer, those of its `response` too, as paths.
fn places(answer: &Value) -> Vec<String> {
    let outer = answer.as_object().unwrap().keys().map(|name| format!("/{name}"));
    let inner = answer["response"].as_object().into_iter().flat_map(|inner| inner.keys()).map(|name| format!("/response/{name}"));
    outer.chain(inner).collect()
}

fn apply(answer: &mut Value, twist: Twist) {
    let (place, binary) = match &twist {
        Twist::Replace(place, _) | Twist::Remove(place) => (*place, false),
        Twist::Flip(place, _) | Twist::Cut(place, _) | Twist::Insert(place, ..) | Twist::Bytes(place, _) => (*place, true),
    };
    let mut places = places(answer);
    places.retain(|path| !binary || BINARY.contains(&path.rsplit('/').next().unwrap()));
    if places.is_empty() {
        return;
    }
    let path = &places[place % places.len()];
    let target = answer.pointer_mut(path).unwrap();
    let mut bytes = target.as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default();
    match twist {
        Twist::Replace(_, value) => return *target = value,
        Twist::Remove(_) => {
            let (parent, name) = path.rsplit_once('/').unwrap();
            answer.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            return;
        }
        Twist::Flip(_, bits) => {
            for (at, mask) in bits {
                let length = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at % length) {
                    *byte ^= mask;
                }
            }
        }
        Twist::Cut(_, at) => bytes.truncate(at % (bytes.len() + 1)),
        Twist::Insert(_, at, more) => {
            let at = at % (bytes.len() + 1);
            bytes.splice(at..at, more);
        }
        Twist::Bytes(_, other) => bytes = other,
    }
    let encoded = json!(URL_SAFE_NO_PAD.encode(&bytes));
    if path == "/rawId" {
        answer["id"] = encoded.clone();
    }
    *answer.pointer_mut(path).unwrap() = encoded;
}

fn twisted(right: &Value, twists: Vec<Twist>) -> Value {
    let mut answer = right.clone();
    for twist in twists {
        apply(&mut answer, twist);
    }
    answer
}

fn client_data(answer: &Value) -> Value {
    let encoded = answer["response"]["clientDataJSON"].as_str().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

fn runner() -> TestRunner {
    TestRunner::new(ProptestConfig { cases: CASES, max_shrink_iters: 1_000, failure_persistence: None, ..ProptestConfig::default() })
}

// F9: a typed refusal each, and no panic; what is still taken says what was signed.
#[test]
fn five_thousand_assertions_that_are_none() {
    let bench = Bench::new();
    assert_eq!(bench.check(&bench.answered), Ok(Seen { counter: 1, backed_up: false }));
    let signed = ["/rawId", "/response/authenticatorData", "/response/clientDataJSON", "/response/signature"];
    let strategy = prop_oneof![8 => vec(any_twist(), 1..4).prop_map(Ok), 1 => any_json().prop_map(Err)];
    runner()
        .run(&strategy, |case| {
            let answer = case.map_or_else(|whole| whole, |twists| twisted(&bench.answered, twists));
            if bench.check(&answer).is_ok() {
                for path in signed {
                    prop_assert_eq!(answer.pointer(path), bench.answered.pointer(path), "{}", path);
                }
            }
            Ok(())
        })
        .unwrap();
}

// F9
#[test]
fn five_thousand_registrations_that_are_none() {
    let bench = Bench::new();
    let strategy = prop_oneof![8 => vec(any_twist(), 1..4).prop_map(Ok), 1 => any_json().prop_map(Err)];
    runner()
        .run(&strategy, |case| {
            let answer = case.map_or_else(|whole| whole, |twists| twisted(&bench.made, twists));
            if let Ok(new) = bench.finish(&answer) {
                // Nothing signs a registration. What is taken is a passkey all the same: made on this page for this challenge, and usable.
                let (taken, right) = (client_data(&answer), client_data(&bench.made));
                for member in ["type", "challenge"] {
                    prop_assert_eq!(&taken[member], &right[member], "{}", member);
                }
                // `HTTP://LOCALHOST` is the same one (RFC 6454).
                let origin = |data: &Value| Url::parse(data["origin"].as_str().unwrap_or_default()).map(|url| url.origin());
                prop_assert_eq!(origin(&taken), origin(&right));
                prop_assert!((1..=1023).contains(&new.credential_id.len()) && new.public_key["cred"]["cred"].is_object());
                prop_assert!(new.transports.len() <= 8 && (new.backup_eligible || !new.backed_up));
            }
            Ok(())
        })
        .unwrap();
}

// F9: the same through the front door, as far as it lets anything in.
#[tokio::test]
async fn the_front_door_takes_none_of_it() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    let deep = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let nested_cbor = URL_SAFE_NO_PAD.encode(vec![0x81; 20_000]);
    let mut wrong = vec![
        Value::Null,
        json!(7),
        json!("text"),
        json!([]),
        json!({}),
        deep(50),
        json!({"id": "AA", "rawId": "AA", "type": "public-key"}),
    ];
    let ceremony = there.begin_passkey_sign_in().await;
    let right = key.get(&ceremony.options);
    for (path, value) in [
        ("/type", json!("password")),
        ("/id", json!("AA")),
        ("/response/signature", json!("")),
        ("/response/signature", json!("not base64url!")),
        ("/response/authenticatorData", json!("AA")),
        ("/response/authenticatorData", json!(nested_cbor)),
        ("/response/clientDataJSON", json!(URL_SAFE_NO_PAD.encode("{\"type\":".repeat(200)))),
        ("/response/clientDataJSON", json!(URL_SAFE_NO_PAD.encode([0xff; 64]))),
        ("/response/userHandle", json!([1, 2, 3])),
        ("/response", json!([])),
    ] {
        let mut answer = right.clone();
        *answer.pointer_mut(path).unwrap() = value;
        wrong.push(answer);
    }
    for answer in &wrong {
        let ceremony = there.begin_passkey_sign_in().await;
        let refused = there.try_sign_in_with_passkey(&ceremony.login_token, answer).await;
        // Nothing at all is no value of the input.
        if answer.is_null() {
            refused.expect_error("BAD_REQUEST");
            continue;
        }
        refused.expect_problem("PASSKEY_INVALID");
        ada.try_begin_passkey_registration().await.expect_done();
        ada.try_finish_passkey_registration(answer, None).await.expect_problem("PASSKEY_INVALID");
    }
    let options = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    let mut made = ada.visitor.security_key().create(&options);
    made["response"]["attestationObject"] = json!(nested_cbor);
    ada.try_finish_passkey_registration(&made, None).await.expect_problem("PASSKEY_INVALID");
    let huge = there.try_sign_in_with_passkey(&ceremony.login_token, &json!({"id": "A".repeat(4 * 1024 * 1024)})).await;
    assert_eq!(huge.status, 413);
    gateway.expect_undelivered();
}
