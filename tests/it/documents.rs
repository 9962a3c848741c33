//! Pages that list what the code has, compared with the code.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn all_source() -> Vec<String> {
    let mut files = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// The names in the first column of the tables of a page, as code; only of tables whose first heading is `heading`.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).unwrap();
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        let first = line.strip_prefix('|').and_then(|line| line.split('|').next()).map(str::trim);
        match first {
            None => inside = false,
            Some(first) if first == heading => inside = true,
            Some(first) if inside => names.extend(first.split('`').skip(1).step_by(2).map(str::to_owned)),
            Some(_) => {}
        }
    }
    names
}

/// The text literal at the end of `text`, if there is one.
fn last_literal(text: &str) -> Option<&str> {
    text.trim_end().strip_suffix('"')?.rsplit('"').next()
}

/// The names of audit events: a text before its category, one that a flow hands on as `event_type`, and what functions of that name return.
fn event_types(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let before_category = source.split("Category::").filter_map(|before| last_literal(before.trim_end().strip_suffix(',')?));
    names.extend(before_category.map(str::to_owned));
    for after in source.split("event_type: \"").skip(1) {
        names.extend(after.split('"').next().map(str::to_owned));
    }
    for after in source.split("reauthenticate::prove(").skip(1) {
        names.extend(after.split('"').nth(1).map(str::to_owned));
    }
    for after in source.split("fn event_type(").skip(1) {
        let body = after.split("\n}").next().unwrap_or_default();
        names.extend(body.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    names
}

// C14: whoever reads the log can look up every row.
#[test]
fn every_audit_event_is_on_its_page() {
    let used: BTreeSet<String> = all_source().iter().flat_map(|source| event_types(source)).collect();
    assert!(used.len() > 25 && used.contains("phone_change") && used.contains("password_change"), "{used:?}");
    let listed = listed("audit.md", "event type");
    assert_eq!(
        listed.symmetric_difference(&used).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "in the code or on docs/audit.md, not in both"
    );
}

// Whoever meets a problem can look it up: every code that a flow answers is on the page.
#[test]
fn every_problem_is_on_its_page() {
    let listed = listed("errors.md", "`code`");
    let used: BTreeSet<String> = all_source()
        .iter()
        .flat_map(|source| {
            source
                .split("ProblemCode::")
                .skip(1)
                .map(|after| after.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|name| name.starts_with(char::is_uppercase))
        .map(|name| {
            let mut shouted = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !shouted.is_empty() {
                    shouted.push('_');
                }
                shouted.push(letter.to_ascii_uppercase());
            }
            shouted
        })
        .collect();
    assert!(used.len() > 30, "{used:?}");
    assert_eq!(used.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in docs/errors.md");
}
