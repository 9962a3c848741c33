//! Who may use a field: the directives of the schema and the guards of the program, side by side.

use std::{collections::BTreeMap, time::Duration};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, ConstDirective, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use postern::graphql::schema::sdl;
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION},
};
use serde_json::{Value, json};

use super::support::{Answer, Gateway, PASSWORD, Visitor};

/// The types of the schema by their names.
pub type Types = BTreeMap<String, TypeDefinition>;

pub fn types() -> Types {
    let document = parse_schema(sdl()).unwrap();
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.to_string(), definition.node)),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    types.collect()
}

pub fn fields<'a>(types: &'a Types, name: &str) -> Vec<&'a FieldDefinition> {
    match &types[name].kind {
        TypeKind::Object(object) => object.fields.iter().map(|field| &field.node).collect(),
        _ => panic!("{name} is no object"),
    }
}

/// The level of `@auth`, if the field has one.
pub fn required(field: &FieldDefinition) -> Option<String> {
    let auth: Option<&ConstDirective> =
        field.directives.iter().map(|directive| &directive.node).find(|directive| directive.name.node == "auth");
    auth.map(|auth| auth.get_argument("requires").expect("it says what it requires").node.to_string())
}

fn base(of: &Type) -> String {
    match &of.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(of) => base(of),
    }
}

/// A value that is well formed, with every string as given.
fn value(types: &Types, of: &Type, text: &str) -> Value {
    match &of.base {
        BaseType::List(of) => json!([value(types, of, text)]),
        BaseType::Named(name) => match (name.as_str(), types.get(name.as_str()).map(|of| (&of.kind, &of.directives))) {
            (_, Some((TypeKind::Enum(of), _))) => json!(of.values[0].node.value.node.as_str()),
            (_, Some((TypeKind::InputObject(of), directives))) => {
                let is_one_of = directives.iter().any(|directive| directive.node.name.node == "oneOf");
                let fields = of.fields.iter().map(|field| &field.node).take(if is_one_of { 1 } else { usize::MAX });
                fields
                    .map(|field| (field.name.node.to_string(), value(types, &field.ty.node, text)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }
            ("Int", _) => json!(1),
            ("Float", _) => json!(1.5),
            ("Boolean", _) => json!(true),
            ("DateTime", _) => json!("2026-01-01T00:00:00.000Z"),
            ("Date", _) => json!("1990-04-01"),
            _ => json!(text),
        },
    }
}

/// An operation that asks for one root field with everything it takes.
pub fn operation(types: &Types, root: &str, field: &FieldDefinition, text: &str) -> (String, Value) {
    let arguments: Vec<&InputValueDefinition> = field.arguments.iter().map(|argument| &argument.node).collect();
    let list = |form: &dyn Fn(&InputValueDefinition) -> String, open: &str| match arguments.as_slice() {
        [] => String::new(),
        arguments => format!("{open}{})", arguments.iter().map(|argument| form(argument)).collect::<Vec<_>>().join(", ")),
    };
    let declared = list(&|argument| format!("${}: {}", argument.name.node, argument.ty.node), "(");
    let given = list(&|argument| format!("{0}: ${0}", argument.name.node), "(");
    let selection = match types.get(&base(&field.ty.node)).map(|of| &of.kind) {
        Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_)) => " { __typename }",
        _ => "",
    };
    let variables: serde_json::Map<_, _> =
        arguments.iter().map(|argument| (argument.name.node.to_string(), value(types, &argument.ty.node, text))).collect();
    (format!("{}{declared} {{ {}{given}{selection} }}", root.to_lowercase(), field.name.node), variables.into())
}

/// Asks for it, over the transport that takes it. A stream that begins is answered as data and left.
pub async fn ask(visitor: &Visitor, root: &str, (query, variables): &(String, Value), token: Option<&str>) -> Answer {
    if root != "Subscription" {
        return visitor.graphql_with(query, variables.clone(), token).await;
    }
    let mut request = visitor.request(Method::POST, "/graphql/stream").header(ACCEPT, "text/event-stream");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = request.json(&json!({"query": query, "variables": variables})).send().await.unwrap();
    if response.status() == 200 {
        return Answer { status: 200, headers: response.headers().clone(), body: json!({"data": {}}) };
    }
    Answer::of(response).await
}

#[test]
fn only_root_fields_are_guarded() {
    // A guard elsewhere would need a way to get there: teach the walk below first.
    let types = types();
    for (name, of) in &types {
        let fields = match &of.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            _ => continue,
        };
        let is_root = ["Query", "Mutation", "Subscription"].contains(&name.as_str());
        for field in fields.iter().filter(|field| required(&field.node).is_some()) {
            assert!(is_root, "{name}.{}", field.node.name.node);
        }
    }
    let guarded =
        ["Query", "Mutation", "Subscription"].map(|root| fields(&types, root).iter().filter(|field| required(field).is_some()).count());
    assert!(guarded.iter().all(|count| *count > 1), "{guarded:?}");
}

// C16, H16: every field, asked for by everybody.
#[tokio::test]
async fn guards_and_directives_agree() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let types = types();
    let visitor = gateway.app_user();
    let member = visitor.becomes_member("ada@example.com").await;
    let expired = member.tokens().access;
    gateway.advance(Duration::from_mins(11));
    let gone = visitor.sign_in("ada@example.com", PASSWORD).await;
    gone.sign_out().await;
    let ended = gone.tokens().access;
    let forged = format!("{}AAAA", &expired[..expired.len() - 4]);
    let callers = [
        (None, "TOKEN_MISSING"),
        (Some(expired.as_str()), "TOKEN_EXPIRED"),
        (Some(ended.as_str()), "SESSION_ENDED"),
        (Some(forged.as_str()), "TOKEN_INVALID"),
    ];
    // `me` and `currentSession` tell whoever brings bad credentials, and nobody else.
    let tells = ["me", "currentSession"];
    for root in ["Query", "Mutation", "Subscription"] {
        for field in fields(&types, root) {
            let name = field.name.node.as_str();
            let level = required(field);
            let operation = operation(&types, root, field, "x");
            for (token, reason) in callers {
                let answer = ask(&visitor, root, &operation, token).await;
                let refused = (answer.code() == Some("UNAUTHENTICATED")).then(|| answer.errors()[0]["extensions"]["reason"].clone());
                let expected = (level.is_some() || tells.contains(&name) && token.is_some()).then(|| json!(reason));
                assert_eq!(refused, expected, "{root}.{name} with {reason}: {answer:?}");
                if level.is_some() && root == "Mutation" {
                    assert_eq!(answer.status, 401, "{root}.{name}");
                }
            }
            // A session for each field: some of them end it.
            let member = visitor.sign_in("ada@example.com", PASSWORD).await;
            let answer = ask(&visitor, root, &operation, Some(&member.tokens().access)).await;
            assert_eq!(refusal(&answer), expected(field, ""), "{root}.{name} by a user: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_proof_of_long_ago_is_not_recent() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let types = types();
    let visitor = gateway.app_user();
    visitor.becomes_member("ada@example.com").await;
    for root in ["Query", "Mutation", "Subscription"] {
        for field in fields(&types, root) {
            let member = visitor.sign_in("ada@example.com", PASSWORD).await;
            gateway.advance(gateway.config.sessions.recent);
            // Refreshing renews no proof.
            member.refresh().await;
            let answer = ask(&visitor, root, &operation(&types, root, field, "x"), Some(&member.tokens().access)).await;
            assert_eq!(refusal(&answer), expected(field, "REAUTHENTICATION_REQUIRED"), "{root}.{}: {answer:?}", field.name.node);
        }
    }
}

/// Who asks, once each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    HalfSignedIn,
    Administrator,
    AdministratorOfLongAgo,
    DemotedAdministrator,
}

impl Asker {
    const ALL: [Self; 4] = [Self::HalfSignedIn, Self::Administrator, Self::AdministratorOfLongAgo, Self::DemotedAdministrator];

    /// What the guard of a level tells them.
    fn told(self, level: Option<&str>) -> Option<&'static str> {
        match (self, level) {
            (Self::HalfSignedIn, Some(_)) => Some("UNAUTHENTICATED"),
            (Self::AdministratorOfLongAgo, Some("RECENT" | "RECENT_ADMIN")) => Some("REAUTHENTICATION_REQUIRED"),
            (Self::DemotedAdministrator, Some("ADMIN" | "RECENT_ADMIN")) => Some("FORBIDDEN"),
            (_, None) | (Self::Administrator | Self::AdministratorOfLongAgo | Self::DemotedAdministrator, Some(_)) => None,
        }
    }
}

// C16, B14: every field of the schema, also of those to come, by administrators of now, of once, and by who is half in.
#[tokio::test]
async fn administrators_reach_what_is_theirs_for_as_long_as_they_are() {
    use crate::audit::set_role;
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let types = types();
    let visitor = gateway.app_user();
    let root = visitor.becomes_member("root@example.com").await;
    let protected = gateway.app_user();
    protected.becomes_member("half@example.com").await.enable_totp(&gateway.clock).await;
    let half = protected.first_factor("half@example.com", PASSWORD).await;
    let mut walked = BTreeMap::new();
    for asker in Asker::ALL {
        for root_type in ["Query", "Mutation", "Subscription"] {
            for field in fields(&types, root_type) {
                let (name, level) = (field.name.node.as_str(), required(field));
                // A session for each field: some of them end it, and one of them its account.
                set_role(&gateway, &root.user_id, entity::users::Role::Admin).await;
                let operation = operation(&types, root_type, field, "x");
                let token = if matches!(asker, Asker::HalfSignedIn) {
                    half.clone()
                } else {
                    let member = visitor.sign_in("root@example.com", PASSWORD).await;
                    match asker {
                        Asker::AdministratorOfLongAgo => {
                            gateway.advance(gateway.config.sessions.recent);
                            member.refresh().await;
                        }
                        Asker::DemotedAdministrator => {
                            // Known as an administrator to the caches by then.
                            member.me().await;
                            set_role(&gateway, &root.user_id, entity::users::Role::User).await;
                        }
                        Asker::HalfSignedIn | Asker::Administrator => {}
                    }
                    member.tokens().access
                };
                let answer = ask(&visitor, root_type, &operation, Some(&token)).await;
                // These tell whoever brings credentials that do not hold.
                let tells = asker == Asker::HalfSignedIn && ["me", "currentSession"].contains(&name);
                let told = if tells { Some("UNAUTHENTICATED") } else { asker.told(level.as_deref()) };
                // The last administrator stays one, whatever they ask for themselves.
                assert_eq!(refusal(&answer), told, "{root_type}.{name} by {asker:?}: {answer:?}");
                assert!(answer.code() != Some("INTERNAL"), "{root_type}.{name} by {asker:?}: {answer:?}");
                *walked.entry(level).or_insert(0) += 1;
            }
        }
    }
    assert!(walked.keys().flatten().any(|level| level == "ADMIN") && walked.values().sum::<i32>() > 200, "{walked:?}");
    gateway.expect_undelivered();
}

/// What a signed-in user is told who is no administrator, where `RECENT` is answered so.
fn expected(field: &FieldDefinition, recent: &'static str) -> Option<&'static str> {
    match required(field).as_deref() {
        Some("ADMIN" | "RECENT_ADMIN") => Some("FORBIDDEN"),
        Some("RECENT") if !recent.is_empty() => Some(recent),
        _ => None,
    }
}

/// The code of an answer that a guard gave.
pub fn refusal(answer: &Answer) -> Option<&str> {
    answer.code().filter(|code| ["UNAUTHENTICATED", "FORBIDDEN", "REAUTHENTICATION_REQUIRED"].contains(code))
}

// H14, H13: nothing that a client sends is answered as a fault of ours.
#[tokio::test]
async fn no_text_breaks_a_field() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let types = types();
    let visitor = gateway.app_user();
    let member = visitor.becomes_member("ada@example.com").await;
    let long = "\u{1F994}".repeat(5000);
    let texts =
        ["", "\u{0}", "a\u{0}b@example.com", "\u{202E}\u{FEFF}\u{FFFF}", "'\"\\`${}%s%n;--", "../../\r\nX: y", "-1", "{\"a\":1}", &long];
    for text in texts {
        for root in ["Query", "Mutation"] {
            for field in fields(&types, root) {
                let operation = operation(&types, root, field, text);
                for token in [None, Some(member.tokens().access)] {
                    // A sign-out would end the walk, and the lock of guesses lasts longer than it.
                    if ["signOut", "deleteAccount"].contains(&field.name.node.as_str()) && token.is_some() {
                        continue;
                    }
                    let answer = ask(&visitor, root, &operation, token.as_deref()).await;
                    assert!(answer.status < 500 && answer.code() != Some("INTERNAL"), "{} of {text:?}: {answer:?}", field.name.node);
                }
            }
        }
    }
    assert_eq!(member.me().await["email"], "ada@example.com");
    assert_eq!(member.sessions().await.len(), 1);
}
