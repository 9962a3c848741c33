//! What people do with passkeys.

use serde_json::{Value, json};

use super::{
    actors::{Member, PROBLEMS, TOKENS, Visitor, signing_in},
    answer::Answer,
    authenticator::Authenticator,
};

const PASSKEY: &str = "passkey { id name deviceType backedUp transports createdAt lastUsedAt }";

/// A ceremony that was begun: its token, and what the authenticator is asked.
#[derive(Clone, Debug)]
pub struct Ceremony {
    pub login_token: String,
    pub options: Value,
}

impl From<Value> for Ceremony {
    fn from(payload: Value) -> Self {
        Self { login_token: payload["loginToken"].as_str().expect("there is a token").to_owned(), options: payload["options"].clone() }
    }
}

fn begin_query() -> String {
    format!("mutation ($input: BeginPasskeySignInInput) {{ beginPasskeySignIn(input: $input) {{ loginToken options {PROBLEMS} }} }}")
}

impl Visitor {
    /// An authenticator that answers the gateway's own page.
    pub fn security_key(&self) -> Authenticator {
        Authenticator::security_key(&self.door().origin)
    }

    /// The same whose passkeys are copied between devices.
    pub fn phone(&self) -> Authenticator {
        Authenticator::phone(&self.door().origin)
    }

    /// Asks what an authenticator shall be asked.
    pub async fn try_begin_passkey_sign_in(&self, login_token: Option<&str>) -> Answer {
        self.graphql(&begin_query(), json!({"input": login_token.map(|token| json!({"loginToken": token}))})).await
    }

    /// The same, without a first factor.
    pub async fn begin_passkey_sign_in(&self) -> Ceremony {
        self.try_begin_passkey_sign_in(None).await.expect_done().into()
    }

    /// Sends what an authenticator answered.
    pub async fn try_sign_in_with_passkey(&self, login_token: &str, credential: &Value) -> Answer {
        let query = signing_in("signInWithPasskey", "SignInWithPasskeyInput");
        let input = json!({"loginToken": login_token, "credential": credential, "tokenDelivery": self.token_delivery()});
        self.graphql(&query, json!({"input": input})).await
    }

    /// Begins, lets the authenticator answer, and sends what it answered.
    pub async fn try_passkey(&self, authenticator: &mut Authenticator) -> Answer {
        let ceremony = self.begin_passkey_sign_in().await;
        self.try_sign_in_with_passkey(&ceremony.login_token, &authenticator.get(&ceremony.options)).await
    }

    /// Signs in.
    pub async fn sign_in_with_passkey(&self, authenticator: &mut Authenticator) -> Member {
        Member::of(self, &self.try_passkey(authenticator).await.expect_done()["outcome"])
    }
}

impl Member {
    /// Asks what an authenticator shall be asked for a new passkey.
    pub async fn try_begin_passkey_registration(&self) -> Answer {
        self.graphql(&format!("mutation {{ beginPasskeyRegistration {{ options expiresAt {PROBLEMS} }} }}"), json!({})).await
    }

    /// Sends the passkey that an authenticator made.
    pub async fn try_finish_passkey_registration(&self, credential: &Value, name: Option<&str>) -> Answer {
        let query = format!(
            "mutation ($input: FinishPasskeyRegistrationInput!) {{ finishPasskeyRegistration(input: $input) {{
                {PASSKEY} user {{ id passkeys {{ id }} }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"credential": credential, "name": name}})).await
    }

    /// Begins, lets the authenticator make a passkey, and sends it.
    pub async fn try_add_passkey(&self, authenticator: &mut Authenticator) -> Answer {
        let options = self.try_begin_passkey_registration().await.expect_done()["options"].clone();
        self.try_finish_passkey_registration(&authenticator.create(&options), None).await
    }

    /// Adds a passkey, and answers it.
    pub async fn add_passkey(&self, authenticator: &mut Authenticator) -> Value {
        self.try_add_passkey(authenticator).await.expect_done()["passkey"].clone()
    }

    /// Gives a passkey another name.
    pub async fn try_rename_passkey(&self, id: &str, name: &str) -> Answer {
        let query = format!("mutation ($input: RenamePasskeyInput!) {{ renamePasskey(input: $input) {{ {PASSKEY} {PROBLEMS} }} }}");
        self.graphql(&query, json!({"input": {"passkeyId": id, "name": name}})).await
    }

    /// Takes a passkey away.
    pub async fn try_delete_passkey(&self, id: &str) -> Answer {
        let query = format!(
            "mutation ($input: DeletePasskeyInput!) {{ deletePasskey(input: $input) {{ user {{ id passkeys {{ id }} }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"passkeyId": id}})).await
    }

    /// Own passkeys.
    pub async fn passkeys(&self) -> Vec<Value> {
        let query = "{ me { passkeys { id name deviceType backedUp transports createdAt lastUsedAt } } }";
        self.graphql(query, json!({})).await.expect_field()["passkeys"].as_array().unwrap().clone()
    }

    /// Begins a ceremony that belongs to this session.
    pub async fn begin_passkey_sign_in(&self) -> Ceremony {
        self.graphql(&begin_query(), json!({})).await.expect_done().into()
    }

    /// Proves by passkey who is there; the new tokens are held.
    pub async fn try_reauthenticate_by_passkey(&self, login_token: &str, credential: &Value) -> Answer {
        let query = format!(
            "mutation ($input: ReauthenticateInput!) {{ reauthenticate(input: $input) {{
                session {{ id authenticatedAt reauthenticationMethods }} {TOKENS} {PROBLEMS} }} }}"
        );
        let proof = json!({"passkey": {"loginToken": login_token, "credential": credential}});
        let answer = self.graphql(&query, json!({"input": {"proof": proof}})).await;
        let tokens = &answer.data()["reauthenticate"]["tokens"];
        if tokens["accessToken"].is_string() {
            self.hold(tokens);
        }
        answer
    }

    /// Begins, lets the authenticator answer, and proves it.
    pub async fn try_step_up(&self, authenticator: &mut Authenticator) -> Answer {
        let ceremony = self.begin_passkey_sign_in().await;
        self.try_reauthenticate_by_passkey(&ceremony.login_token, &authenticator.get(&ceremony.options)).await
    }
}
