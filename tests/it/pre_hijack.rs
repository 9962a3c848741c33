//! Attacks on accounts that are not there yet (A. Sudhodanan and A. Paverd, "Pre-hijacked accounts", 2022), each by its name: somebody
//! prepares an account with another person's contact, and waits for that person to come.

use entity::{known_devices, users};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::{Challenge, Gateway, PASSWORD, Visitor};

/// What the attacker chose.
const ATTACKERS: &str = "evil-Kettle 66 moonrise";
const VICTIM: &str = "victim@example.com";

/// The attacker signs up with the victim's address, and with whatever else a sign-up takes.
async fn prepare(attacker: &Visitor) -> Challenge {
    let input = json!({
        "contact": {"email": VICTIM}, "password": ATTACKERS, "username": "evil",
        "profile": {"displayName": "Evil", "bio": "Send me money", "locale": "th"},
    });
    attacker.try_sign_up(input).await.expect_done().into()
}

async fn accounts(gateway: &Gateway) -> Vec<users::Model> {
    users::Entity::find().all(&gateway.database().await).await.unwrap()
}

/// Whatever the attacker prepared, tried.
async fn expect_shut_out(gateway: &Gateway, attacker: &Visitor, prepared: &Challenge) {
    attacker.try_sign_in(VICTIM, ATTACKERS).await.expect_problem("CREDENTIALS_INVALID");
    attacker.try_sign_in("evil", ATTACKERS).await.expect_problem("CREDENTIALS_INVALID");
    assert_eq!(attacker.graphql("{ me { id } }", json!({})).await.expect_field(), Value::Null);
    attacker.try_refresh(None).await.expect_problem("REFRESH_TOKEN_INVALID");
    let before = gateway.inbox(VICTIM).await.len();
    gateway.advance(std::time::Duration::from_mins(1));
    attacker.try_resend(prepared).await.expect_field();
    assert_eq!(gateway.inbox(VICTIM).await.len(), before, "nothing is sent to the victim any more");
}

// A13, the classic attack: the attacker's password waits for the owner's sign-up.
#[tokio::test]
async fn classic_the_attackers_password_dies_with_the_owners_proof() {
    let gateway = Gateway::start().await;
    let (attacker, owner) = (gateway.visitor(), gateway.visitor());
    let prepared = prepare(&attacker).await;
    attacker.try_sign_in(VICTIM, ATTACKERS).await.expect_problem("CREDENTIALS_INVALID");
    let unasked = gateway.next_message(VICTIM).await;

    let challenge = owner.sign_up(VICTIM, PASSWORD).await;
    owner.confirm(&challenge, &gateway.next_message(VICTIM).await.code()).await;
    expect_shut_out(&gateway, &attacker, &prepared).await;
    // Even what was sent to the owner unasked does nothing for whoever gets hold of it.
    let refused = attacker.try_confirm(&prepared, &unasked.code()).await.expect_field();
    assert_eq!(refused["outcome"], Value::Null);
    attacker.verify_email(&unasked.link_token(), Some(ATTACKERS)).await.expect_problem("TOKEN_INVALID");
    owner.sign_in(VICTIM, PASSWORD).await;
    let all = accounts(&gateway).await;
    assert_eq!((all.len(), &all[0].username, &all[0].display_name), (1, &None, &None));
}

// A13, the classic attack by link: the owner opens what the attacker's sign-up sent, as scanners and curious people do.
#[tokio::test]
async fn classic_by_link_the_owner_gets_an_account_with_nothing_of_the_attackers() {
    let gateway = Gateway::start().await;
    let (attacker, owner) = (gateway.visitor(), gateway.visitor());
    let prepared = prepare(&attacker).await;
    let link = gateway.next_message(VICTIM).await.link_token();
    let verified = owner.verify_email(&link, None).await.expect_done();
    assert_eq!(verified["passwordKept"], false);
    gateway.next_message(VICTIM).await;
    expect_shut_out(&gateway, &attacker, &prepared).await;
    let made = accounts(&gateway).await.remove(0);
    assert_eq!(made.email.as_deref(), Some(VICTIM));
    assert_eq!((made.password_hash, made.username, made.display_name, made.bio, made.locale), (None, None, None, None, None));

    // It is the owner's: in by code, then a password of their own.
    let challenge = owner.request_sign_in_code(VICTIM).await;
    let member = owner.sign_in_with_code(&challenge, &gateway.next_message(VICTIM).await.code()).await;
    member.try_set_password(PASSWORD).await.expect_done();
    attacker.try_sign_in(VICTIM, ATTACKERS).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().sign_in(VICTIM, PASSWORD).await;
}

// A13, the unexpired session: there is none to keep, and the attacker's browser is no device of the account.
#[tokio::test]
async fn unexpired_session_an_unproved_sign_up_gives_nothing_that_could_outlive_it() {
    let gateway = Gateway::start().await;
    let attacker = gateway.visitor();
    let prepared = prepare(&attacker).await;
    assert_eq!(attacker.cookies().names(), ["postern_device"]);
    assert!(accounts(&gateway).await.is_empty());
    let link = gateway.next_message(VICTIM).await.link_token();
    gateway.visitor().verify_email(&link, None).await.expect_done();
    let database = gateway.database().await;
    assert_eq!(known_devices::Entity::find().count(&database).await.unwrap(), 0);
    assert_eq!(entity::user_sessions::Entity::find().count(&database).await.unwrap(), 0);
    // The waiting tab sees that the code is done, and that is all.
    let query = "query ($id: ID!) { challenge(id: $id) { state destination } me { id } currentSession { id } }";
    let seen = attacker.graphql(query, json!({"id": prepared.id})).await.expect_data();
    let challenge = json!({"state": "DONE", "destination": "v•••@example.com"});
    assert_eq!(seen, json!({"challenge": challenge, "me": null, "currentSession": null}));
    expect_shut_out(&gateway, &attacker, &prepared).await;
    gateway.expect_undelivered();
}

// A13, the trojan identifier: a contact or name that the attacker attached finds nobody's account but its owner's.
#[tokio::test]
async fn trojan_identifier_a_name_that_is_wished_for_is_not_reserved() {
    let gateway = Gateway::start().await;
    let (attacker, owner) = (gateway.visitor(), gateway.visitor());
    prepare(&attacker).await;
    gateway.next_message(VICTIM).await;
    let free = "{ usernameAvailable(username: \"evil\") }";
    assert_eq!(owner.graphql(free, json!({})).await.expect_field(), true);
    let input = json!({"contact": {"email": VICTIM}, "password": PASSWORD, "username": "evil"});
    let challenge: Challenge = owner.try_sign_up(input).await.expect_done().into();
    owner.confirm(&challenge, &gateway.next_message(VICTIM).await.code()).await;
    owner.sign_in("evil", PASSWORD).await;
    attacker.try_sign_in("evil", ATTACKERS).await.expect_problem("CREDENTIALS_INVALID");
    gateway.expect_undelivered();
}

// A13, the trojan identifier: an account of the attacker's own that says it has the victim's address.
#[tokio::test]
async fn trojan_identifier_an_unproved_address_names_no_account() {
    let gateway = Gateway::start().await;
    let attacker = gateway.visitor().becomes_member("attacker@example.com").await;
    let database = gateway.database().await;
    let mut row = accounts(&gateway).await.remove(0);
    (row.phone, row.phone_verified_at) = (Some("+66812345678".to_owned()), row.email_verified_at);
    (row.email, row.email_verified_at) = (Some(VICTIM.to_owned()), None);
    users::Entity::update(sea_orm::ActiveModelTrait::reset_all(users::ActiveModel::from(row))).exec(&database).await.unwrap();
    gateway.next_message("attacker@example.com").await;

    let owner = gateway.visitor();
    owner.request_sign_in_code(VICTIM).await;
    owner.request_password_reset(VICTIM).await;
    let challenge = owner.sign_up(VICTIM, PASSWORD).await;
    let sent = gateway.next_message(VICTIM).await;
    let member = owner.confirm(&challenge, &sent.code()).await;
    assert_ne!(member.user_id, attacker.user_id);
    gateway.next_message(VICTIM).await;
    owner.sign_in(VICTIM, PASSWORD).await;
    // The attacker's account is not found by it, neither by password nor by code.
    gateway.visitor().try_sign_in(VICTIM, PASSWORD).await.expect_done();
    gateway.next_message(VICTIM).await;
    let elsewhere = gateway.visitor();
    let challenge = elsewhere.request_sign_in_code(VICTIM).await;
    let signed_in = elsewhere.sign_in_with_code(&challenge, &gateway.next_message(VICTIM).await.code()).await;
    assert_eq!(signed_in.user_id, member.user_id);
    gateway.expect_undelivered();
}

// A13: many begin with one contact; each has a code of their own, and what one typed is never what another gets.
#[tokio::test]
async fn several_people_who_begin_with_one_contact_do_not_disturb_one_another() {
    let gateway = Gateway::start().await;
    let (attacker, owner) = (gateway.visitor(), gateway.visitor());
    let hers = owner.sign_up(VICTIM, PASSWORD).await;
    let right = gateway.next_message(VICTIM).await;
    let prepared = prepare(&attacker).await;
    let unasked = gateway.next_message(VICTIM).await;
    for _ in 0..3 {
        attacker.try_confirm(&prepared, "00000x").await.expect_problem("CODE_INVALID");
    }
    if right.code() != unasked.code() {
        let problem = owner.try_confirm(&hers, &unasked.code()).await.expect_problem("CODE_INVALID");
        assert_eq!(problem["attemptsLeft"], 2, "the attacker's guesses were the attacker's");
    }
    owner.confirm(&hers, &right.code()).await;
    expect_shut_out(&gateway, &attacker, &prepared).await;
    owner.sign_in(VICTIM, PASSWORD).await;
    gateway.expect_undelivered();
}

// A13: the same with a number.
#[tokio::test]
async fn classic_by_phone_the_attackers_password_dies_with_the_owners_proof() {
    let gateway = Gateway::start().await;
    let (attacker, owner) = (gateway.visitor(), gateway.visitor());
    let sign_up = async |visitor: &Visitor, password: &str| -> Challenge {
        let input = json!({"contact": {"phone": "+66812345678"}, "password": password});
        visitor.try_sign_up(input).await.expect_done().into()
    };
    let prepared = sign_up(&attacker, ATTACKERS).await;
    let unasked = gateway.next_message("+66812345678").await.code();
    let challenge = sign_up(&owner, PASSWORD).await;
    owner.confirm(&challenge, &gateway.next_message("+66812345678").await.code()).await;
    assert_eq!(attacker.try_confirm(&prepared, &unasked).await.expect_field()["outcome"], Value::Null);
    attacker.try_sign_in("+66812345678", ATTACKERS).await.expect_problem("CREDENTIALS_INVALID");
    owner.sign_in("+66812345678", PASSWORD).await;
    assert_eq!(accounts(&gateway).await.len(), 1);
}

// A13, A9: a contact that has its account already: the sign-up changes nothing, and its owner hears of it.
#[tokio::test]
async fn too_late_a_sign_up_changes_nothing_about_an_account() {
    let gateway = Gateway::start().await;
    let owner = gateway.visitor().becomes_member(VICTIM).await;
    gateway.next_message(VICTIM).await;
    let before = accounts(&gateway).await;
    let attacker = gateway.visitor();
    let prepared = prepare(&attacker).await;
    let notice = gateway.next_message(VICTIM).await;
    assert_eq!((notice.code, notice.link), (None, None));
    assert_eq!(accounts(&gateway).await, before);
    expect_shut_out(&gateway, &attacker, &prepared).await;
    owner.me().await;
    gateway.visitor().sign_in(VICTIM, PASSWORD).await;
    gateway.expect_undelivered();
}
