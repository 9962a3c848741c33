//! What must not work.

use entity::users::Status;
use serde_json::{Value, json};

use super::{problem, with_security_key, without_buckets};
use crate::{
    sign_in_by_code::{MINUTE, SECOND, account, set_status},
    support::{
        Authenticator, Gateway,
        authenticator::{BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED},
    },
};

/// What an attacker does to an authenticator.
type Twist = fn(&mut Authenticator);

// F1
#[tokio::test]
async fn an_answer_counts_once_and_for_five_minutes() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    let ceremony = there.begin_passkey_sign_in().await;
    let answer = key.get(&ceremony.options);
    there.try_sign_in_with_passkey(&ceremony.login_token, &answer).await.expect_done();
    let replayed = there.try_sign_in_with_passkey(&ceremony.login_token, &answer).await.expect_problem("TOKEN_INVALID");
    assert_eq!(replayed["path"], json!(["input", "loginToken"]));
    // Neither does an answer to one challenge count for another.
    let other = there.begin_passkey_sign_in().await;
    there.try_sign_in_with_passkey(&other.login_token, &answer).await.expect_problem("PASSKEY_INVALID");
    // A wrong one uses the challenge up as well.
    there.try_sign_in_with_passkey(&other.login_token, &key.get(&other.options)).await.expect_problem("TOKEN_INVALID");
    let late = there.begin_passkey_sign_in().await;
    gateway.advance(5 * MINUTE);
    there.try_sign_in_with_passkey(&late.login_token, &key.get(&late.options)).await.expect_problem("TOKEN_INVALID");
    let soon = there.begin_passkey_sign_in().await;
    gateway.advance(5 * MINUTE - SECOND);
    there.try_sign_in_with_passkey(&soon.login_token, &key.get(&soon.options)).await.expect_done();
    for token in ["", "x", &"A".repeat(43), &other.login_token[1..]] {
        there.try_sign_in_with_passkey(token, &answer).await.expect_problem("TOKEN_INVALID");
    }
    assert_eq!(ada.me().await["id"], ada.user_id);
    gateway.expect_undelivered();
}

// F1: what was begun for one thing is good for no other.
#[tokio::test]
async fn a_registration_is_no_sign_in() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    let registration = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    let ceremony = there.begin_passkey_sign_in().await;
    // The challenge of a registration, at a sign-in; and the other way round.
    key.challenge = Some(registration["challenge"].clone());
    assert_eq!(problem(&there.try_sign_in_with_passkey(&ceremony.login_token, &key.get(&ceremony.options)).await), "PASSKEY_INVALID");
    let mut second = ada.visitor.security_key();
    second.challenge = Some(there.begin_passkey_sign_in().await.options["challenge"].clone());
    assert_eq!(problem(&ada.try_finish_passkey_registration(&second.create(&registration), None).await), "PASSKEY_INVALID");
    // The type of the other ceremony.
    key.challenge = None;
    key.client_data_type = Some("webauthn.create");
    assert_eq!(problem(&there.try_passkey(&mut key).await), "PASSKEY_INVALID");
    let mut third = ada.visitor.security_key();
    third.client_data_type = Some("webauthn.get");
    assert_eq!(problem(&ada.try_add_passkey(&mut third).await), "PASSKEY_INVALID");
    // Whole answers in each other's place.
    let ceremony = there.begin_passkey_sign_in().await;
    let options = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    key.client_data_type = None;
    let (made, answered) = (ada.visitor.security_key().create(&options), key.get(&ceremony.options));
    assert_eq!(problem(&there.try_sign_in_with_passkey(&ceremony.login_token, &made).await), "PASSKEY_INVALID");
    assert_eq!(problem(&ada.try_finish_passkey_registration(&answered, None).await), "PASSKEY_INVALID");
    gateway.expect_undelivered();
}

// F1: a registration belongs to its session, counts once, and a newer one takes its place.
#[tokio::test]
async fn a_registration_belongs_to_its_session() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let other_session = gateway.app_user().sign_in("ada@example.com", crate::support::PASSWORD).await;
    let options = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    let mut key = ada.visitor.security_key();
    let made = key.create(&options);
    other_session.try_finish_passkey_registration(&made, None).await.expect_problem("PASSKEY_INVALID");
    let newer = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    ada.try_finish_passkey_registration(&made, None).await.expect_problem("PASSKEY_INVALID");
    // It was taken by that.
    ada.try_finish_passkey_registration(&key.create(&newer), None).await.expect_problem("PASSKEY_INVALID");
    let late = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    gateway.advance(5 * MINUTE);
    ada.try_finish_passkey_registration(&key.create(&late), None).await.expect_problem("PASSKEY_INVALID");
    let once = ada.try_begin_passkey_registration().await.expect_done()["options"].clone();
    let made = key.create(&once);
    ada.try_finish_passkey_registration(&made, None).await.expect_done();
    ada.try_finish_passkey_registration(&made, None).await.expect_problem("PASSKEY_INVALID");
    gateway.expect_undelivered();
}

// F2
#[tokio::test]
async fn an_answer_from_elsewhere_or_from_nobody_is_refused() {
    let gateway = without_buckets().await;
    let (ada, key) = with_security_key(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    let twists: [(&str, Twist); 9] = [
        ("another origin", |key| key.origin = "https://evil.example".to_owned()),
        ("a name that only ends alike", |key| key.origin = "http://evillocalhost".to_owned()),
        ("an origin that is none", |key| key.origin = "null".to_owned()),
        ("within a foreign page", |key| key.cross_origin = true),
        ("another relying party", |key| key.rp_id = Some("evil.example".to_owned())),
        ("nobody there", |key| key.flags = USER_VERIFIED),
        ("nobody verified", |key| key.flags = USER_PRESENT),
        ("nothing at all", |key| key.flags = 0),
        ("a type of its own", |key| key.client_data_type = Some("payment.get")),
    ];
    for (what, twist) in twists {
        let mut twisted = key.clone();
        twist(&mut twisted);
        let refused = there.try_passkey(&mut twisted).await.expect_problem("PASSKEY_INVALID");
        assert_eq!(refused["path"], json!(["input", "credential"]), "{what}");
        let mut new = ada.visitor.security_key();
        twist(&mut new);
        assert_eq!(problem(&ada.try_add_passkey(&mut new).await), "PASSKEY_INVALID", "{what}");
    }
    // The signature is the passkey's own.
    let mut forged = ada.visitor.security_key();
    forged.credential_id.clone_from(&key.credential_id);
    forged.user_handle.clone_from(&key.user_handle);
    assert_eq!(problem(&there.try_passkey(&mut forged).await), "PASSKEY_INVALID");
    // A port of loopback is as good as another, in development.
    let mut dev_server = key.clone();
    dev_server.origin = "https://localhost:5173".to_owned();
    there.sign_in_with_passkey(&mut dev_server).await;
    gateway.expect_undelivered();
}

// F2: in production the ports count.
#[tokio::test]
async fn only_the_origins_of_the_settings_count() {
    let gateway = Gateway::start_with(|config| config.passkeys.any_port = false).await;
    let ada = account(&gateway, "ada@example.com").await;
    let mut key = ada.visitor.security_key();
    key.origin = "http://localhost:5173".to_owned();
    assert_eq!(problem(&ada.try_add_passkey(&mut key).await), "PASSKEY_INVALID");
    key.origin = format!("http://a.localhost:{}", gateway.config.http.listen.port());
    assert_eq!(problem(&ada.try_add_passkey(&mut key).await), "PASSKEY_INVALID");
    key.origin.clone_from(&gateway.origin);
    ada.add_passkey(&mut key).await;
    gateway.next_message("ada@example.com").await;
}

// F3
#[tokio::test]
async fn a_counter_only_goes_up() {
    let gateway = without_buckets().await;
    let (_, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    key.counter = 41;
    there.sign_in_with_passkey(&mut key).await;
    for (counter, counts) in [(40, true), (10, true), (41, true), (0, false)] {
        let mut copy = key.clone();
        (copy.counter, copy.counts) = (if counts { counter - 1 } else { counter }, counts);
        there.try_passkey(&mut copy).await.expect_problem("PASSKEY_INVALID");
    }
    key.counter = 42;
    there.sign_in_with_passkey(&mut key).await;
    // One without a counter stays at nothing.
    let bob = account(&gateway, "bob@example.com").await;
    let mut phone = bob.visitor.phone();
    bob.add_passkey(&mut phone).await;
    for _ in 0..3 {
        there.sign_in_with_passkey(&mut phone).await;
    }
    gateway.expect_undelivered();
}

// F4
#[tokio::test]
async fn a_passkey_belongs_to_one_user() {
    let gateway = without_buckets().await;
    let (ada, key) = with_security_key(&gateway, "ada@example.com").await;
    let bob = account(&gateway, "bob@example.com").await;
    let mut same = bob.visitor.security_key();
    same.credential_id.clone_from(&key.credential_id);
    let refused = bob.try_add_passkey(&mut same).await.expect_problem("PASSKEY_ALREADY_REGISTERED");
    assert_eq!(refused["path"], json!(["input", "credential"]));
    assert_eq!(bob.passkeys().await.len(), 0);
    // Nor twice to the same: such a client did not heed the list.
    let mut again = key.clone();
    assert_eq!(problem(&ada.try_add_passkey(&mut again).await), "PASSKEY_INVALID");
    // Ids are 1 to 1,023 bytes.
    for (length, expected) in [(0, "PASSKEY_INVALID"), (1, "DONE"), (1023, "DONE"), (1024, "PASSKEY_INVALID"), (4000, "PASSKEY_INVALID")] {
        let mut key = bob.visitor.security_key();
        key.credential_id = vec![7; length];
        assert_eq!(problem(&bob.try_add_passkey(&mut key).await), expected, "{length}");
    }
    gateway.expect_undelivered();
}

// F5: nothing tells who has an account, or a passkey.
#[tokio::test]
async fn beginning_tells_nothing() {
    let gateway = without_buckets().await;
    let shape = |options: &Value| {
        let mut options = options.clone();
        options["challenge"] = json!(options["challenge"].as_str().unwrap().len());
        options
    };
    let visitor = gateway.app_user();
    let before = visitor.begin_passkey_sign_in().await;
    let (_, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let after = visitor.begin_passkey_sign_in().await;
    assert_eq!(shape(&before.options), shape(&after.options));
    assert_eq!(before.login_token.len(), after.login_token.len());
    // An answer that is nobody's looks like one that is wrong.
    let stranger_key = &mut visitor.security_key();
    stranger_key.user_handle = Some(vec![7; 16]);
    let nobodys = visitor.try_passkey(stranger_key).await;
    key.flags = USER_PRESENT;
    let wrong = visitor.try_passkey(&mut key).await;
    assert_eq!((nobodys.status, nobodys.body), (wrong.status, wrong.body));
    gateway.expect_undelivered();
}

// F6
#[tokio::test]
async fn the_user_handle_must_be_the_owners() {
    let gateway = without_buckets().await;
    let (_, ada_key) = with_security_key(&gateway, "ada@example.com").await;
    let (_, bob_key) = with_security_key(&gateway, "bob@example.com").await;
    let there = gateway.app_user();
    for handle in [bob_key.user_handle.clone(), None, Some(Vec::new()), Some(b"ada@example.com".to_vec()), Some(vec![0; 64])] {
        let mut key = ada_key.clone();
        key.user_handle = handle;
        assert_eq!(problem(&there.try_passkey(&mut key).await), "PASSKEY_INVALID");
    }
    // The names of a credential must agree.
    let ceremony = there.begin_passkey_sign_in().await;
    let mut answer = ada_key.clone().get(&ceremony.options);
    answer["id"] = bob_key.clone().get(&ceremony.options)["id"].clone();
    assert_eq!(problem(&there.try_sign_in_with_passkey(&ceremony.login_token, &answer).await), "PASSKEY_INVALID");
    gateway.expect_undelivered();
}

// F7
#[tokio::test]
async fn nobody_touches_the_passkeys_of_others() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let bob = account(&gateway, "bob@example.com").await;
    let id = ada.passkeys().await[0]["id"].as_str().unwrap().to_owned();
    let nobodys = uuid::Uuid::from_u128(7).to_string();
    for id in [id.as_str(), nobodys.as_str(), "x", ""] {
        let refused = bob.try_rename_passkey(id, "mine").await.expect_problem("NOT_FOUND");
        assert_eq!(refused["path"], json!(["input", "passkeyId"]));
        bob.try_delete_passkey(id).await.expect_problem("NOT_FOUND");
    }
    assert_eq!(ada.passkeys().await[0]["name"], "Firefox on Windows");
    gateway.app_user().sign_in_with_passkey(&mut key).await;
    gateway.expect_undelivered();
}

// F8
#[tokio::test]
async fn where_copies_may_be_never_changes_and_where_they_are_is_kept() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    let mut phone = ada.visitor.phone();
    phone.flags &= !BACKED_UP;
    ada.add_passkey(&mut phone).await;
    let states = || async { (ada.passkeys().await[0]["deviceType"].clone(), ada.passkeys().await[0]["backedUp"].clone()) };
    assert_eq!(states().await, (json!("MULTI_DEVICE"), json!(false)));
    phone.flags |= BACKED_UP;
    there.sign_in_with_passkey(&mut phone).await;
    assert_eq!(states().await, (json!("MULTI_DEVICE"), json!(true)));
    let mut changed = phone.clone();
    changed.flags = USER_PRESENT | USER_VERIFIED;
    assert_eq!(problem(&there.try_passkey(&mut changed).await), "PASSKEY_INVALID");
    let (_, key) = with_security_key(&gateway, "bob@example.com").await;
    for flags in [BACKUP_ELIGIBLE, BACKED_UP, BACKUP_ELIGIBLE | BACKED_UP] {
        let mut changed = key.clone();
        changed.flags |= flags;
        assert_eq!(problem(&there.try_passkey(&mut changed).await), "PASSKEY_INVALID", "{flags}");
    }
    gateway.expect_undelivered();
}

// C17: suspended, banned and inactive accounts are told so, and only after a right answer.
#[tokio::test]
async fn an_account_that_may_not_be_used_is_not() {
    let gateway = without_buckets().await;
    let (ada, mut key) = with_security_key(&gateway, "ada@example.com").await;
    let there = gateway.app_user();
    for (status, code) in
        [(Status::Suspended, "ACCOUNT_SUSPENDED"), (Status::Banned, "ACCOUNT_BANNED"), (Status::Inactive, "ACCOUNT_INACTIVE")]
    {
        set_status(&gateway, &ada, status).await;
        let mut wrong = key.clone();
        wrong.flags = USER_PRESENT;
        there.try_passkey(&mut wrong).await.expect_problem("PASSKEY_INVALID");
        there.try_passkey(&mut key).await.expect_problem(code);
    }
    set_status(&gateway, &ada, Status::Active).await;
    there.sign_in_with_passkey(&mut key).await;
    gateway.expect_undelivered();
}

// H1: one of these in an operation, but for the harmless one.
#[tokio::test]
async fn they_do_not_stand_together() {
    let gateway = Gateway::start().await;
    let visitor = gateway.app_user();
    let twice = "mutation { a: beginPasskeySignIn { loginToken } b: beginPasskeySignIn { loginToken } }";
    visitor.graphql(twice, json!({})).await.expect_error("OPERATION_TOO_COMPLEX");
    let ada = account(&gateway, "ada@example.com").await;
    let (a, b) = (
        "renamePasskey(input: {passkeyId: \"x\", name: \"y\"}) { problems { code } }",
        "deletePasskey(input: {passkeyId: \"x\"}) { problems { code } }",
    );
    ada.graphql(&format!("mutation {{ a: {a} b: {a} c: {b} }}"), json!({})).await.expect_data();
    ada.graphql(&format!("mutation {{ a: {b} b: {b} }}"), json!({})).await.expect_error("OPERATION_TOO_COMPLEX");
}
