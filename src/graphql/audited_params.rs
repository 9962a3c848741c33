//! What the audit log keeps of a mutation's arguments: closed by default. A value is shown where its name is on the list and its form is closed (a
//! word of the schema, a truth, an id); everything else, and above all what people typed, is hidden.

use async_graphql::{
    Name, Value, Variables,
    parser::types::{ExecutableDocument, OperationDefinition},
};
use async_graphql_value::Value as InputValue;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::root_fields;

/// What stands in place of a value.
const HIDDEN: &str = "[hidden]";
/// Bytes of all of it, as JSON.
const LARGEST: usize = 4096;
/// Things that a list shows.
const LONGEST_LIST: usize = 20;
/// How far it is gone into.
const DEEPEST: usize = 5;
/// No word of a schema is longer.
const LONGEST_WORD: usize = 40;

/// Objects whose fields are the schema's. Others, `metadata` for one, have names that somebody chose.
const ENTERED: [&str; 8] = ["input", "contact", "profile", "address", "proof", "factor", "code", "oauth"];
/// Values that may be shown where they are an id.
const IDS: [&str; 5] = ["userId", "sessionId", "passkeyId", "identityId", "actorUserId"];
/// Values that may be shown where they are a word of the schema, a truth or a number.
const WORDS: [&str; 9] = ["tokenDelivery", "channel", "intent", "trustDevice", "trusted", "role", "status", "contactVerified", "amount"];

/// The arguments of every root field of a mutation, by the field's name.
pub(super) fn of(document: &ExecutableDocument, operation: &OperationDefinition, root: &str, variables: &Variables) -> Option<Json> {
    let mut all = Map::new();
    for field in root_fields::fields(document, operation, root).ok()? {
        let arguments = field.arguments.iter().map(|(name, value)| {
            let value = resolve(&value.node, operation, variables);
            (name.node.to_string(), value.map_or(Json::Null, |value| shown(&name.node, &value, 0)))
        });
        let arguments = Json::Object(arguments.collect());
        // The same field may come several times, under names that the client chose.
        match all.get_mut(field.name.node.as_str()) {
            None => drop(all.insert(field.name.node.to_string(), arguments)),
            Some(Json::Array(several)) => several.push(arguments),
            Some(one) => *one = json!([one.take(), arguments]),
        }
    }
    let all = Json::Object(all);
    Some(if all.to_string().len() > LARGEST { json!({ "tooLarge": true }) } else { all })
}

/// A value with its variables put in; none where one is left out.
fn resolve(value: &InputValue, operation: &OperationDefinition, variables: &Variables) -> Option<Value> {
    value.clone().into_const_with(|name| variable(&name, operation, variables).ok_or(())).ok()
}

fn variable(name: &Name, operation: &OperationDefinition, variables: &Variables) -> Option<Value> {
    let default = || {
        let definition = operation.variable_definitions.iter().find(|definition| definition.node.name.node == *name)?;
        Some(definition.node.default_value.as_ref().map_or(Value::Null, |value| value.node.clone()))
    };
    variables.get(name).cloned().or_else(default)
}

fn shown(name: &str, value: &Value, depth: usize) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Object(fields) if depth < DEEPEST && ENTERED.contains(&name) => {
            Json::Object(fields.iter().map(|(name, value)| (name.to_string(), shown(name, value, depth + 1))).collect())
        }
        Value::List(items) if depth < DEEPEST => {
            Json::Array(items.iter().take(LONGEST_LIST).map(|item| shown(name, item, depth + 1)).collect())
        }
        Value::Boolean(truth) if WORDS.contains(&name) => json!(truth),
        Value::Number(number) if WORDS.contains(&name) => json!(number),
        Value::Enum(word) if WORDS.contains(&name) && is_word(word) => json!(word.as_str()),
        // In variables a word of the schema is a string.
        Value::String(text) if WORDS.contains(&name) && is_word(text) => json!(text),
        Value::String(text) if IDS.contains(&name) && Uuid::try_parse(text).is_ok() => json!(text),
        _ => json!(HIDDEN),
    }
}

/// `SIGN_IN`: as the values of enums are written.
fn is_word(text: &str) -> bool {
    (1..=LONGEST_WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn params(query: &str, variables: Json) -> Json {
        let document = parse_query(query).expect("a document");
        let operation = document.operations.iter().next().expect("an operation").1.node.clone();
        of(&document, &operation, "Mutation", &Variables::from_json(variables)).expect("fields")
    }

    #[test]
    fn words_and_ids_are_shown_and_nothing_that_was_typed() {
        let typed =
            json!({ "input": { "identifier": "ada@example.com", "password": "secret", "tokenDelivery": "BODY", "metadata": {"ada": 1} } });
        let shown = params("mutation M($input: SignInInput!) { s: signIn(input: $input) { __typename } }", typed);
        let expected = json!({ "identifier": "[hidden]", "password": "[hidden]", "tokenDelivery": "BODY", "metadata": "[hidden]" });
        assert_eq!(shown, json!({ "signIn": { "input": expected } }));
        let id = "018f0000-0000-7000-8000-000000000001";
        let literal = format!(
            r#"mutation {{ ...F }} fragment F on Mutation {{ revokeSession(input: {{sessionId: "{id}", trusted: true}}) {{ a }} b: revokeSession(input: {{sessionId: "a secret"}}) {{ a }} }}"#
        );
        let several = json!([{ "input": { "sessionId": id, "trusted": true } }, { "input": { "sessionId": "[hidden]" } }]);
        assert_eq!(params(&literal, json!({})), json!({ "revokeSession": several }));
    }

    #[test]
    fn a_name_on_the_list_lets_no_text_through() {
        for text in ["ada@example.com", "123456", "Kettle 47", "Aa", "+66812345678", "", &"A".repeat(41)] {
            for name in IDS.iter().chain(&WORDS) {
                assert_eq!(shown(name, &Value::from(text), 0), json!(HIDDEN), "{name} {text}");
            }
        }
    }

    #[test]
    fn it_stays_small() {
        let many: Vec<Json> = (0..500).map(|number| json!({ "input": number })).collect();
        let list = params("mutation M($a: [X!]) { f(input: $a, status: $a) { b } }", json!({ "a": many }));
        assert!(list.to_string().len() < LARGEST, "{list}");
        let wide: Map<String, Json> = (0..500).map(|number| (format!("field{number}"), json!("x"))).collect();
        assert_eq!(params("mutation M($a: X) { f(input: $a) { b } }", json!({ "a": wide })), json!({ "tooLarge": true }));
        // Left out, and with a default.
        let defaults = params("mutation M($a: X, $b: Role = ADMIN) { f(input: $a, role: $b) { b } }", json!({}));
        assert_eq!(defaults, json!({ "f": { "input": null, "role": "ADMIN" } }));
    }
}
