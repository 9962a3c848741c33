//! Keeps the layers, and one home for each outside crate: reads what the sources name, and compares.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What may be named from everywhere: settings as data, time, randomness, tasks that are looked after.
const KERNEL: [&str; 6] = ["clock", "config", "entropy", "lately", "supervise", "telemetry"];

/// Each room of the house, and which others it may use (itself and the kernel it always may).
const ROOMS: [(&str, &[&str]); 18] = [
    ("clock", &[]),
    ("entropy", &[]),
    ("lately", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("supervise", &[]),
    ("domain", &[]),
    ("crypto", &[]),
    ("storage", &[]),
    ("ephemeral", &[]),
    ("outbound", &[]),
    ("events", &["storage"]),
    ("flows", &["app", "domain", "crypto", "storage", "ephemeral", "outbound", "events"]),
    ("jobs", &["app", "domain", "crypto", "storage", "ephemeral", "outbound", "events", "flows"]),
    ("graphql", &["app", "domain", "crypto", "storage", "ephemeral", "outbound", "events", "flows"]),
    ("http", &["app", "domain", "crypto", "storage", "ephemeral", "outbound", "events", "flows", "graphql"]),
    ("app", &["domain", "crypto", "storage", "ephemeral", "outbound", "events", "flows", "graphql", "http", "jobs"]),
    ("cli", &["app", "domain", "crypto", "storage", "ephemeral", "outbound", "events", "flows", "graphql", "http", "jobs"]),
];

/// Where each outside crate may be named: files or folders below `src/`.
const HOMES: [(&str, &[&str]); 41] = [
    ("axum", &["http/"]),
    ("tower", &["http/"]),
    ("tower_http", &["http/"]),
    ("async_graphql", &["graphql/", "http/"]),
    ("async_graphql_axum", &["http/"]),
    ("sea_orm", &["storage/"]),
    ("sea_orm_migration", &["storage/"]),
    ("sqlx", &["storage/"]),
    ("migration", &["storage/"]),
    ("redis", &["ephemeral/redis.rs", "events/redis.rs"]),
    ("deadpool_redis", &["ephemeral/redis.rs", "events/redis.rs"]),
    ("lettre", &["outbound/smtp.rs"]),
    ("minijinja", &["outbound/", "http/dev_inbox.rs", "http/message_previews.rs", "http/pages/frame.rs"]),
    ("jsonwebtoken", &["crypto/access_token.rs", "crypto/client_secret.rs", "crypto/id_token.rs"]),
    ("argon2", &["crypto/password_hash.rs", "crypto/password_hash/"]),
    ("password_hash", &["crypto/password_hash.rs", "crypto/password_hash/"]),
    ("bcrypt", &["crypto/password_hash/"]),
    ("scrypt", &["crypto/password_hash/"]),
    ("pbkdf2", &["crypto/password_hash/"]),
    ("sha_crypt", &["crypto/password_hash/"]),
    ("md5", &["crypto/password_hash/"]),
    ("totp_rs", &["domain/totp.rs"]),
    ("qrcodegen", &["domain/qr_code.rs"]),
    ("image", &["domain/picture.rs", "domain/picture/"]),
    ("jpeg_decoder", &["domain/picture/jpeg.rs"]),
    ("png", &["domain/picture/png.rs"]),
    ("gif", &["domain/picture/gif.rs"]),
    ("tempfile", &["outbound/incoming_file.rs"]),
    ("multer", &["http/multipart.rs"]),
    ("object_store", &["outbound/pictures.rs"]),
    ("reqwest", &["outbound/"]),
    ("maxminddb", &["outbound/places.rs"]),
    ("webauthn_rs", &["crypto/webauthn.rs"]),
    ("aes_gcm", &["crypto/secret_box.rs"]),
    ("hkdf", &["crypto/key_ring.rs"]),
    ("zxcvbn", &["domain/password.rs"]),
    ("phonenumber", &["domain/phone.rs"]),
    ("idna", &["domain/email.rs"]),
    ("woothee", &["domain/device.rs"]),
    ("figment", &["config/"]),
    ("clap", &["cli/", "main.rs"]),
];

/// What others may name of `sea_orm` all the same: the transaction that they hold for storage to write in, and the text of an enum.
const NEVER_QUERIES: [&str; 3] = ["sea_orm::ActiveEnum", "sea_orm::ConnectionTrait", "sea_orm::DatabaseTransaction"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["common", "helpers", "manager", "misc", "service", "types", "util", "utils"];

/// One source file: its path below `src/`, what it says, and its code without comments, literals and tests.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    /// The module it is, as names from the crate's root; empty for `lib.rs` and `main.rs`.
    fn module(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        if names.last() == Some(&"mod") {
            names.pop();
        }
        if names == ["lib"] || names == ["main"] {
            names.clear();
        }
        names
    }

    fn room(&self) -> Option<&str> {
        self.module().first().copied()
    }

    /// Every room that it names, by `crate::…` or by enough `super::…`.
    fn rooms_named(&self) -> BTreeSet<String> {
        let mut named: BTreeSet<String> = names_after(&self.code, "crate::").into_iter().collect();
        let depth = self.module().len();
        if depth > 0 {
            named.extend(names_after(&self.code, &"super::".repeat(depth)));
        }
        named
    }

    /// The `use` items that name modules of this crate.
    fn imports_of_ours(&self) -> impl Iterator<Item = &str> {
        let items = self.code.split("use ").skip(1).map(|rest| rest.split(';').next().unwrap_or_default());
        items.filter(|item| ["crate::", "self::", "super::"].iter().any(|start| item.starts_with(start)))
    }

    /// Whether it names an outside crate: as the start of a path, or to be linked. A module of ours may have the same name.
    fn names_crate(&self, name: &str) -> bool {
        if self.code.contains(&format!("mod {name};")) || self.imports_of_ours().any(|import| words(import).any(|word| word == name)) {
            return false;
        }
        let path = format!("{name}::");
        self.code.match_indices(&path).any(|(at, _)| !preceded_by_path(&self.code, at) && !never_queries(&self.code[at..]))
            || self.code.contains(&format!("use {name};"))
            || self.code.contains(&format!("extern crate {name}"))
    }
}

fn never_queries(code: &str) -> bool {
    NEVER_QUERIES
        .iter()
        .any(|allowed| code.strip_prefix(allowed).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric())))
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
}

/// Whether what starts at `at` goes on an identifier or a path that began before it.
fn preceded_by_path(code: &str, at: usize) -> bool {
    let before = &code[..at];
    before.ends_with("::") && !before.ends_with(" ::") || before.ends_with(|last: char| last.is_alphanumeric() || last == '_')
}

/// The first names of what follows each `prefix`: one name, or those of a group in braces.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if preceded_by_path(code, at) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_u32;
            let mut item = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut item)),
                    _ if depth == 0 => item.push(character),
                    _ => {}
                }
            }
            names.push(item);
        } else {
            names.push(rest.to_owned());
        }
    }
    names.iter().map(|name| first_identifier(name)).filter(|name| !name.is_empty()).collect()
}

fn first_identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The code alone: comments, literals and the tests at the end blanked out.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            1 + end_of_string(&rest[1..])
        } else {
            raw_string(rest, &code).unwrap_or_default()
        };
        if skipped == 0 {
            // A quote as a character literal must not open a string.
            let literal = ["'\"'", "'\\\"'", "'\\''"].into_iter().find(|literal| rest.starts_with(literal));
            let kept = literal.map_or(first.len_utf8(), str::len);
            code.push_str(if literal.is_some() { " " } else { &rest[..kept] });
            rest = &rest[kept..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// Bytes up to and with the closing quote of a string whose opening one is already behind.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string that starts here, if one does.
fn raw_string(text: &str, before: &str) -> Option<usize> {
    if before.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
        return None;
    }
    let marks = text.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    let body = text[1 + marks..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(marks));
    Some(body.find(&closing).map_or(text.len(), |end| 2 + marks + end + closing.len()))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            Source { path, code: code_of(&text), text }
        })
        .collect()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn rooms_use_only_what_is_below_them() {
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut found = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            found.push(format!("src/{} is in no room that this test knows", source.path));
            continue;
        };
        for named in source.rooms_named() {
            let fine =
                named == room || KERNEL.contains(&named.as_str()) || allowed.contains(&named.as_str()) || !rooms.contains(named.as_str());
            if !fine {
                found.push(format!("src/{} uses crate::{named}", source.path));
            }
        }
    }
    assert_none("imports against the layers", &found);
}

#[test]
fn mutations_never_call_storage() {
    let found: Vec<String> = sources()
        .iter()
        .filter(|source| source.path.starts_with("graphql/mutation/") && source.rooms_named().contains("storage"))
        .map(|source| format!("src/{}", source.path))
        .collect();
    assert_none("mutations that use storage", &found);
}

#[test]
fn outside_crates_have_one_home() {
    let mut found = Vec::new();
    for source in sources() {
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| source.path == *home || home.ends_with('/') && source.path.starts_with(home));
            if !at_home && source.names_crate(name) {
                found.push(format!("src/{} names {name}, whose home is {}", source.path, homes.join(", ")));
            }
        }
    }
    assert_none("outside crates away from home", &found);
}

#[test]
fn every_file_says_what_it_is_for() {
    let found: Vec<String> =
        sources().iter().filter(|source| !source.text.starts_with("//! ")).map(|source| format!("src/{}", source.path)).collect();
    assert_none("files that do not open with a `//!` sentence", &found);
}

#[test]
fn names_say_what_is_inside() {
    let found: Vec<String> = sources()
        .iter()
        .filter(|source| source.module().iter().any(|name| EMPTY_NAMES.contains(name)))
        .map(|source| format!("src/{}", source.path))
        .collect();
    assert_none("names that say nothing", &found);
}

#[test]
fn nothing_is_static() {
    let mut found = Vec::new();
    for source in sources() {
        // The allocator is the one thing that the language wants as a static.
        if source.path == "main.rs" {
            continue;
        }
        for line in source.code.lines() {
            let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            if line.starts_with("static ") || line.starts_with("thread_local!") {
                found.push(format!("src/{}: {line}", source.path));
            }
        }
    }
    assert_none("state that two gateways in one process would share", &found);
}

#[test]
fn the_reader_of_sources_reads_them_rightly() {
    let code = code_of(
        r##"//! crate::http
use crate::{clock::{Clock, Timestamp}, storage::Database as _, flows};
/* crate::cli */ let a = "crate::jobs \" crate::jobs"; let b = r#"crate::app "quoted" "#; let c = '"';
fn f() { super::super::graphql::x(); crate::domain::y(); my_crate::z(); sea_orm::q(); x.sea_orm2::q() }
#[cfg(test)]
mod tests { use crate::http; }
"##,
    );
    let source = Source { path: "flows/sub/mod.rs".to_owned(), text: String::new(), code };
    assert_eq!(source.module(), ["flows", "sub"]);
    assert_eq!(source.rooms_named().into_iter().collect::<Vec<_>>(), ["clock", "domain", "flows", "graphql", "storage"]);
    assert!(source.names_crate("sea_orm"));
    assert!(!source.names_crate("orm"));
    assert!(!source.names_crate("flows"));
}
