//! Takes each setting from file and environment, remembers what it means, and collects every problem.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Num, Value as Raw},
};
use secrecy::SecretString;

use super::{Mode, value::Value};

const LONGEST: Duration = Duration::from_hours(3650 * 24);

/// One setting: what `config show` and the reference tell about it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The name in the file, dotted: `http.listen`.
    pub name: Cow<'static, str>,
    /// The default, or what it follows from.
    pub default: String,
    /// What it is for.
    pub meaning: &'static str,
    /// The value in force, without what is secret.
    pub value: String,
    /// Whether file or environment gave it.
    pub given: bool,
}

impl Setting {
    /// The environment variable: `POSTERN_HTTP__LISTEN`.
    #[must_use]
    pub fn variable(&self) -> String {
        variable(&self.name)
    }
}

/// The environment variable of a setting.
pub(super) fn variable(name: &str) -> String {
    format!("POSTERN_{}", name.replace('.', "__").to_ascii_uppercase())
}

/// One thing that is wrong with the settings, as one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

impl Problem {
    pub(super) fn new(line: impl Into<String>) -> Self {
        Self(line.into().replace(char::is_control, " "))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sections that hold a table for each of several things.
const TABLES: [&str; 1] = ["providers"];

/// The table of this name; none where the name holds a value.
fn table<'a>(outer: &'a mut Dict, name: &str) -> Option<&'a mut Dict> {
    match outer.entry(name.to_owned()).or_insert_with(|| Raw::from(Dict::new())) {
        Raw::Dict(_, inner) => Some(inner),
        _ => None,
    }
}

/// The environment as a layer of settings: texts only, since digits in a secret are no number.
pub(super) struct Environment<'a>(pub(super) &'a BTreeMap<String, String>);

impl Provider for Environment<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut root = Dict::new();
        // An empty variable counts as not given: composed deployments pass variables through that nobody set.
        for (variable, text) in self.0.iter().filter(|(_, text)| !text.is_empty()) {
            let Some(name) = variable.strip_prefix("POSTERN_") else { continue };
            let name = name.to_ascii_lowercase();
            match name.split_once("__") {
                None => drop(root.insert(name, Raw::from(text.as_str()))),
                Some((section, key)) => {
                    let Some(inside) = table(&mut root, section) else { continue };
                    // Sections of tables have one more step: a table each.
                    match key.split_once("__").filter(|_| TABLES.contains(&section)) {
                        None => drop(inside.insert(key.to_owned(), Raw::from(text.as_str()))),
                        Some((name, key)) => {
                            if let Some(inside) = table(inside, name) {
                                inside.insert(key.to_owned(), Raw::from(text.as_str()));
                            }
                        }
                    }
                }
            }
        }
        Ok(Profile::Default.collect(root))
    }
}

/// Reads settings one by one.
pub(super) struct Reader<'a> {
    layers: &'a Figment,
    pub(super) mode: Mode,
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(layers: &'a Figment) -> Self {
        Self { layers, mode: Mode::Development, settings: Vec::new(), problems: Vec::new() }
    }

    /// A setting with a fixed default.
    pub(super) fn value<T: Value>(&mut self, name: impl Into<Cow<'static, str>>, default: T, meaning: &'static str) -> T {
        let described = default.show();
        self.derived(name, (default, &described), meaning)
    }

    /// A setting whose default follows from others, as `default.1` tells.
    pub(super) fn derived<T: Value>(&mut self, name: impl Into<Cow<'static, str>>, default: (T, &str), meaning: &'static str) -> T {
        let name = name.into();
        let given = self.one(&name);
        let (value, was_given) = given.map_or((default.0, false), |value| (value, true));
        self.remember(name, (default.1, value.show(), was_given), meaning);
        value
    }

    /// A setting that may be absent.
    pub(super) fn optional<T: Value>(&mut self, name: impl Into<Cow<'static, str>>, meaning: &'static str) -> Option<T> {
        let name = name.into();
        let value = self.one::<T>(&name);
        self.remember(name, ("none", value.as_ref().map(Value::show).unwrap_or_default(), value.is_some()), meaning);
        value
    }

    /// A list: an array in the file, separated by commas in the environment.
    pub(super) fn list<T: Value>(&mut self, name: impl Into<Cow<'static, str>>, default: (Vec<T>, &str), meaning: &'static str) -> Vec<T> {
        let name = name.into();
        let given = self.texts(&name).map(|texts| texts.iter().filter_map(|text| self.parse(&name, text)).collect());
        let (values, was_given) = given.map_or((default.0, false), |values| (values, true));
        let shown = values.iter().map(Value::show).collect::<Vec<_>>().join(",");
        self.remember(name, (default.1, shown, was_given), meaning);
        values
    }

    /// A duration that must be more than nothing.
    pub(super) fn duration(&mut self, name: impl Into<Cow<'static, str>>, default: Duration, meaning: &'static str) -> Duration {
        let name = name.into();
        let duration = self.value(name.clone(), default, meaning);
        if duration.is_zero() || duration > LONGEST {
            self.problem(&name, "must be more than 0 and at most 3650d");
        }
        duration
    }

    /// A number that must be 1 or more.
    pub(super) fn count<T: Value + PartialEq + From<u8>>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        default: T,
        meaning: &'static str,
    ) -> T {
        let name = name.into();
        let count = self.value(name.clone(), default, meaning);
        if count == T::from(0) {
            self.problem(&name, "must be 1 or more");
        }
        count
    }

    /// Secrets, never shown.
    pub(super) fn secrets(&mut self, name: impl Into<Cow<'static, str>>, default: &str, meaning: &'static str) -> Vec<SecretString> {
        self.list(name, (Vec::new(), default), meaning)
    }

    /// The names of the tables below a section, in the order of the alphabet.
    pub(super) fn tables(&self, section: &str) -> Vec<String> {
        match self.layers.find_value(section) {
            Ok(Raw::Dict(_, tables)) => {
                tables.into_iter().filter(|(_, table)| matches!(table, Raw::Dict(..))).map(|(name, _)| name).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Notes that a setting is wrong.
    pub(super) fn problem(&mut self, name: &str, why: impl AsRef<str>) {
        self.problems.push(Problem::new(format!("{name} ({}) {}", variable(name), why.as_ref())));
    }

    fn remember(&mut self, name: Cow<'static, str>, told: (&str, String, bool), meaning: &'static str) {
        self.settings.push(Setting { name, default: told.0.to_owned(), meaning, value: told.1, given: told.2 });
    }

    fn one<T: Value>(&mut self, name: &str) -> Option<T> {
        match self.layers.find_value(name).ok()? {
            Raw::Array(..) => {
                self.problem(name, "takes one value, not a list");
                None
            }
            raw => text(&raw).or_else(|| self.wrong_kind(name)).and_then(|text| self.parse(name, &text)),
        }
    }

    fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        match self.layers.find_value(name).ok()? {
            Raw::Array(_, items) => Some(items.iter().filter_map(|item| text(item).or_else(|| self.wrong_kind(name))).collect()),
            raw => {
                let text = text(&raw).or_else(|| self.wrong_kind(name))?;
                Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
            }
        }
    }

    fn wrong_kind(&mut self, name: &str) -> Option<String> {
        self.problem(name, "has the wrong kind of value");
        None
    }

    fn parse<T: Value>(&mut self, name: &str, text: &str) -> Option<T> {
        let value = T::read(text);
        if value.is_none() {
            let shown = if T::SECRET { "its value".to_owned() } else { format!("{:?}", text.chars().take(100).collect::<String>()) };
            self.problem(name, format!("is wrong: {shown} is not {}", T::FORM));
        }
        value
    }
}

/// The text of a plain value; tables and lists have none.
fn text(raw: &Raw) -> Option<String> {
    match raw {
        Raw::String(_, text) => Some(text.trim().to_owned()),
        Raw::Char(_, character) => Some(character.to_string()),
        Raw::Bool(_, value) => Some(value.to_string()),
        Raw::Num(_, number) => match number {
            Num::F32(number) => Some(number.to_string()),
            Num::F64(number) => Some(number.to_string()),
            whole => whole.to_i128().map(|number| number.to_string()).or_else(|| whole.to_u128().map(|number| number.to_string())),
        },
        Raw::Empty(..) | Raw::Dict(..) | Raw::Array(..) => None,
    }
}
