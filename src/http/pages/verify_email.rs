//! `/verify-email`: finishes a sign-up, or proves the address of an account.

use async_trait::async_trait;

use super::{
    form::Form,
    note::Trouble,
    view::{Ask, Field, View},
    visit::{Met, Page, Visit},
};
use crate::{
    flows::{
        look_at_verification::{self, Asks},
        verify_email,
    },
    graphql::problem::{ProblemCode, settle},
};

const PATH: &str = "/verify-email";
const PASSWORD: &str = "password";
const USERNAME: &str = "username";

pub(super) struct VerifyEmail;

#[async_trait]
impl Page for VerifyEmail {
    fn path(&self) -> &'static str {
        PATH
    }

    async fn look(&self, visit: &Visit<'_>, met: Met<'_>) -> Result<View, Trouble> {
        let looked = settle("look_at_verification", look_at_verification::run(visit.app, &visit.caller, &visit.token).await)??;
        if looked.asks == Asks::AnotherBrowser {
            return Ok(View::of("verify_email", "another_browser").about("address", looked.contact).for_owner(looked.locale));
        }
        let mut view = View::of("verify_email", "ask").about("address", looked.contact.clone()).for_owner(looked.locale);
        let mut form = Ask::by_link(PATH, &visit.token);
        match looked.asks {
            Asks::Nothing | Asks::AnotherBrowser => {}
            Asks::PasswordOfSignUp => view = view.explained_by("elsewhere"),
            Asks::PasswordOfAccount => view = view.explained_by("account_elsewhere"),
        }
        if looked.asks != Asks::Nothing || met.has(ProblemCode::CredentialsInvalid) {
            form = form.of_account(looked.contact).field(Field::current_password(PASSWORD));
        }
        if met.has(ProblemCode::UsernameTaken) || met.has(ProblemCode::UsernameInvalid) {
            form = form.field(Field::username(USERNAME));
        }
        Ok(view.asking(form))
    }

    async fn act(&self, visit: &Visit<'_>, form: &Form) -> Result<View, Trouble> {
        let input = verify_email::Input { token: visit.token.to_string(), password: form.text(PASSWORD), username: form.text(USERNAME) };
        let outcome = settle("verify_email", verify_email::run(visit.app, &visit.caller, input).await)??;
        let done = if outcome.password_kept { "done" } else { "done_without_password" };
        Ok(View::of("verify_email", done).about("address", outcome.email).done())
    }
}
