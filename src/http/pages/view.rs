//! What a page shows, in keys of its texts.

use super::form::LINK_TOKEN;

/// One state of one page.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub page: &'static str,
    pub state: &'static str,
    pub facts: Vec<(&'static str, String)>,
    pub explanations: Vec<&'static str>,
    pub form: Option<Ask>,
    pub ending: Ending,
    pub locale: Option<String>,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Open,
    Done,
}

/// A form with one button.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// The page that it is sent to.
    pub path: &'static str,
    /// What it sends besides what is typed.
    pub hidden: Vec<(&'static str, String)>,
    /// The account's name, for what keeps passwords.
    pub account: Option<String>,
    /// What is typed.
    pub fields: Vec<Field>,
}

/// Something to be typed.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub kind: &'static str,
    pub autocomplete: &'static str,
    pub required: bool,
}

impl View {
    /// The texts are those of `page` and `state`.
    pub(super) const fn of(page: &'static str, state: &'static str) -> Self {
        Self { page, state, facts: Vec::new(), explanations: Vec::new(), form: None, ending: Ending::Open, locale: None }
    }

    /// Shows a fact, such as the account that it is about.
    pub(super) fn about(mut self, label: &'static str, value: String) -> Self {
        self.facts.push((label, value));
        self
    }

    /// Shows another paragraph.
    pub(super) fn explained_by(mut self, text: &'static str) -> Self {
        self.explanations.push(text);
        self
    }

    /// Has a form.
    pub(super) fn asking(mut self, form: Ask) -> Self {
        self.form = Some(form);
        self
    }

    /// There is nothing more that has to be done here.
    pub(super) const fn done(mut self) -> Self {
        self.ending = Ending::Done;
        self
    }

    /// Whose language it speaks, where the browser wants none that there is.
    pub(super) fn for_owner(mut self, locale: Option<String>) -> Self {
        self.locale = locale;
        self
    }
}

impl Ask {
    /// A form that sends the token of the link to a page.
    pub(super) fn by_link(path: &'static str, token: &str) -> Self {
        Self { path, hidden: vec![(LINK_TOKEN, token.to_owned())], account: None, fields: Vec::new() }
    }

    /// A form that sends one value to a page.
    pub(super) fn with(path: &'static str, name: &'static str, value: String) -> Self {
        Self { path, hidden: vec![(name, value)], account: None, fields: Vec::new() }
    }

    /// Names the account.
    pub(super) fn of_account(mut self, name: String) -> Self {
        self.account = Some(name);
        self
    }

    /// Asks for something.
    pub(super) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }
}

impl Field {
    /// The password that holds now; may be left out.
    pub(super) const fn current_password(name: &'static str) -> Self {
        Self { name, kind: "password", autocomplete: "current-password", required: false }
    }

    /// A password that shall hold.
    pub(super) const fn new_password(name: &'static str) -> Self {
        Self { name, kind: "password", autocomplete: "new-password", required: true }
    }

    /// A username.
    pub(super) const fn username(name: &'static str) -> Self {
        Self { name, kind: "text", autocomplete: "username", required: true }
    }

    /// A code of an app, or one that was kept for its loss.
    pub(super) const fn one_time_code(name: &'static str) -> Self {
        Self { name, kind: "text", autocomplete: "one-time-code", required: true }
    }
}
