//! The texts of the pages, by language.

use serde_json::Value;

const SOURCES: [(&str, &str); 2] =
    [("en", include_str!("../../../templates/pages/en.json")), ("th", include_str!("../../../templates/pages/th.json"))];

/// The texts of one language.
pub(super) struct Texts {
    /// Its tag.
    pub language: &'static str,
    all: Value,
    product: String,
    shortest_password: String,
}

impl Texts {
    /// Of every language; they name the product and the shortest password.
    pub(super) fn all(product: &str, shortest_password: usize) -> Result<Vec<Self>, serde_json::Error> {
        let texts = SOURCES.into_iter().map(|(language, source)| {
            let all = serde_json::from_str(source)?;
            Ok(Self { language, all, product: product.to_owned(), shortest_password: shortest_password.to_string() })
        });
        texts.collect()
    }

    fn find(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.all, |value, key| value.get(key))
    }

    /// The text at a path of keys; empty where there is none.
    pub(super) fn text(&self, path: &[&str]) -> String {
        self.find(path).and_then(Value::as_str).map(|text| self.filled(text)).unwrap_or_default()
    }

    /// The paragraphs at a path of keys.
    pub(super) fn paragraphs(&self, path: &[&str]) -> Vec<String> {
        let all = self.find(path).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str).map(|text| self.filled(text)).collect()
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{product}", &self.product).replace("{shortest_password}", &self.shortest_password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| keys(value, &format!("{path}/{key}"), found)),
            Value::Array(items) => assert!(!items.is_empty() && items.iter().all(Value::is_string), "{path}"),
            other => assert!(other.as_str().is_some_and(|text| !text.trim().is_empty()), "{path}"),
        }
        found.push(path.to_owned());
    }

    #[test]
    fn every_language_has_every_text() {
        let all = SOURCES.map(|(language, source)| {
            let mut found = Vec::new();
            keys(&serde_json::from_str(source).expect(language), "", &mut found);
            found.sort();
            found
        });
        assert_eq!(all[0], all[1]);
    }
}
