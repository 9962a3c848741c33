//! Texts that a deployment puts in place of the built-in ones: read from a folder and tried in every message before anything is sent.
//!
//! A file of a language extends the built-in one, so that it may replace one text and leave the others; `mail.html` and `mail.txt` are
//! replaced as a whole.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::texts::{COMMON_TEXTS, MESSAGE_TEXTS, SOURCES};

/// Larger files are no texts.
const LARGEST: u64 = 256 * 1024;
/// Folders deeper than this have no texts.
const DEEPEST: usize = 2;

/// Everything that is wrong with a deployment's texts, a line for each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct TextProblems(pub(super) BTreeSet<String>);

impl fmt::Display for TextProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n"))
    }
}

/// A file in place of a built-in one, by the path that both have.
#[derive(Debug)]
pub(super) struct OwnText {
    pub path: &'static str,
    pub source: String,
}

/// Reads a folder; what cannot be read or has no place is a problem. What begins with a dot is not looked at.
pub(super) fn read(folder: &Path, problems: &mut BTreeSet<String>) -> Vec<OwnText> {
    let mut files = Vec::new();
    if let Err(error) = find(folder, DEEPEST, &mut files) {
        problems.insert(format!("the folder {}: {error}", folder.display()));
    }
    files.sort();
    let mut texts = Vec::new();
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        match read_one(&file, &name) {
            Ok(text) => texts.push(text),
            Err(problem) => drop(problems.insert(format!("{name}: {problem}"))),
        }
    }
    texts
}

fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // Follows links: that is how files are mounted from a ConfigMap.
        if depth > 1 && fs::metadata(&path)?.is_dir() {
            find(&path, depth - 1, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn read_one(file: &Path, name: &str) -> Result<OwnText, String> {
    let Some((path, _)) = SOURCES.iter().find(|(path, _)| *path == name) else {
        return Err("there is no such text; `docs/messages.md` has the names".to_owned());
    };
    let length = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > LARGEST {
        return Err(format!("has {length} bytes; at most {LARGEST} are read"));
    }
    let source = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let Some(allowed) = blocks_of(path) else { return Ok(OwnText { path, source }) };
    let blocks = blocks_in(&source);
    if blocks.is_empty() {
        return Err("has no {% block … %}, so it would say nothing".to_owned());
    }
    if let Some(unknown) = blocks.iter().find(|block| !allowed.contains(block)) {
        return Err(format!("has no use for the block {unknown:?}; there are {}", allowed.join(", ")));
    }
    // On the same line, so that problems are told at the line where they are.
    Ok(OwnText { path, source: format!("{{% extends \"{}\" %}}{source}", built_in(path)) })
}

/// The name of a built-in text that is replaced.
pub(super) fn built_in(path: &str) -> String {
    format!("built-in/{path}")
}

/// The texts that a file of a language has; none where a file is one text.
fn blocks_of(path: &str) -> Option<&'static [&'static str]> {
    let (_, file) = path.split_once('/')?;
    Some(if file == "common.txt" { &COMMON_TEXTS } else { &MESSAGE_TEXTS })
}

/// The names after `{% block`.
fn blocks_in<'a>(source: &'a str) -> Vec<&'a str> {
    let tags = source.split("{%").skip(1).map(|tag| tag.trim_start_matches(['-', '+']).trim_start());
    let name = |tag: &'a str| tag.strip_prefix("block")?.split([' ', '\t', '\r', '\n', '%', '-', '+']).find(|word| !word.is_empty());
    tags.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_however_they_are_written() {
        let source = "{% block subject %}a{% endblock %}{%- block\ttitle -%}b{%- endblock title -%}{%block sms%}{% endblock %}{% if x %}";
        assert_eq!(blocks_in(source), ["subject", "title", "sms"]);
    }

    #[test]
    fn every_built_in_file_has_exactly_its_texts() {
        for (path, source) in SOURCES {
            if let Some(allowed) = blocks_of(path) {
                assert_eq!(blocks_in(source).into_iter().collect::<BTreeSet<_>>(), allowed.iter().copied().collect(), "{path}");
            }
        }
    }
}
