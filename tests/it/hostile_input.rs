//! Every text that a client can send, filled with what breaks databases, parsers and logs: the answer is a typed one.

use serde_json::json;

use super::support::Gateway;

const TEXTS: [&str; 24] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\u{7}\u{1b}[31m",
    "a\r\nBcc: b@example.com",
    "\u{202e}\u{feff}\u{ffff}",
    "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "' or 1=1 --",
    "%00\\\"{{7*7}}${x}",
    "../../etc/passwd",
    "-1",
    "99999999999999999999",
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "nobody@example.com",
    "@@example.com",
    "a@[127.0.0.1]",
    "+66812345678",
    "+dwPAA;phone-context=AA",
    "9999-12-31",
    "-262143-01-01",
    "xx-YY-zz",
];

/// For anybody; `$text` is the text.
const OPEN: [&str; 19] = [
    "query ($text: String!) { usernameAvailable(username: $text) }",
    "query ($text: ID!) { challenge(id: $text) { id } }",
    "mutation ($text: String!) { signUp(input: {contact: {email: $text}}) { problems { code } } }",
    "mutation ($text: String!) { signUp(input: {contact: {phone: $text}}) { problems { code } } }",
    "mutation ($text: String!) { signUp(input: {contact: {email: \"a@example.com\"}, password: $text}) { problems { code } } }",
    "mutation ($text: String!) { signUp(input: {contact: {email: \"b@example.com\"}, username: $text}) { problems { code } } }",
    "mutation ($text: String!) { signUp(input: {contact: {email: \"c@example.com\"}, profile: {displayName: $text}}) { problems { code } } }",
    "mutation ($text: String!) { signUp(input: {contact: {email: \"d@example.com\"}, profile: {bio: $text}}) { problems { code } } }",
    "mutation ($text: String!) { signUp(input: {contact: {email: \"e@example.com\"}, profile: {locale: $text}}) { problems { code } } }",
    "mutation ($text: Date!) { signUp(input: {contact: {email: \"f@example.com\"}, profile: {dateOfBirth: $text}}) { problems { code } } }",
    "mutation ($text: String!) { signUp(input: {contact: {email: \"g@example.com\"}, profile: {address: {country: $text, state: $text}}}) { problems { code } } }",
    "mutation ($text: ID!) { confirmSignUp(input: {challengeId: $text, code: \"123456\"}) { problems { code } } }",
    "mutation ($text: String!) { verifyEmail(input: {token: $text, password: $text}) { problems { code } } }",
    "mutation ($text: ID!) { resendChallenge(input: {challengeId: $text}) { problems { code } } }",
    "mutation ($text: String!) { signIn(input: {identifier: $text, password: \"wrong\"}) { problems { code } } }",
    "mutation ($text: String!) { signIn(input: {identifier: \"ann@example.com\", password: $text}) { problems { code } } }",
    "mutation ($text: String!) { refreshSession(input: {refreshToken: $text}) { problems { code } } }",
    "mutation ($text: String!) { signOut(input: {refreshToken: $text}) { problems { code } } }",
    "query ($text: String!) { authConfig { codeLength } usernameAvailable(username: $text) }",
];

/// For members.
const SIGNED_IN: [&str; 8] = [
    "query ($text: ID!) { node(id: $text) { id } }",
    "query ($text: String!) { me { sessions(first: 2, after: $text) { nodes { id } } } }",
    "query ($text: String!) { me { activity(last: 2, before: $text) { nodes { id } } } }",
    "query ($text: String!) { me { sessions(filter: {ipAddress: $text}) { totalCount } } }",
    "query ($text: DateTime!) { me { sessions(filter: {createdAfter: $text}) { totalCount } } }",
    "mutation ($text: ID!) { revokeSession(input: {sessionId: $text}) { problems { code } } }",
    "mutation ($text: String!) { reauthenticate(input: {proof: {password: $text}}) { problems { code } } }",
    "mutation ($text: String!) { changePassword(input: {currentPassword: $text, newPassword: $text}) { problems { code } } }",
];

#[tokio::test]
async fn no_text_makes_anything_but_a_typed_answer() {
    // H13, H14
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let member = gateway.app_user().becomes_member("ann@example.com").await;
    gateway.expect_undelivered();
    for text in TEXTS {
        let visitor = gateway.app_user().with_user_agent("probe");
        for operation in OPEN {
            expect_typed(&visitor.graphql(operation, json!({ "text": text })).await, operation, text);
        }
        for operation in SIGNED_IN {
            expect_typed(&member.graphql(operation, json!({ "text": text })).await, operation, text);
        }
    }
    assert_eq!(member.me().await["email"], "ann@example.com");
}

#[track_caller]
fn expect_typed(answer: &super::support::Answer, operation: &str, text: &str) {
    assert!(answer.status < 500, "{operation} {text:?}: {} {}", answer.status, answer.body);
    for error in answer.errors() {
        let code = error["extensions"]["code"].as_str();
        assert!(code.is_some_and(|code| code != "INTERNAL"), "{operation} {text:?}: {}", answer.body);
    }
    assert!(answer.body.is_object() && (answer.data().is_object() || !answer.errors().is_empty()), "{operation} {text:?}: {}", answer.body);
}
