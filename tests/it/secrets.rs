//! What was typed, sent or given out in secret, looked for everywhere it must not be; and what the audit log has instead.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use entity::user_audit_log::{self, Status};
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use serde_json::json;

use super::{
    pages::browser::{Browser, local},
    support::{Answer, Gateway, PASSWORD, Visitor},
};

/// The log of this process, kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let filter = tracing_subscriber::EnvFilter::new("info,postern=trace");
        let log_all = tracing_subscriber::fmt().with_env_filter(filter).without_time().with_ansi(false).with_writer(move || writer.clone());
        log_all.try_init().expect("no other test starts a log in this process");
        log
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Everything that the database holds, table by table, as text.
async fn tables(database: &DatabaseConnection) -> BTreeMap<&'static str, String> {
    macro_rules! dump {
        ($($table:ident),*) => {
            BTreeMap::from([$((stringify!($table), format!("{:?}", entity::$table::Entity::find().all(database).await.unwrap()))),*])
        };
    }
    dump!(
        auth_providers,
        users,
        pending_sign_ups,
        user_sessions,
        user_audit_log,
        account_events,
        attempt_counters,
        known_devices,
        link_tokens,
        messages,
        dev_inbox,
        spent_tokens
    )
}

/// Whether `text` has `secret` as a word of its own: six digits may be a part of anything.
fn tells(text: &str, secret: &str) -> bool {
    text.match_indices(secret).any(|(at, _)| {
        let around = [text[..at].chars().next_back(), text[at + secret.len()..].chars().next()];
        secret.len() > 6 || around.iter().all(|character| character.is_none_or(|character| !character.is_ascii_alphanumeric()))
    })
}

/// The secrets of an answer: its tokens and the values of its cookies.
fn secrets_of(answer: &Answer, secrets: &mut Vec<String>) {
    for (_, payload) in answer.data().as_object().into_iter().flatten() {
        for tokens in [&payload["tokens"], &payload["outcome"]["tokens"]] {
            let given = ["accessToken", "refreshToken", "deviceToken"].map(|name| tokens[name].as_str().map(str::to_owned));
            secrets.extend(given.into_iter().flatten());
        }
    }
    for cookie in answer.headers.get_all("set-cookie") {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        secrets.extend(pair.split_once('=').map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty()));
    }
}

// C15
#[tokio::test]
async fn no_secret_is_kept_or_logged() {
    let log = Log::start();
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let typed =
        ["canary-Kettle 47 sundial", "canary-Wrong 13 viaduct", "canary-Tortoise 93 plum", "canary-identifier 5", "canary-token-31"];
    let mut secrets: Vec<String> = typed.iter().map(|secret| (*secret).to_owned()).collect();
    let [password, wrong, next, identifier, token] = typed;
    for visitor in [gateway.visitor(), gateway.app_user()] {
        let email = if visitor.is_browser() { "ada@example.com" } else { "eve@example.com" };
        journey(&gateway, &visitor, email, [password, wrong, next, identifier, token], &mut secrets).await;
    }
    let database = gateway.database().await;
    let tables = tables(&database).await;
    assert!(secrets.len() > 30, "{}", secrets.len());
    for secret in &secrets {
        for (table, text) in &tables {
            assert!(!tells(text, secret), "{table} has {secret}");
        }
        for line in log.lines() {
            assert!(!tells(&line, secret), "the log has {secret}: {line}");
        }
        // And where the database is a file, what lies in it byte by byte, deleted rows and the journal among them.
        for file in std::fs::read_dir(&gateway.door().place.folder).unwrap().map(|file| file.unwrap().path()) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let found = secret.len() > 6 && bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} has {secret}", file.display());
        }
    }
    let lines = log.lines();
    assert!(!lines.is_empty(), "the log was kept");
    // Nothing that was typed ends a line of the log or colours it.
    assert!(lines.iter().all(|line| !line.contains('\u{1b}')));
    let sent = entity::messages::Entity::find().all(&database).await.unwrap();
    assert!(!sent.is_empty() && sent.iter().all(|message| message.secret_sealed.is_none()), "a secret is emptied once it was sent");
}

/// Everything that can be typed wrong and right.
async fn journey(gateway: &Gateway, visitor: &Visitor, email: &str, typed: [&str; 5], secrets: &mut Vec<String>) {
    let [password, wrong, next, identifier, token] = typed;
    let mut answers = vec![visitor.try_sign_up(json!({"contact": {"email": email}, "password": password})).await];
    let challenge = answers[0].clone().expect_done().into();
    let message = gateway.next_message(email).await;
    secrets.extend([message.code(), message.link_token()]);
    answers.push(visitor.try_confirm(&challenge, "canary").await);
    answers.push(visitor.verify_email(token, Some(wrong)).await);
    answers.push(gateway.visitor().verify_email(&message.link_token(), Some(wrong)).await);
    // The token stands in the query of the hosted page, and what is typed in its form.
    let elsewhere = gateway.visitor();
    let browser = Browser::of(&elsewhere);
    let page = browser.open(&local(message.link.as_ref().unwrap())).await;
    let refused = browser.press(&page, &[("password", wrong)]).await.expect(422, "");
    assert!(!refused.html.contains(wrong), "a page repeats what was typed");
    secrets.extend([page.input("form")["value"].clone(), elsewhere.cookies().get("postern_form").unwrap().to_owned()]);
    answers.push(visitor.try_confirm(&challenge, &message.code()).await);
    gateway.next_message(email).await;
    visitor.request_sign_in_code(email).await;
    let message = gateway.next_message(email).await;
    secrets.extend([message.code(), message.link_token()]);
    browser.follow(&local(message.link.as_ref().unwrap())).await.expect(200, "You are signed in");
    gateway.next_message(email).await;
    let cookies = elsewhere.cookies();
    secrets.extend(["postern_access", "postern_refresh", "postern_device"].map(|name| cookies.get(name).unwrap().to_owned()));
    answers.push(visitor.try_sign_in(email, wrong).await);
    // People type their password where their name belongs.
    answers.push(visitor.try_sign_in(identifier, identifier).await);
    answers.push(visitor.graphql_with("{ me { id } }", json!({}), Some(token)).await);
    answers.push(visitor.try_refresh(Some(token)).await);
    let member = visitor.sign_in(email, password).await;
    let tokens = member.tokens();
    secrets.push(tokens.access);
    secrets.extend(tokens.refresh);
    secrets.extend(visitor.device_token());
    answers.push(member.try_reauthenticate(wrong).await);
    answers.push(member.try_refresh().await);
    answers.push(member.try_reauthenticate(password).await);
    answers.push(member.try_change_password(wrong, next).await);
    answers.push(member.try_change_password(password, next).await);
    answers.push(member.graphql("query { me { id } } # canary-token-31", json!({})).await);
    gateway.next_message(email).await;
    for answer in &answers {
        secrets_of(answer, secrets);
        let body = answer.body.to_string();
        assert!([password, wrong, next].iter().all(|secret| !body.contains(secret)), "an answer repeats what was typed: {body}");
    }
    member.sign_out().await;
}

// C14: what happened to a sign-up is found again, whichever way it went.
#[tokio::test]
async fn every_step_of_a_sign_up_is_audited() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let first = gateway.next_message("ada@example.com").await;
    gateway.advance(gateway.config.codes.resend_after);
    visitor.try_resend(&challenge).await.expect_done();
    let code = gateway.next_message("ada@example.com").await.code();
    visitor.try_confirm(&challenge, &first.code()).await.expect_problem("CODE_INVALID");
    let member = visitor.confirm(&challenge, &code).await;
    visitor.try_confirm(&challenge, &code).await.expect_problem("CODE_INVALID");
    visitor.verify_email(&first.link_token(), None).await.expect_problem("TOKEN_INVALID");
    gateway.advance(gateway.config.codes.ttl);
    let late = visitor.sign_up("eve@example.com", PASSWORD).await;
    let message = gateway.next_message("eve@example.com").await;
    gateway.advance(gateway.config.codes.ttl);
    visitor.try_confirm(&late, &message.code()).await.expect_problem("CODE_EXPIRED");
    visitor.verify_email(&message.link_token(), None).await.expect_done();
    visitor.sign_in("eve@example.com", PASSWORD).await;

    let rows = user_audit_log::Entity::find().order_by_asc(user_audit_log::Column::Seq).all(&gateway.database().await).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.event_type.as_str(), row.status, row.result_code.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("sign_up", Status::Pending, None),
            ("sign_up", Status::Pending, None),
            ("sign_up", Status::Failure, Some("CODE_INVALID")),
            ("account_created", Status::Success, None),
            ("login", Status::Success, None),
            ("sign_up", Status::Failure, Some("CODE_INVALID")),
            ("sign_up", Status::Failure, Some("TOKEN_INVALID")),
            ("sign_up", Status::Pending, None),
            ("sign_up", Status::Failure, Some("CODE_EXPIRED")),
            ("account_created", Status::Success, None),
            ("login", Status::Success, None),
        ]
    );
    assert_eq!(rows[3].user_id.map(|id| id.to_string()).as_deref(), Some(member.user_id.as_str()));
    assert!(rows.iter().all(|row| row.ip_address.as_deref() == Some(&visitor.address().to_string()) && row.request_id.is_some()));
}

// C14
#[tokio::test]
async fn every_step_of_a_member_is_audited() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let member = gateway.app_user().becomes_member("ada@example.com").await;
    let next = "green-Tortoise 93 viaduct";
    member.try_reauthenticate("wrong").await.expect_problem("CREDENTIALS_INVALID");
    member.try_reauthenticate(PASSWORD).await.expect_done();
    member.try_change_password("wrong", next).await.expect_problem("CREDENTIALS_INVALID");
    member.try_change_password(PASSWORD, next).await.expect_done();
    member.sign_out().await;
    let rows = user_audit_log::Entity::find().order_by_asc(user_audit_log::Column::Seq).all(&gateway.database().await).await.unwrap();
    let told: Vec<_> = rows[3..].iter().map(|row| (row.event_type.as_str(), row.status, row.result_code.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("reauthentication", Status::Failure, Some("CREDENTIALS_INVALID")),
            ("reauthentication", Status::Success, None),
            // An app gets a new refresh token with the proof.
            ("token_refresh", Status::Success, None),
            ("password_change", Status::Failure, Some("CREDENTIALS_INVALID")),
            ("password_change", Status::Success, None),
            ("logout", Status::Success, None),
        ]
    );
    assert!(rows[3..].iter().all(|row| row.user_id.is_some_and(|id| id.to_string() == member.user_id)));
}
