//! Accounts that come from another program: taken over at the command line, proved at their first sign-in.

use std::{fs, process::Command};

use entity::{user_audit_log, users};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::support::{Challenge, Gateway, PASSWORD};

/// Of [`PASSWORD`], by libxcrypt, Python's hashlib, and of Firebase's README.
const BCRYPT: &str = "$2b$04$R9h/cIPz0gi.URNNX3kh2OavqMFb0eie6xsqkZ3ZNJnOSeeStkimy";
const DJANGO: &str = "pbkdf2_sha256$1000$abcdefgh$FzMQYJMeNU6gsklB/SqCKRqoI+Nuan++Ez5cTSsXXow=";
const FIREBASE: &str = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
/// Of 80 times `x`, by libxcrypt.
const BCRYPT_OF_80: &str = "$2b$04$R9h/cIPz0gi.URNNX3kh2Owx9bCyO4B6Ax30vqvpucN6uCHSum1/a";
/// Of `cafe\u{301} au lait 47` as it is typed on a Mac (decomposed), by Python's hashlib.
const DECOMPOSED: &str = "pbkdf2_sha256$1000$abcdefgh$jrkKc6Gf29zo/MH6FyZYpt4zApiYwXgixg1jwmA7puQ=";

/// Runs `postern users import` on the gateway's data. What it said, and whether it went well.
async fn import(gateway: &Gateway, lines: &[Value], flags: &[&str]) -> (bool, String) {
    let text: String = lines.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned) + "\n").collect();
    let file = gateway.place.folder.join("accounts.jsonl");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.env_clear().current_dir(&gateway.place.folder).args(["users", "import"]).arg(&file).args(flags).envs([
        ("POSTERN_DATA_DIR", gateway.place.folder.to_str().unwrap()),
        ("POSTERN_SECRET", "the fixed secret of every test and long enough"),
        ("POSTERN_DATABASE__URL", &gateway.config.database.url),
    ]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

async fn imported(gateway: &Gateway, lines: &[Value]) {
    let (done, said) = import(gateway, lines, &[]).await;
    assert!(done, "{said}");
}

async fn hash_of(gateway: &Gateway, email: &str) -> Option<String> {
    let row = users::Entity::find().filter(users::Column::Email.eq(email)).one(&gateway.database().await).await.unwrap();
    row.unwrap().password_hash
}

/// The challenge that a right password led to.
fn verification(outcome: &Value) -> Challenge {
    assert_eq!(outcome["__typename"], "VerificationRequired", "{outcome}");
    Challenge::from(outcome.clone())
}

// A5: whatever made the hash, the old password signs in, and is kept as Argon2id from then on.
#[tokio::test]
async fn people_sign_in_with_their_old_passwords_and_are_rehashed() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let id = "0190a000-0000-7000-8000-000000000001";
    imported(
        &gateway,
        &[
            json!({"id": id, "email": "Ada@Example.com", "emailVerified": true, "username": "Ada_1", "passwordHash": BCRYPT,
                "profile": {"displayName": "Ada", "dateOfBirth": "1990-04-01", "address": {"country": "TH"}},
                "metadata": {"plan": "gold"}, "createdAt": "2020-01-02T03:04:05Z"}),
            json!({"email": "bob@example.com", "emailVerified": true, "passwordHash": DJANGO}),
            json!({"phone": "+66812345678", "phoneVerified": true, "username": "carol", "passwordHash": FIREBASE}),
        ],
    )
    .await;
    let ada = gateway.visitor().sign_in("ada_1", PASSWORD).await;
    assert_eq!((ada.user_id.as_str(), ada.is_new_user), (id, false));
    let me = ada.graphql("{ me { email displayName dateOfBirth createdAt metadata address { country } } }", json!({})).await.expect_field();
    let expected = json!({"email": "ada@example.com", "displayName": "Ada", "dateOfBirth": "1990-04-01",
        "createdAt": "2020-01-02T03:04:05.000Z", "metadata": {"plan": "gold"}, "address": {"country": "TH"}});
    assert_eq!(me, expected);
    gateway.visitor().try_sign_in("bob@example.com", "plum-kettle 47 sundial").await.expect_problem("CREDENTIALS_INVALID");
    assert_eq!(hash_of(&gateway, "bob@example.com").await.as_deref(), Some(DJANGO), "a wrong password changes nothing");
    gateway.visitor().sign_in("bob@example.com", PASSWORD).await;
    gateway.visitor().sign_in("+66812345678", "user1password").await;
    gateway.visitor().sign_in("carol", "user1password").await;
    for email in ["ada@example.com", "bob@example.com"] {
        let hash = hash_of(&gateway, email).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        gateway.visitor().sign_in(email, PASSWORD).await;
    }
    let rows = user_audit_log::Entity::find().filter(user_audit_log::Column::EventType.eq("account_created"));
    let rows = rows.all(&gateway.database().await).await.unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!((row.actor, &row.metadata["imported"]), (entity::user_sessions::Actor::System, &json!(true)));
        assert!(!row.metadata.to_string().contains('$'), "no hash in the audit log");
    }
}

// A2: the trap of bcrypt's 72 bytes closes with the first sign-in; what other programs never normalized is taken as it was typed.
#[tokio::test]
async fn long_and_decomposed_passwords_are_taken_as_before_and_exactly_from_then_on() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    imported(
        &gateway,
        &[
            json!({"email": "ada@example.com", "emailVerified": true, "passwordHash": BCRYPT_OF_80}),
            json!({"email": "bob@example.com", "emailVerified": true, "passwordHash": DECOMPOSED}),
        ],
    )
    .await;
    gateway.visitor().try_sign_in("ada@example.com", &"x".repeat(71)).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().sign_in("ada@example.com", &"x".repeat(80)).await;
    for other in ["x".repeat(72), "x".repeat(79), "x".repeat(79) + "y"] {
        gateway.visitor().try_sign_in("ada@example.com", &other).await.expect_problem("CREDENTIALS_INVALID");
    }
    gateway.visitor().sign_in("ada@example.com", &"x".repeat(80)).await;
    gateway.visitor().sign_in("bob@example.com", "cafe\u{301} au lait 47").await;
    gateway.visitor().sign_in("bob@example.com", "caf\u{e9} au lait 47").await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_by_line_and_nothing_is_written() {
    let gateway = Gateway::start().await;
    gateway.visitor().becomes_member("there@example.com").await;
    let lines = [
        json!({"email": "ada@example.com", "passwordHash": "$1$abc$md5"}),
        json!({"email": "no address", "phone": "x", "username": "admin", "role": "ADMIN", "createdAt": "2999-01-01T00:00:00Z",
            "profile": {"locale": "not a tag", "address": {"country": "XX"}, "age": 3}}),
        json!("not json"),
        json!({"username": "nobody"}),
        json!({"email": "bob@example.com", "passwordHash": "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$RdescudvJCsgt3ub"}),
        json!({"email": "BOB@example.com", "phoneVerified": true}),
        json!({"email": "bob@EXAMPLE.com"}),
        json!({"email": "There@example.com", "username": "somebody_else"}),
        json!({"email": "fine@example.com"}),
    ];
    for flags in [&["--dry-run"][..], &[]] {
        let (done, said) = import(&gateway, &lines, flags).await;
        assert!(!done, "{said}");
        for expected in [
            "line 1: passwordHash: this is no password hash of a known format",
            "line 2: email: ",
            "line 2: phone: ",
            "line 2: username: ",
            "line 2: role: there is no such field",
            "line 2: createdAt: this lies in the future",
            "line 2: profile.locale: ",
            "line 2: profile.address.country: ",
            "line 2: profile.age: there is no such field",
            "line 3: this is not one JSON object",
            "line 4: an account needs an e-mail address or a phone number",
            "line 5: passwordHash: this password hash asks for too much memory or time",
            "line 6: phoneVerified: ",
            "line 8: email: this belongs to another account",
        ] {
            assert!(said.contains(expected), "{expected}\n{said}");
        }
        assert!(!said.contains("md5") && !said.contains("line 9"), "{said}");
    }
    assert_eq!(users::Entity::find().all(&gateway.database().await).await.unwrap().len(), 1);
    let (done, said) = import(&gateway, &lines, &["--skip-invalid"]).await;
    assert!(!done && said.contains("imported 2, 0 there already, 7 left out"), "{said}");
}

#[tokio::test]
async fn a_file_may_be_imported_again_and_again() {
    let gateway = Gateway::start().await;
    let lines: Vec<Value> = (0..450)
        .map(|number| json!({"email": format!("u{number}@example.com"), "emailVerified": number % 2 == 0, "username": format!("user{number}")}))
        .collect();
    let (done, said) = import(&gateway, &lines, &["--dry-run"]).await;
    assert!(done && said.contains("450 new, 0 there already, 0 wrong"), "{said}");
    let (done, said) = import(&gateway, &lines[..300], &[]).await;
    assert!(done && said.contains("imported 300, 0 there already"), "{said}");
    let (done, said) = import(&gateway, &lines, &[]).await;
    assert!(done && said.contains("imported 150, 300 there already"), "{said}");
    let (done, said) = import(&gateway, &lines, &[]).await;
    assert!(done && said.contains("imported 0, 450 there already"), "{said}");
    assert_eq!(users::Entity::find().all(&gateway.database().await).await.unwrap().len(), 450);
}

// The right password alone is not enough where nobody ever proved the contact; with the code it is, and nothing is lost.
#[tokio::test]
async fn an_unverified_contact_is_proved_at_the_first_sign_in() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    imported(&gateway, &[json!({"email": "ada@example.com", "username": "ada_1", "passwordHash": BCRYPT})]).await;
    let ada = gateway.visitor();
    ada.try_sign_in("ada@example.com", "wrong password 47").await.expect_problem("CREDENTIALS_INVALID");
    assert!(gateway.unread("ada@example.com").await.is_empty());
    let answer = ada.try_sign_in("ada_1", PASSWORD).await;
    assert!(!answer.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().contains("access")), "no session yet");
    let challenge = verification(&answer.expect_done()["outcome"]);
    assert_eq!(ada.graphql("{ me { id } }", json!({})).await.expect_field(), Value::Null);
    let query = "query ($id: ID!) { challenge(id: $id) { purpose channel destination state } }";
    let told = ada.graphql(query, json!({"id": challenge.id})).await.expect_field();
    assert_eq!(told, json!({"purpose": "SIGN_UP", "channel": "EMAIL", "destination": "a•••@example.com", "state": "PENDING"}));
    let message = gateway.next_message("ada@example.com").await;
    assert_eq!(message.link, None);
    // A code again, after a while; the one before is over.
    gateway.advance(std::time::Duration::from_secs(61));
    ada.try_resend(&challenge).await.expect_done();
    let newer = gateway.next_message("ada@example.com").await.code();
    if newer != message.code() {
        ada.try_confirm(&challenge, &message.code()).await.expect_problem("CODE_INVALID");
    }
    let member = ada.confirm(&challenge, &newer).await;
    assert!(!member.is_new_user);
    ada.try_confirm(&challenge, &newer).await.expect_problem("CODE_INVALID");
    let me = member.graphql("{ me { username emailVerifiedAt hasPassword } }", json!({})).await.expect_field();
    assert!(me["emailVerifiedAt"].is_string() && me["hasPassword"] == true && me["username"] == "ada_1", "{me}");
    gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    assert!(hash_of(&gateway, "ada@example.com").await.unwrap().starts_with("$argon2id$"));
}

// A13: an attacker had put the address of the victim on an account in the old program, with a password of their own, and waits. Whatever they hold,
// it is worth nothing once the victim has proved the address.
#[tokio::test]
async fn an_account_that_waited_for_the_true_owner_is_wiped_by_their_proof() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    imported(&gateway, &[json!({"email": "victim@example.com", "username": "waiting", "passwordHash": BCRYPT})]).await;
    let (attacker, victim) = (gateway.visitor(), gateway.visitor());
    let waiting = verification(&attacker.try_sign_in("victim@example.com", PASSWORD).await.expect_done()["outcome"]);
    let code_of_attacker = gateway.next_message("victim@example.com").await.code();

    let member = {
        let challenge = victim.sign_up("victim@example.com", "entirely other Words 12").await;
        let code = gateway.next_message("victim@example.com").await.code();
        victim.confirm(&challenge, &code).await
    };
    assert!(member.is_new_user);
    gateway.next_message("victim@example.com").await;
    // Even with the code that came to the victim's mailbox.
    attacker.try_confirm(&waiting, &code_of_attacker).await.expect_problem("CODE_INVALID");
    for identifier in ["victim@example.com", "waiting"] {
        attacker.try_sign_in(identifier, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    }
    let asked = attacker.request_sign_in_code("victim@example.com").await;
    let code = gateway.next_message("victim@example.com").await.code();
    let signed_in = gateway.visitor().try_sign_in_with_code(&asked, &code).await.expect_done();
    assert_eq!(signed_in["outcome"]["user"]["id"], json!(member.user_id), "the address leads to its owner alone");
    let rows = users::Entity::find().filter(users::Column::Username.eq("waiting")).one(&gateway.database().await).await.unwrap().unwrap();
    assert_eq!((rows.email, rows.password_hash), (None, None));
    assert_eq!(gateway.visitor().sign_in("victim@example.com", "entirely other Words 12").await.user_id, member.user_id);
}

// A13: who has proved another contact keeps the account, and loses what was never theirs.
#[tokio::test]
async fn an_account_with_another_proof_loses_the_contact_alone() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let line = json!({"email": "ada@example.com", "phone": "+66812345678", "phoneVerified": true, "passwordHash": BCRYPT});
    imported(&gateway, &[line]).await;
    let bob = gateway.visitor().sign_in("+66812345678", PASSWORD).await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    assert_ne!(ada.user_id, bob.user_id);
    assert_eq!(bob.me().await["email"], Value::Null);
    gateway.visitor().sign_in("+66812345678", PASSWORD).await;
    assert_eq!(gateway.visitor().sign_in("ada@example.com", PASSWORD).await.user_id, ada.user_id);
}

// Of several accounts that hold a contact without a proof, it names none; and a code or a reset never reaches an unproved one.
#[tokio::test]
async fn an_unproved_contact_names_an_account_for_its_password_alone() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    imported(&gateway, &[json!({"email": "ada@example.com", "username": "first", "passwordHash": BCRYPT})]).await;
    gateway.visitor().request_sign_in_code("ada@example.com").await;
    gateway.visitor().request_password_reset("ada@example.com").await;
    verification(&gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_done()["outcome"]);
    let messages = {
        gateway.next_message("ada@example.com").await;
        gateway.unread("ada@example.com").await
    };
    assert!(messages.is_empty(), "{messages:?}");
    let row = users::Entity::find().filter(users::Column::Username.eq("first")).one(&gateway.database().await).await.unwrap().unwrap();
    let other = users::Model { id: uuid::Uuid::from_u128(7), username: Some("second".to_owned()), ..row };
    let other = users::ActiveModel::from(other);
    users::Entity::insert(sea_orm::ActiveModelTrait::reset_all(other)).exec_without_returning(&gateway.database().await).await.unwrap();
    gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    verification(&gateway.visitor().try_sign_in("second", PASSWORD).await.expect_done()["outcome"]);
    gateway.next_message("ada@example.com").await;
}
