//! People with a browser or an app: what they can do, they do through the public API.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use postern::clock::Clock;
use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, COOKIE, ORIGIN, USER_AGENT},
};
use serde_json::{Value, json};

use super::{
    answer::Answer,
    authenticator_app::AuthenticatorApp,
    cookies::CookieJar,
    gateway::{Door, Gateway},
    socket::Socket,
};

/// Strong enough for every account of the tests.
pub const PASSWORD: &str = "plum-Kettle 47 sundial";

const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
pub(super) const PROBLEMS: &str = "problems { code message path retryAfterSeconds attemptsLeft }";
pub(super) const TOKENS: &str = "tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt deviceToken }";

/// How tokens travel to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As cookies: a browser.
    Cookie,
    /// In the answer: a native app.
    Body,
}

/// Somebody who is not signed in, with a device and an address of their own. Clones share the device.
#[derive(Clone)]
pub struct Visitor {
    door: Arc<Door>,
    device: Arc<Mutex<Device>>,
    delivery: Delivery,
    address: IpAddr,
    user_agent: String,
}

/// What a device keeps.
#[derive(Default)]
struct Device {
    cookies: CookieJar,
    token: Option<String>,
}

/// A code challenge as it was answered.
#[derive(Clone, Debug)]
pub struct Challenge {
    pub id: String,
    /// All of it.
    pub fields: Value,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Member {
    pub visitor: Visitor,
    pub user_id: String,
    pub session_id: String,
    pub is_new_user: bool,
    tokens: Arc<Mutex<Tokens>>,
}

/// The tokens that somebody holds now.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    /// None where it is a cookie.
    pub refresh: Option<String>,
}

impl Visitor {
    pub(super) fn new(door: Arc<Door>, delivery: Delivery) -> Self {
        let address = door.place.next_address();
        Self { door, device: Arc::default(), delivery, address, user_agent: FIREFOX.to_owned() }
    }

    /// The same person at another instance: device and address stay.
    pub fn at(&self, gateway: &Gateway) -> Self {
        Self { door: Arc::clone(gateway.door()), ..self.clone() }
    }

    /// The same person at another door.
    pub(super) fn through(&self, door: &Arc<Door>) -> Self {
        Self { door: Arc::clone(door), ..self.clone() }
    }

    /// The same device, seen from another address.
    #[expect(clippy::wrong_self_convention, reason = "it is where the person speaks from, not a conversion")]
    pub fn from_address(&self, address: &str) -> Self {
        Self { address: address.parse().unwrap(), ..self.clone() }
    }

    /// The same device, saying that it is something else.
    pub fn with_user_agent(&self, user_agent: &str) -> Self {
        Self { user_agent: user_agent.to_owned(), ..self.clone() }
    }

    pub fn door(&self) -> &Door {
        &self.door
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub fn is_browser(&self) -> bool {
        self.delivery == Delivery::Cookie
    }

    /// A copy of the cookies that the browser holds.
    pub fn cookies(&self) -> CookieJar {
        self.device.lock().unwrap().cookies.clone()
    }

    /// Lets a test lay a hand on the cookies.
    pub fn change_cookies(&self, change: impl FnOnce(&mut CookieJar)) {
        change(&mut self.device.lock().unwrap().cookies);
    }

    /// The device token of an app, if it was given one.
    pub fn device_token(&self) -> Option<String> {
        self.device.lock().unwrap().token.clone()
    }

    /// A request of this device to any path, without credentials other than its cookies.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self
            .door
            .client
            .request(method, format!("http://{}{path}", self.door.address))
            .header(USER_AGENT, &self.user_agent)
            .header("x-forwarded-for", self.address.to_string());
        let device = self.device.lock().unwrap();
        if self.is_browser() {
            request = request.header(ORIGIN, &self.door.origin);
            if let Some(cookies) = device.cookies.header() {
                request = request.header(COOKIE, cookies);
            }
        } else if let Some(token) = &device.token {
            request = request.header("postern-device", token);
        }
        request
    }

    /// Sends an operation.
    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.graphql_with(query, variables, None).await
    }

    /// Sends an operation with an access token of one's choice.
    pub async fn graphql_with(&self, query: &str, variables: Value, token: Option<&str>) -> Answer {
        let mut request = self
            .request(Method::POST, "/graphql")
            .header(ACCEPT, "application/graphql-response+json")
            .json(&json!({"query": query, "variables": variables}));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        if self.is_browser() {
            self.device.lock().unwrap().cookies.keep(&answer.headers);
        }
        answer
    }

    /// Asks to sign up, with whatever input.
    pub async fn try_sign_up(&self, input: Value) -> Answer {
        let query = format!(
            "mutation ($input: SignUpInput!) {{ signUp(input: $input) {{
                challenge {{ id state purpose channel destination codeLength attemptsLeft expiresAt resendAt }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": input})).await
    }

    /// Signs up by e-mail.
    pub async fn sign_up(&self, email: &str, password: &str) -> Challenge {
        self.try_sign_up(json!({"contact": {"email": email}, "password": password})).await.expect_done().into()
    }

    /// Answers a challenge of a sign-up, rightly or not.
    pub async fn try_confirm(&self, challenge: &Challenge, code: &str) -> Answer {
        let query = signing_in("confirmSignUp", "ConfirmSignUpInput");
        self.graphql(&query, json!({"input": {"challengeId": challenge.id, "code": code, "tokenDelivery": self.token_delivery()}})).await
    }

    /// Answers a challenge of a sign-up rightly, and is signed in.
    pub async fn confirm(&self, challenge: &Challenge, code: &str) -> Member {
        Member::of(self, &self.try_confirm(challenge, code).await.expect_done()["outcome"])
    }

    /// Signs up, reads the code and is signed in, by a new account.
    pub async fn becomes_member(&self, email: &str) -> Member {
        let challenge = self.sign_up(email, PASSWORD).await;
        let code = self.door.next_message(email).await.code();
        self.confirm(&challenge, &code).await
    }

    /// Tries a password.
    pub async fn try_sign_in(&self, identifier: &str, password: &str) -> Answer {
        let query = signing_in("signIn", "SignInInput");
        let input = json!({"identifier": identifier, "password": password, "tokenDelivery": self.token_delivery()});
        self.graphql(&query, json!({"input": input})).await
    }

    /// Signs in.
    pub async fn sign_in(&self, identifier: &str, password: &str) -> Member {
        Member::of(self, &self.try_sign_in(identifier, password).await.expect_done()["outcome"])
    }

    /// Asks for a code again.
    pub async fn try_resend(&self, challenge: &Challenge) -> Answer {
        let query = format!(
            "mutation ($input: ResendChallengeInput!) {{ resendChallenge(input: $input) {{
                challenge {{ id state purpose channel destination codeLength attemptsLeft expiresAt resendAt }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"challengeId": challenge.id}})).await
    }

    /// Asks for a code that signs in, with whatever contact.
    pub async fn try_request_sign_in_code(&self, contact: Value) -> Answer {
        let query = format!(
            "mutation ($input: RequestSignInCodeInput!) {{ requestSignInCode(input: $input) {{
                challenge {{ id state purpose channel destination codeLength attemptsLeft expiresAt resendAt }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"contact": contact}})).await
    }

    /// Asks for a code that signs in, by e-mail.
    pub async fn request_sign_in_code(&self, email: &str) -> Challenge {
        self.try_request_sign_in_code(json!({"email": email})).await.expect_done().into()
    }

    /// Answers a challenge of a sign-in, rightly or not.
    pub async fn try_sign_in_with_code(&self, challenge: &Challenge, code: &str) -> Answer {
        let query = signing_in("signInWithCode", "SignInWithCodeInput");
        self.graphql(&query, json!({"input": {"challengeId": challenge.id, "code": code, "tokenDelivery": self.token_delivery()}})).await
    }

    /// Answers a challenge of a sign-in rightly.
    pub async fn sign_in_with_code(&self, challenge: &Challenge, code: &str) -> Member {
        Member::of(self, &self.try_sign_in_with_code(challenge, code).await.expect_done()["outcome"])
    }

    /// Opens a link that signs in, and presses its button.
    pub async fn try_sign_in_with_link(&self, token: &str) -> Answer {
        let query = signing_in("signInWithLink", "SignInWithLinkInput");
        self.graphql(&query, json!({"input": {"token": token, "tokenDelivery": self.token_delivery()}})).await
    }

    /// The same, with a link that is good.
    pub async fn sign_in_with_link(&self, token: &str) -> Member {
        Member::of(self, &self.try_sign_in_with_link(token).await.expect_done()["outcome"])
    }

    /// Asks for a new password, with whatever contact.
    pub async fn try_request_password_reset(&self, contact: Value) -> Answer {
        let query = format!(
            "mutation ($input: RequestPasswordResetInput!) {{ requestPasswordReset(input: $input) {{
                challenge {{ id state purpose channel destination codeLength attemptsLeft expiresAt resendAt }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"contact": contact}})).await
    }

    /// Asks for a new password, by e-mail.
    pub async fn request_password_reset(&self, email: &str) -> Challenge {
        self.try_request_password_reset(json!({"email": email})).await.expect_done().into()
    }

    /// Sets a new password by whatever proof.
    pub async fn try_reset_password(&self, proof: Value, new: &str) -> Answer {
        let query =
            format!("mutation ($input: ResetPasswordInput!) {{ resetPassword(input: $input) {{ revokedSessionCount {PROBLEMS} }} }}");
        self.graphql(&query, json!({"input": {"proof": proof, "newPassword": new}})).await
    }

    /// Sets a new password by the link.
    pub async fn try_reset_by_link(&self, token: &str, new: &str) -> Answer {
        self.try_reset_password(json!({"token": token}), new).await
    }

    /// Sets a new password by the code.
    pub async fn try_reset_by_code(&self, challenge: &Challenge, code: &str, new: &str) -> Answer {
        self.try_reset_password(json!({"code": {"challengeId": challenge.id, "code": code}}), new).await
    }

    /// Opens the link of a message about a lock, and presses its button.
    pub async fn try_unlock(&self, token: &str) -> Answer {
        let query = format!("mutation ($input: UnlockAccountInput!) {{ unlockAccount(input: $input) {{ unlocked {PROBLEMS} }} }}");
        self.graphql(&query, json!({"input": {"token": token}})).await
    }

    /// Opens the link of a message about a new device, and presses its button.
    pub async fn try_disown(&self, token: &str) -> Answer {
        let query = format!("mutation ($input: DisownSessionInput!) {{ disownSession(input: $input) {{ sessionId {PROBLEMS} }} }}");
        self.graphql(&query, json!({"input": {"token": token}})).await
    }

    /// Opens the link of a message and presses its button.
    pub async fn verify_email(&self, token: &str, password: Option<&str>) -> Answer {
        let query =
            format!("mutation ($input: VerifyEmailInput!) {{ verifyEmail(input: $input) {{ email verifiedAt passwordKept {PROBLEMS} }} }}");
        self.graphql(&query, json!({"input": {"token": token, "password": password}})).await
    }

    /// Trades a refresh token: the given one, else that of the cookie.
    pub async fn try_refresh(&self, refresh_token: Option<&str>) -> Answer {
        let query = format!(
            "mutation ($input: RefreshSessionInput) {{ refreshSession(input: $input) {{ session {{ id status }} {TOKENS} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": refresh_token.map(|token| json!({"refreshToken": token}))})).await
    }

    /// Tries a password of an account whose second step is on, and returns the login token.
    pub async fn first_factor(&self, identifier: &str, password: &str) -> String {
        login_token(&self.try_sign_in(identifier, password).await)
    }

    /// Answers the second step, rightly or not.
    pub async fn try_second_factor(&self, login_token: &str, factor: Value) -> Answer {
        self.try_second_factor_with(login_token, factor, false).await
    }

    /// The same, and whether this device is to be trusted.
    pub async fn try_second_factor_with(&self, login_token: &str, factor: Value, trust: bool) -> Answer {
        let query = signing_in("completeSecondFactor", "CompleteSecondFactorInput");
        let delivery = self.token_delivery();
        let input = json!({"loginToken": login_token, "factor": factor, "trustDevice": trust, "tokenDelivery": delivery});
        self.graphql(&query, json!({"input": input})).await
    }

    /// Answers the second step rightly.
    pub async fn second_factor(&self, login_token: &str, factor: Value) -> Member {
        Member::of(self, &self.try_second_factor(login_token, factor).await.expect_done()["outcome"])
    }

    /// Somebody who was signed in by an answer.
    pub fn signed_in_by(&self, answer: Answer) -> Member {
        Member::of(self, &answer.expect_done()["outcome"])
    }

    /// A socket without an access token.
    pub async fn socket(&self) -> Socket {
        Socket::of(self, None).await
    }

    pub(super) fn token_delivery(&self) -> &'static str {
        match self.delivery {
            Delivery::Cookie => "COOKIE",
            Delivery::Body => "BODY",
        }
    }
}

/// The login token of an answer that asks for a second factor.
#[track_caller]
pub fn login_token(answer: &Answer) -> String {
    let payload = answer.data().as_object().and_then(|fields| fields.values().next()).unwrap_or_else(|| panic!("{}", answer.body));
    assert_eq!(payload["outcome"]["__typename"], "SecondFactorRequired", "{payload}");
    payload["outcome"]["loginToken"].as_str().unwrap().to_owned()
}

/// A mutation that ends with somebody signed in.
pub(super) fn signing_in(field: &str, input: &str) -> String {
    format!(
        "mutation ($input: {input}!) {{ {field}(input: $input) {{ outcome {{ __typename
            ... on SignedIn {{ isNewUser user {{ id email username }} session {{ id status loginMethod device {{ type name }} }} {TOKENS} }}
            ... on SecondFactorRequired {{ loginToken methods expiresAt challenge {{ id }} }}
            ... on VerificationRequired {{ challenge {{ id }} }} }} {PROBLEMS} }} }}"
    )
}

impl From<Value> for Challenge {
    fn from(payload: Value) -> Self {
        let fields = payload["challenge"].clone();
        Self { id: fields["id"].as_str().expect("a challenge has an id").to_owned(), fields }
    }
}

impl Tokens {
    fn of(fields: &Value) -> Self {
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        Self { access: text("accessToken").expect("there is an access token"), refresh: text("refreshToken") }
    }
}

impl Member {
    pub(super) fn of(visitor: &Visitor, outcome: &Value) -> Self {
        assert_eq!(outcome["__typename"], "SignedIn", "{outcome}");
        if let Some(token) = outcome["tokens"]["deviceToken"].as_str() {
            visitor.device.lock().unwrap().token = Some(token.to_owned());
        }
        Self {
            visitor: visitor.clone(),
            user_id: outcome["user"]["id"].as_str().unwrap().to_owned(),
            session_id: outcome["session"]["id"].as_str().unwrap().to_owned(),
            is_new_user: outcome["isNewUser"] == true,
            tokens: Arc::new(Mutex::new(Tokens::of(&outcome["tokens"]))),
        }
    }

    /// The same person at another instance.
    pub fn at(&self, gateway: &Gateway) -> Self {
        Self { visitor: self.visitor.at(gateway), ..self.clone() }
    }

    /// The same session as `visitor` holds it: from another address, with another browser.
    #[must_use]
    pub fn held_by(&self, visitor: Visitor) -> Self {
        Self { visitor, ..self.clone() }
    }

    /// The tokens held now.
    pub fn tokens(&self) -> Tokens {
        self.tokens.lock().unwrap().clone()
    }

    /// The same for a payload that a test looked at itself.
    pub fn hold_tokens_of(&self, payload: &Value) {
        self.hold(&payload["tokens"]);
    }

    /// Takes the tokens of an answer over from the ones held.
    pub(super) fn hold(&self, tokens: &Value) {
        *self.tokens.lock().unwrap() = Tokens::of(tokens);
    }

    /// Sends an operation: a browser by its cookies, an app by its access token.
    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        let token = (!self.visitor.is_browser()).then(|| self.tokens().access);
        self.visitor.graphql_with(query, variables, token.as_deref()).await
    }

    /// Sends an operation by the access token alone.
    pub async fn graphql_by_token(&self, query: &str, variables: Value) -> Answer {
        self.visitor.graphql_with(query, variables, Some(&self.tokens().access)).await
    }

    /// `me` with id, e-mail and username; null where signed out.
    pub async fn me(&self) -> Value {
        self.graphql("{ me { id email username } }", json!({})).await.expect_field()
    }

    /// Where the event streams stand now.
    pub async fn event_cursor(&self) -> String {
        self.graphql("{ eventCursor }", json!({})).await.expect_field().as_str().unwrap().to_owned()
    }

    /// Own sessions, newest first, with id, status and `current`.
    pub async fn sessions(&self) -> Vec<Value> {
        let query = "{ me { sessions { nodes { id status current revokedBy device { name } } } } }";
        let me = self.graphql(query, json!({})).await.expect_field();
        me["sessions"]["nodes"].as_array().unwrap().clone()
    }

    /// Trades the refresh token for new ones, and holds these.
    pub async fn refresh(&self) {
        let payload = self.try_refresh().await.expect_done();
        *self.tokens.lock().unwrap() = Tokens::of(&payload["tokens"]);
    }

    /// Trades the refresh token, whatever comes of it; the tokens held stay as they are (cookies do not).
    pub async fn try_refresh(&self) -> Answer {
        self.visitor.try_refresh(self.tokens().refresh.as_deref()).await
    }

    /// Ends this session.
    pub async fn sign_out(&self) {
        self.graphql(&format!("mutation {{ signOut {{ sessionId {PROBLEMS} }} }}"), json!({})).await.expect_done();
    }

    /// Ends a session by its id.
    pub async fn try_revoke(&self, session_id: &str) -> Answer {
        let query = format!(
            "mutation ($input: RevokeSessionInput!) {{ revokeSession(input: $input) {{ session {{ id status revokedBy }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"sessionId": session_id}})).await
    }

    /// Ends all other sessions, and answers their ids.
    pub async fn revoke_others(&self) -> Vec<Value> {
        let query = format!("mutation {{ revokeOtherSessions {{ revokedSessionIds revokedSessionCount {PROBLEMS} }} }}");
        self.graphql(&query, json!({})).await.expect_done()["revokedSessionIds"].as_array().unwrap().clone()
    }

    /// Proves by password who is there.
    pub async fn try_reauthenticate(&self, password: &str) -> Answer {
        let query = format!(
            "mutation ($input: ReauthenticateInput!) {{ reauthenticate(input: $input) {{ session {{ id authenticatedAt }} {TOKENS} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"proof": {"password": password}}})).await
    }

    /// Proves by whatever is given who is there, and holds the new tokens.
    pub async fn try_reauthenticate_with(&self, proof: Value) -> Answer {
        let query = format!(
            "mutation ($input: ReauthenticateInput!) {{ reauthenticate(input: $input) {{ session {{ id authenticatedAt secondFactor }} {TOKENS} {PROBLEMS} }} }}"
        );
        let answer = self.graphql(&query, json!({"input": {"proof": proof}})).await;
        if answer.data()["reauthenticate"]["tokens"]["accessToken"].is_string() {
            *self.tokens.lock().unwrap() = Tokens::of(&answer.data()["reauthenticate"]["tokens"]);
        }
        answer
    }

    /// Asks for a seed.
    pub async fn try_begin_totp(&self) -> Answer {
        self.graphql(&format!("mutation {{ beginTotpEnrollment {{ secret uri qrCode expiresAt {PROBLEMS} }} }}"), json!({})).await
    }

    /// Gives the first code of a seed.
    pub async fn try_confirm_totp(&self, code: &str) -> Answer {
        let query = format!(
            "mutation ($input: ConfirmTotpEnrollmentInput!) {{ confirmTotpEnrollment(input: $input) {{
                user {{ id totpEnabled recoveryCodesLeft }} recoveryCodes {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"code": code}})).await
    }

    /// Sets up an authenticator app, and returns it with the recovery codes.
    pub async fn enable_totp(&self, clock: &Clock) -> (AuthenticatorApp, Vec<String>) {
        let begun = self.try_begin_totp().await.expect_done();
        let app = AuthenticatorApp::of(begun["secret"].as_str().unwrap());
        let confirmed = self.try_confirm_totp(&app.code(clock)).await.expect_done();
        let codes = confirmed["recoveryCodes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        AuthenticatorApp::wait(clock);
        (app, codes)
    }

    /// Switches the authenticator app off.
    pub async fn try_disable_totp(&self) -> Answer {
        self.graphql(&format!("mutation {{ disableTotp {{ user {{ totpEnabled recoveryCodesLeft }} {PROBLEMS} }} }}"), json!({})).await
    }

    /// Asks for other recovery codes.
    pub async fn try_regenerate_recovery_codes(&self) -> Answer {
        let query = format!("mutation {{ regenerateRecoveryCodes {{ user {{ recoveryCodesLeft }} recoveryCodes {PROBLEMS} }} }}");
        self.graphql(&query, json!({})).await
    }

    /// Trusts the device of a session, or not.
    pub async fn try_trust(&self, session_id: &str, trusted: bool) -> Answer {
        let query =
            format!("mutation ($input: TrustSessionInput!) {{ trustSession(input: $input) {{ session {{ id trusted }} {PROBLEMS} }} }}");
        self.graphql(&query, json!({"input": {"sessionId": session_id, "trusted": trusted}})).await
    }

    /// Asks for a code that proves who is there.
    pub async fn try_request_reauthentication_code(&self, channel: &str) -> Answer {
        let query = format!(
            "mutation ($input: RequestReauthenticationCodeInput!) {{ requestReauthenticationCode(input: $input) {{
                challenge {{ id state purpose channel destination codeLength attemptsLeft expiresAt resendAt }} {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"channel": channel}})).await
    }

    /// Proves by code who is there.
    pub async fn try_reauthenticate_by_code(&self, challenge: &Challenge, code: &str) -> Answer {
        let query = format!(
            "mutation ($input: ReauthenticateInput!) {{ reauthenticate(input: $input) {{ session {{ id authenticatedAt }} {TOKENS} {PROBLEMS} }} }}"
        );
        let proof = json!({"code": {"challengeId": challenge.id, "code": code}});
        let answer = self.graphql(&query, json!({"input": {"proof": proof}})).await;
        if answer.data()["reauthenticate"]["tokens"]["accessToken"].is_string() {
            *self.tokens.lock().unwrap() = Tokens::of(&answer.data()["reauthenticate"]["tokens"]);
        }
        answer
    }

    /// Sets the first password.
    pub async fn try_set_password(&self, new: &str) -> Answer {
        let query = format!(
            "mutation ($input: SetPasswordInput!) {{ setPassword(input: $input) {{
                user {{ id }} revokedSessionIds revokedSessionCount {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"newPassword": new}})).await
    }

    /// Changes the password.
    pub async fn try_change_password(&self, current: &str, new: &str) -> Answer {
        let query = format!(
            "mutation ($input: ChangePasswordInput!) {{ changePassword(input: $input) {{
                user {{ id }} revokedSessionIds revokedSessionCount {PROBLEMS} }} }}"
        );
        self.graphql(&query, json!({"input": {"currentPassword": current, "newPassword": new}})).await
    }

    /// Asks to be deleted.
    pub async fn try_delete_account(&self) -> Answer {
        let query = format!("mutation {{ deleteAccount {{ user {{ id email deletionScheduledAt }} deletionScheduledAt {PROBLEMS} }} }}");
        self.graphql(&query, json!({})).await
    }

    /// Keeps the account.
    pub async fn try_cancel_account_deletion(&self) -> Answer {
        let query = format!("mutation {{ cancelAccountDeletion {{ user {{ id deletionScheduledAt }} {PROBLEMS} }} }}");
        self.graphql(&query, json!({})).await
    }

    /// Asks for everything that is stored.
    pub async fn try_export_account(&self) -> Answer {
        self.graphql(&format!("mutation {{ exportAccount {{ export {PROBLEMS} }} }}"), json!({})).await
    }

    /// A socket with the access token held now.
    pub async fn socket(&self) -> Socket {
        Socket::of(&self.visitor, Some(&self.tokens().access)).await
    }
}
