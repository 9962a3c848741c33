//! Where settings come from: the file and the environment, given as data so that tests need neither.

use std::{collections::BTreeMap, path::PathBuf};

use figment::{
    Figment, Provider,
    providers::{Format, Toml},
    value::{Dict, Value as Raw},
};

use super::reader::{Environment, Problem};

const DEFAULT_FILE: &str = "postern.toml";

/// What settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
}

/// The sources, merged.
pub(super) struct Layers {
    pub(super) figment: Figment,
    pub(super) file_keys: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl Sources {
    /// The process: `file` or `POSTERN_CONFIG` or `./postern.toml`, and the environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let mut sources = Self::default();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("POSTERN_")) else { continue };
            match value.into_string() {
                Ok(value) => drop(sources.variables.insert(name.to_owned(), value)),
                Err(_) => sources.unreadable.push(name.to_owned()),
            }
        }
        let named = sources.variables.get("POSTERN_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let default = PathBuf::from(DEFAULT_FILE);
        sources.file = file.or(named).or_else(|| default.exists().then_some(default));
        sources
    }

    /// Environment variables alone.
    #[must_use]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { variables, ..Self::default() }
    }

    /// The same with a file below the environment.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    pub(super) fn layers(&self) -> Layers {
        let mut problems: Vec<Problem> = self.unreadable.iter().map(|name| Problem::new(format!("{name} is not valid UTF-8"))).collect();
        let mut figment = Figment::new();
        let mut file_keys = Vec::new();
        if let Some(path) = &self.file {
            match std::fs::read_to_string(path) {
                Err(error) => problems.push(Problem::new(format!("{} cannot be read: {error}", path.display()))),
                Ok(content) => {
                    let file = Toml::string(&content);
                    match file.data() {
                        Err(error) => {
                            problems.push(Problem::new(format!("{} is not TOML: {}", path.display(), place(&error.kind.to_string()))));
                        }
                        Ok(profiles) => {
                            for dict in profiles.values() {
                                keys(dict, "", &mut file_keys);
                            }
                            figment = figment.merge(file);
                        }
                    }
                }
            }
        }
        Layers { figment: figment.merge(Environment(&self.variables)), file_keys, problems }
    }
}

/// The parser's message without the excerpt of the file, which may hold a secret.
fn place(message: &str) -> String {
    let mut lines = message.lines().filter(|line| !line.contains('|') && !line.trim().is_empty());
    lines.by_ref().map(str::trim).collect::<Vec<_>>().join(": ")
}

fn keys(dict: &Dict, prefix: &str, found: &mut Vec<String>) {
    for (key, value) in dict {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Raw::Dict(_, inner) if !inner.is_empty() => keys(inner, &name, found),
            Raw::Dict(..) => {}
            _ => found.push(name),
        }
    }
}
