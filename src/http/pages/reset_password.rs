//! `/reset-password`: chooses a new password by the link of a message, and sends such a message where another page offers it.

use async_trait::async_trait;

use super::{
    form::Form,
    note::{Note, Trouble},
    view::{Ask, Field, View},
    visit::{Met, Page, Visit},
};
use crate::{
    domain::contact,
    flows::{
        look_at_link, request_password_reset,
        reset_password::{self, Given},
        sign_up::ContactInput,
    },
    graphql::{context::DEVICE_COOKIE, problem::settle, response_cookies::CookieKind},
};

const PATH: &str = "/reset-password";
const NEW: &str = "newPassword";
const REPEATED: &str = "repeated";
const ADDRESS: &str = "address";

pub(super) struct ResetPassword;

/// A form on another page that has a message sent to this address.
pub(super) fn offer(address: String) -> Ask {
    Ask::with(PATH, ADDRESS, address)
}

#[async_trait]
impl Page for ResetPassword {
    fn path(&self) -> &'static str {
        PATH
    }

    async fn look(&self, visit: &Visit<'_>, _: Met<'_>) -> Result<View, Trouble> {
        let looked = settle("look_at_link", look_at_link::for_password(visit.app, &visit.token).await)??;
        let fields = Ask::by_link(PATH, &visit.token).field(Field::new_password(NEW)).field(Field::new_password(REPEATED));
        let state = if looked.is_invitation { "invited" } else { "ask" };
        let view = View::of("reset_password", state).about("account", looked.contact.clone()).for_owner(looked.locale);
        Ok(view.asking(fields.of_account(looked.contact)))
    }

    async fn act(&self, visit: &Visit<'_>, form: &Form) -> Result<View, Trouble> {
        if let Some(address) = form.text(ADDRESS) {
            return send(visit, address).await;
        }
        let new_password = form.text(NEW).unwrap_or_default();
        // Compared before anything is asked of the account: it uses nothing up.
        if form.text(REPEATED).unwrap_or_default() != new_password {
            return Err(Trouble::Refused(vec![Note::at(REPEATED, "different")]));
        }
        let input = reset_password::Input { proof: Given::Token(visit.token.to_string()), new_password };
        settle("reset_password", reset_password::run(visit.app, &visit.caller, input).await)??;
        Ok(View::of("reset_password", "done").done())
    }
}

async fn send(visit: &Visit<'_>, address: String) -> Result<View, Trouble> {
    let asked = request_password_reset::run(visit.app, &visit.caller, &ContactInput::Email(address)).await;
    let outcome = settle("request_password_reset", asked)??;
    visit.cookies.set(CookieKind::Device, outcome.device_token, DEVICE_COOKIE);
    Ok(View::of("reset_password", "sent").about("address", contact::masked(&outcome.challenge.contact)).done())
}
