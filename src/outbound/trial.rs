//! A deployment's texts in force, once each of them was tried in every message, language and channel.

use std::{collections::BTreeSet, error::Error, path::Path};

use entity::Channel;

use super::{
    message::{MessageSecret, Template},
    own_texts::{self, OwnText, TextProblems, built_in},
    render::{Draft, RenderError, Rendered, Renderer},
    samples::{CODE, one_of_each, secret_of},
    texts::{Language, SOURCES},
};

/// What `mail.html` and `mail.txt` can name.
const OF_A_MAIL: [&str; 14] = [
    "after",
    "body",
    "button",
    "code",
    "code_label",
    "details",
    "details_label",
    "footer",
    "language",
    "link",
    "link_label",
    "product",
    "subject",
    "title",
];
/// What `common.txt` can name, since it is in every mail.
const OF_EVERY_MESSAGE: [&str; 2] = ["minutes", "product"];
/// What the template language has of its own.
const GLOBALS: [&str; 3] = ["dict", "namespace", "range"];

impl Renderer {
    /// Takes the texts of a folder in place of the built-in ones; what is not there stays built in. Every problem is told at once.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, TextProblems> {
        let mut problems = BTreeSet::new();
        let texts = own_texts::read(folder, &mut problems);
        for OwnText { path, source } in texts {
            let replaced = SOURCES.iter().find(|(known, _)| *known == path).map_or("", |(_, source)| source);
            let added = self.environment.add_template_owned(built_in(path), replaced);
            if let Err(error) = added.and_then(|()| self.environment.add_template_owned(path, source)) {
                problems.insert(told(&error));
            }
        }
        let mut broken = self.check_names(&mut problems);
        loop {
            // What cannot be rendered gives way to what is built in, so that one problem hides no other.
            for (path, source) in SOURCES.iter().filter(|(path, _)| broken.remove(*path)) {
                drop(self.environment.add_template(path, source));
            }
            broken = self.check_messages(&mut problems);
            if !SOURCES.iter().any(|(path, _)| broken.contains(*path)) {
                break;
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(TextProblems(problems)) }
    }

    /// Also in branches that no sample takes, no text names what its message does not have. Returns the files that do.
    fn check_names(&self, problems: &mut BTreeSet<String>) -> BTreeSet<String> {
        let samples = one_of_each();
        let mut broken = BTreeSet::new();
        for (path, _) in SOURCES {
            let Ok(text) = self.environment.get_template(path) else { continue };
            let known: Vec<&str> = match path.split_once('/') {
                None => OF_A_MAIL.to_vec(),
                Some((_, "common.txt")) => OF_EVERY_MESSAGE.to_vec(),
                Some((_, file)) => {
                    let sample = samples.iter().find(|sample| file.strip_suffix(".txt") == Some(sample.name()));
                    sample.map(|sample| self.names_of(sample)).unwrap_or_default()
                }
            };
            let mut unknown: Vec<String> = text.undeclared_variables(false).into_iter().collect();
            unknown.retain(|name| !known.contains(&name.as_str()) && !GLOBALS.contains(&name.as_str()));
            unknown.sort();
            for name in unknown {
                broken.insert((*path).to_owned());
                problems.insert(format!("{path}: there is no {{{{ {name} }}}} here; there are {}", known.join(", ")));
            }
        }
        broken
    }

    /// Renders everything; returns the files that cannot be rendered.
    fn check_messages(&self, problems: &mut BTreeSet<String>) -> BTreeSet<String> {
        let mut broken = BTreeSet::new();
        for template in one_of_each() {
            for language in Language::ALL {
                for channel in [Channel::Email, Channel::Sms] {
                    for secret in [secret_of(&template), MessageSecret { code: secret_of(&template).code.clone(), link_token: None }] {
                        let draft = Draft { channel, template: &template, secret: &secret, locale: language.tag() };
                        match self.render(&draft) {
                            Ok(rendered) => look(&rendered, &template, language, problems),
                            Err(RenderError(error)) => {
                                let cause = innermost(&error);
                                broken.extend(cause.name().map(str::to_owned));
                                problems.insert(told(cause));
                            }
                        }
                    }
                }
            }
        }
        broken
    }
}

/// What a message must not be without.
fn look(rendered: &Rendered, template: &Template, language: Language, problems: &mut BTreeSet<String>) {
    let file = format!("{}/{}.txt", language.tag(), template.name());
    let needs_code = template.challenge_id().is_some();
    match (&rendered.subject, &rendered.html) {
        (Some(subject), Some(html)) => {
            if subject.is_empty() {
                problems.insert(format!("{file}: the block subject is empty"));
            }
            for (page, text) in [("mail.txt", &rendered.text), ("mail.html", html)] {
                if needs_code && !text.contains(CODE) {
                    problems.insert(format!("{page}: does not show {{{{ code }}}}"));
                }
                // In HTML its ampersand is escaped.
                let link = rendered.link.as_deref().map(|link| link.split('&').next().unwrap_or_default());
                if link.is_some_and(|link| !text.replace("&#x2f;", "/").contains(link)) {
                    problems.insert(format!("{page}: does not show {{{{ link }}}}"));
                }
            }
        }
        (_, _) => {
            if rendered.text.is_empty() {
                problems.insert(format!("{file}: the block sms is empty"));
            } else if needs_code && !rendered.text.contains(CODE) {
                problems.insert(format!("{file}: the block sms does not show {{{{ code }}}}"));
            } else if rendered.link.as_ref().is_some_and(|link| !rendered.text.contains(link)) {
                problems.insert(format!("{file}: the block sms does not show {{{{ link }}}}"));
            }
        }
    }
}

/// The cause that knows best where it is.
fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let mut cause = error;
    while let Some(deeper) = cause.source().and_then(|source| source.downcast_ref::<minijinja::Error>()) {
        cause = deeper;
    }
    cause
}

/// Where and what, on one line.
fn told(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" line {line}:")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}:{line} {}{detail}", error.name().unwrap_or_default(), error.kind()).replace(char::is_control, " ")
}
