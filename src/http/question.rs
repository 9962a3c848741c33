//! What a client asks, read from a JSON body, a query string or a socket's frame.

use std::{borrow::Cow, collections::BTreeMap};

use async_graphql::{Value, Variables};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::graphql::entry::Question;

/// The parameters of GraphQL over HTTP. Unknown ones are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters<'a> {
    #[serde(borrow, default)]
    query: Option<Text<'a>>,
    #[serde(borrow, default)]
    document_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    operation_name: Option<Text<'a>>,
    #[serde(default)]
    variables: Option<Variables>,
    #[serde(borrow, default)]
    extensions: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

/// A string, borrowed where it has no escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersistedQuery<'a> {
    #[serde(borrow)]
    sha256_hash: Cow<'a, str>,
}

/// How a question cannot be read; the words are for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl<'a> Parameters<'a> {
    /// Reads a JSON object. Its nesting is bounded by the reader (128).
    pub fn from_json(text: &'a [u8]) -> Result<Self, Unreadable> {
        // The derived reader would take a list for the fields in their order.
        match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => serde_json::from_slice(text).map_err(|error| {
                Unreadable(if error.is_data() { "A parameter of the request has the wrong type." } else { "The body is not JSON." })
            }),
            Some(b'[') => Err(Unreadable("Batches are not answered: send one operation.")),
            None => Err(Unreadable("The body is empty.")),
            Some(_) if serde_json::from_slice::<IgnoredAny>(text).is_ok() => Err(Unreadable("The body is not a JSON object.")),
            Some(_) => Err(Unreadable("The body is not JSON.")),
        }
    }

    /// Reads a query string. `variables` and `extensions` are JSON in it.
    pub fn from_query_string(text: &'a str) -> Result<Self, Unreadable> {
        let mut parameters = Self { query: None, document_id: None, operation_name: None, variables: None, extensions: None };
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "query" => parameters.query = Some(Text(value)),
                "documentId" => parameters.document_id = Some(Text(value)),
                "operationName" if !value.is_empty() => parameters.operation_name = Some(Text(value)),
                "variables" if !value.is_empty() => {
                    let variables = serde_json::from_str(&value).map_err(|_| Unreadable("\"variables\" is not a JSON object."))?;
                    parameters.variables = Some(variables);
                }
                "extensions" if !value.is_empty() => {
                    let extensions: BTreeMap<String, &RawValue> =
                        serde_json::from_str(&value).map_err(|_| Unreadable("\"extensions\" is not a JSON object."))?;
                    if let Some(hash) = extensions.get("persistedQuery").and_then(|raw| persisted(raw)) {
                        parameters.document_id = Some(Text(Cow::Owned(hash)));
                    }
                }
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// Puts a name for a file where `path` (`variables.input.file`) leads to: null must stand there, as the specification has it.
    pub fn place(&mut self, path: &str, name: &str) -> Result<(), Unreadable> {
        const WRONG: Unreadable = Unreadable("\"map\" leads to no variable that is null.");
        let mut steps = path.strip_prefix("variables.").ok_or(WRONG)?.split('.');
        let first = async_graphql::Name::new(steps.next().unwrap_or_default());
        let mut value = self.variables.as_mut().and_then(|variables| variables.get_mut(&first)).ok_or(WRONG)?;
        for step in steps {
            value = match value {
                Value::Object(fields) => fields.get_mut(step),
                Value::List(items) => step.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
                _ => None,
            }
            .ok_or(WRONG)?;
        }
        if *value != Value::Null {
            return Err(WRONG);
        }
        *value = Value::String(name.to_owned());
        Ok(())
    }

    /// Hands the question to `ask`; it borrows from the parameters.
    pub fn ask<T>(self, ask: impl FnOnce(Question<'_>) -> T) -> T {
        let persisted = self.extensions.as_ref().and_then(|extensions| extensions.get("persistedQuery")).and_then(|raw| persisted(raw));
        ask(Question {
            query: self.query.as_ref().map(|text| text.0.as_ref()),
            document_id: self.document_id.as_ref().map(|text| text.0.as_ref()).or(persisted.as_deref()),
            operation_name: self.operation_name.as_ref().map(|text| text.0.as_ref()),
            variables: self.variables.unwrap_or_default(),
        })
    }

    /// Whether there is a document to run at all.
    pub const fn has_document(&self) -> bool {
        self.query.is_some() || self.document_id.is_some() || self.extensions.is_some()
    }
}

fn persisted(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<PersistedQuery<'_>>(raw.get()).ok().map(|persisted| persisted.sha256_hash.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<String, &'static str> {
        let parameters = Parameters::from_json(body.as_bytes()).map_err(|unreadable| unreadable.0)?;
        Ok(parameters.ask(|question| {
            format!("{:?} {:?} {:?} {}", question.query, question.document_id, question.operation_name, question.variables)
        }))
    }

    #[test]
    fn bodies_are_read() {
        assert_eq!(read(r#" {"query":"{a}","operationName":null,"x":1}"#).unwrap(), r#"Some("{a}") None None {}"#);
        assert_eq!(
            read(r#"{"query":"{\na}","variables":{"a":[1]},"operationName":"N"}"#).unwrap(),
            r#"Some("{\na}") None Some("N") {a: [1]}"#
        );
        assert_eq!(read(r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}"#).unwrap(), r#"None Some("ab") None {}"#);
    }

    #[test]
    fn wrong_bodies_are_not() {
        // H2, H6
        let deep = format!(r#"{{"query":"{{a}}","variables":{{"a":{}{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000));
        for body in [
            "",
            " ",
            "[]",
            r#"[{"query":"{a}"}]"#,
            r#"["{a}"]"#,
            "1",
            "{",
            r#"{"query":1}"#,
            r#"{"query":"a","variables":[]}"#,
            r#"{"extensions":[]}"#,
            &deep,
        ] {
            assert!(read(body).is_err(), "{}", &body[..body.len().min(60)]);
        }
    }

    #[test]
    fn query_strings_are_read() {
        let parameters = Parameters::from_query_string("query=%7Ba%7D&variables=%7B%22a%22%3A1%7D&operationName=").unwrap();
        assert!(parameters.has_document());
        parameters.ask(|question| {
            assert_eq!(question.query, Some("{a}"));
            assert_eq!(question.operation_name, None);
            assert_eq!(question.variables.to_string(), "{a: 1}");
        });
        assert!(Parameters::from_query_string("variables=%5B%5D&query=a").is_err());
    }
}
