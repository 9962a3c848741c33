//! What an address that a provider tells leads to: a table of what the provider says of it, and of what stands here.

use entity::users;
use postern::config::ProviderKind;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use super::{World, accounts_with, change_user};
use crate::support::{Gateway, PASSWORD, provider::Person};

const EMAIL: &str = "ann@example.com";

/// What stands here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Local {
    /// An account that proved the address.
    Verified,
    /// An account that has it without a proof, and a password that somebody set.
    Unverified,
    Nothing,
}

/// What it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    /// To the account that proved it too.
    Owner,
    /// To a new account with that address.
    NewWithAddress,
    /// To a new account without any.
    NewWithout,
}

async fn unverified(gateway: &Gateway, email: &str) -> users::Model {
    // By sign-up and hand, as an import leaves it.
    let member = gateway.visitor().becomes_member(&format!("was-{email}")).await;
    gateway.next_message(&format!("was-{email}")).await;
    change_user(gateway, &member.user_id, |row| (row.email, row.email_verified_at) = (Some(email.to_owned()), None)).await;
    accounts_with(gateway, email).await.remove(0)
}

// E6: verified × {true, false, "true", "false", absent} × local {verified, unverified, none}, for each kind of provider that publishes keys.
#[tokio::test]
async fn an_address_counts_only_where_both_proved_it() {
    let says = [Some(json!(true)), Some(json!(false)), Some(json!("true")), Some(json!("false")), None, Some(json!(1)), Some(json!("yes"))];
    for kind in [ProviderKind::Oidc, ProviderKind::Google] {
        let World { gateway, provider } = World::of_kind(kind, |_| {}).await;
        let mut number = 0;
        for said in &says {
            for local in [Local::Verified, Local::Unverified, Local::Nothing] {
                number += 1;
                let email = format!("ann-{number}@example.com");
                let before = match local {
                    Local::Verified => Some(gateway.visitor().becomes_member(&email).await.user_id),
                    Local::Unverified => Some(unverified(&gateway, &email).await.id.to_string()),
                    Local::Nothing => None,
                };
                let mut person = Person { claims: json!({"sub": format!("s-{number}"), "email": email}) };
                if let Some(said) = said {
                    person.claims["email_verified"] = said.clone();
                }
                let leads = match (said == &Some(json!(true)), local) {
                    (true, Local::Verified) => Leads::Owner,
                    (true, Local::Unverified | Local::Nothing) => Leads::NewWithAddress,
                    (false, _) => Leads::NewWithout,
                };
                let row = format!("{kind:?}: {said:?} × {local:?}");
                let member = gateway.visitor().sign_in_with("acme", &provider, &person).await;
                let told = member.me().await["email"].clone();
                assert_eq!(member.is_new_user, leads != Leads::Owner, "{row}");
                assert_eq!(Some(&member.user_id) == before.as_ref(), leads == Leads::Owner, "{row}");
                assert_eq!(told, if leads == Leads::NewWithout { Value::Null } else { json!(email) }, "{row}");
                // Nothing of the account that was there has changed, unless its address was proved by somebody else.
                if let Some(before) = before.filter(|_| leads != Leads::Owner) {
                    let kept = users::Entity::find_by_id(before.parse::<uuid::Uuid>().unwrap())
                        .one(&gateway.database().await)
                        .await
                        .unwrap()
                        .unwrap();
                    assert_eq!(kept.email.is_some(), leads == Leads::NewWithout, "{row}");
                    assert_eq!(kept.password_hash.is_some(), leads == Leads::NewWithout, "{row}: wiped");
                }
            }
        }
        gateway.expect_undelivered();
    }
}

// E6: the owner is told; the deployment may want no such link.
#[tokio::test]
async fn the_owner_is_told_of_a_link_or_asked_to_make_it() {
    let World { gateway, provider } = World::new().await;
    let owner = gateway.visitor().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    let cursor = owner.event_cursor().await;
    let signed_in = gateway.visitor().sign_in_with("acme", &provider, &Person::with_email("s-1", EMAIL)).await;
    assert_eq!((signed_in.user_id.as_str(), signed_in.is_new_user), (owner.user_id.as_str(), false));
    let notices = [gateway.next_message(EMAIL).await, gateway.next_message(EMAIL).await];
    assert!(notices.iter().any(|notice| notice.text.contains("The acme")), "{notices:?}");
    let mut socket = owner.socket().await;
    let stream =
        socket.subscribe("subscription ($after: String) { accountEvents(after: $after) { kind } }", json!({"after": cursor})).await;
    assert_eq!(socket.next(&stream).await["kind"], "IDENTITY_CHANGED");

    let World { gateway, provider } = World::with(|config| config.providers[0].link_by_email = false).await;
    let owner = gateway.visitor().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    gateway.visitor().try_sign_in_with("acme", &provider, &Person::with_email("s-1", EMAIL)).await.expect_problem("IDENTITY_CONFLICT");
    assert!(owner.identities().await.is_empty());
    // Signed in, it is linked, and leads there from then on.
    owner.try_link("acme", &provider, &Person::with_email("s-1", EMAIL)).await.expect_done();
    gateway.next_message(EMAIL).await;
    let again = gateway.visitor().sign_in_with("acme", &provider, &Person::with_email("s-1", EMAIL)).await;
    assert_eq!(again.user_id, owner.user_id);
    gateway.next_message(EMAIL).await;
    assert!(gateway.unread(EMAIL).await.is_empty());
}

// E5: the account is that of issuer and subject, whatever becomes of the address.
#[tokio::test]
async fn another_address_at_the_provider_is_still_the_same_account() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().sign_in_with("acme", &provider, &Person::with_email("s-1", EMAIL)).await;
    gateway.next_message(EMAIL).await;
    let other = gateway.visitor().becomes_member("bob@example.com").await;
    gateway.next_message("bob@example.com").await;
    let moved = gateway.visitor().sign_in_with("acme", &provider, &Person::with_email("s-1", "bob@example.com")).await;
    assert_eq!((moved.user_id.as_str(), moved.me().await["email"].clone()), (member.user_id.as_str(), json!(EMAIL)));
    assert_ne!(moved.user_id, other.user_id);
    assert_eq!(moved.identities().await[0]["email"], "bob@example.com");
    assert!(other.identities().await.is_empty());
    gateway.next_message(EMAIL).await;
}

// A13: the attacker's account with the victim's unproved address is worth nothing once the victim comes by a provider.
#[tokio::test]
async fn what_an_attacker_prepared_dies_with_the_owners_proof() {
    let World { gateway, provider } = World::new().await;
    let attacker = gateway.visitor();
    let row = unverified(&gateway, EMAIL).await;
    let prepared = attacker.sign_up(EMAIL, "evil-Kettle 66 moonrise").await;
    let unasked = gateway.next_message(EMAIL).await;
    let victim = gateway.visitor().sign_in_with("acme", &provider, &Person::with_email("s-1", EMAIL)).await;
    assert_ne!(victim.user_id, row.id.to_string());
    attacker.try_sign_in(EMAIL, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    attacker.try_sign_in(EMAIL, "evil-Kettle 66 moonrise").await.expect_problem("CREDENTIALS_INVALID");
    let refused = attacker.try_confirm(&prepared, &unasked.code()).await.expect_field();
    assert_eq!(refused["outcome"], Value::Null);
    attacker.verify_email(&unasked.link_token(), Some("evil-Kettle 66 moonrise")).await.expect_problem("TOKEN_INVALID");
    gateway.expect_undelivered();
}

#[tokio::test]
async fn a_wiped_account_loses_its_providers_too() {
    let World { gateway, provider } = World::new().await;
    let holder = unverified(&gateway, EMAIL).await;
    let evil = entity::auth_providers::Model {
        id: uuid::Uuid::from_u128(9),
        user_id: holder.id,
        provider: "acme".to_owned(),
        issuer: provider.issuer.clone(),
        provider_user_id: "evil".to_owned(),
        email: None,
        metadata: json!({}),
        linked_at: gateway.clock.now(),
        last_used_at: None,
    };
    evil.into_active_model().reset_all().insert(&gateway.database().await).await.unwrap();
    gateway.visitor().sign_in_with("acme", &provider, &Person::with_email("s-1", EMAIL)).await;
    let fresh = gateway.visitor().sign_in_with("acme", &provider, &Person::new("evil")).await;
    assert!(fresh.is_new_user && fresh.user_id != holder.id.to_string());
    gateway.expect_undelivered();
}

// A closed deployment takes nobody in by this way either.
#[tokio::test]
async fn where_sign_up_is_closed_it_is_closed_here_too() {
    let World { gateway, provider } = World::new().await;
    let member = gateway.visitor().becomes_member(EMAIL).await;
    gateway.next_message(EMAIL).await;
    let closed = gateway.start_beside_with(|config| {
        super::offer(config, &provider, ProviderKind::Oidc);
        config.sign_up.enabled = false;
    });
    let closed = closed.await;
    for person in [Person::new("s-1"), Person::with_email("s-1", "new@example.com")] {
        closed.visitor().try_sign_in_with("acme", &provider, &person).await.expect_problem("SIGN_UP_DISABLED");
    }
    let signed_in = closed.visitor().sign_in_with("acme", &provider, &Person::with_email("s-2", EMAIL)).await;
    assert_eq!(signed_in.user_id, member.user_id);
    gateway.expect_undelivered();
}
