//! Addresses and numbers of accounts: proved, changed, taken back, removed.

mod change_email;
mod change_phone;
mod cross_use;
mod holders;
mod hostile;
mod links;
mod races;
mod records;
mod taken_or_free;
mod undo;
mod verification;

use serde_json::{Value, json};

use super::support::{Answer, Challenge, Gateway, Member, Visitor};

const PROBLEMS: &str = "problems { code path retryAfterSeconds attemptsLeft }";
const CHALLENGE: &str = "challenge { id state purpose channel destination codeLength attemptsLeft expiresAt resendAt }";

/// Six digits that are not `code`.
fn other_than(code: &str) -> String {
    let last = code.chars().last().and_then(|digit| digit.to_digit(10)).unwrap();
    format!("{}{}", &code[..5], (last + 1) % 10)
}

/// A new account whose welcome has been read.
async fn member(gateway: &Gateway, email: &str) -> Member {
    let member = gateway.app_user().becomes_member(email).await;
    gateway.next_message(email).await;
    member
}

async fn change_email(member: &Member, email: &str) -> Answer {
    let query = format!(
        "mutation ($input: ChangeEmailInput!) {{ changeEmail(input: $input) {{
            user {{ id email pendingEmail {{ value expiresAt challenge {{ id state }} }} }} {CHALLENGE} {PROBLEMS} }} }}"
    );
    member.graphql(&query, json!({"input": {"newEmail": email}})).await
}

async fn confirm_email(member: &Member, challenge: &Challenge, code: &str) -> Answer {
    let query = format!(
        "mutation ($input: ConfirmEmailChangeInput!) {{ confirmEmailChange(input: $input) {{
            user {{ id email emailVerifiedAt pendingEmail {{ value }} }} {PROBLEMS} }} }}"
    );
    member.graphql(&query, json!({"input": {"challengeId": challenge.id, "code": code}})).await
}

/// Changes the address to the end; the notices to both addresses are left to read.
pub async fn moves_to(gateway: &Gateway, member: &Member, email: &str) {
    let challenge: Challenge = change_email(member, email).await.expect_done().into();
    let code = gateway.next_message(email).await.code();
    confirm_email(member, &challenge, &code).await.expect_done();
}

async fn cancel_by_link(visitor: &Visitor, token: &str) -> Answer {
    let query = format!(
        "mutation ($input: CancelEmailChangeInput) {{ cancelEmailChange(input: $input) {{ user {{ id }} cancelled {PROBLEMS} }} }}"
    );
    visitor.graphql(&query, json!({"input": {"token": token}})).await
}

async fn cancel_by_session(member: &Member) -> Answer {
    member.graphql(&format!("mutation {{ cancelEmailChange {{ user {{ id }} cancelled {PROBLEMS} }} }}"), json!({})).await
}

async fn change_phone(member: &Member, phone: &str) -> Answer {
    let query = format!(
        "mutation ($input: ChangePhoneInput!) {{ changePhone(input: $input) {{
            user {{ id phone pendingPhone {{ value }} }} {CHALLENGE} {PROBLEMS} }} }}"
    );
    member.graphql(&query, json!({"input": {"newPhone": phone}})).await
}

async fn confirm_phone(member: &Member, challenge: &Challenge, code: &str) -> Answer {
    let query = format!(
        "mutation ($input: ConfirmPhoneChangeInput!) {{ confirmPhoneChange(input: $input) {{
            user {{ id phone phoneVerifiedAt pendingPhone {{ value }} }} {PROBLEMS} }} }}"
    );
    member.graphql(&query, json!({"input": {"challengeId": challenge.id, "code": code}})).await
}

async fn remove_phone(member: &Member) -> Answer {
    member.graphql(&format!("mutation {{ removePhone {{ user {{ id phone }} {PROBLEMS} }} }}"), json!({})).await
}

/// What the person sees of their contacts.
async fn contacts_of(member: &Member) -> Value {
    let query = "{ me { email phone pendingEmail { value challenge { state } } pendingPhone { value } } }";
    member.graphql(query, json!({})).await.expect_field()
}
