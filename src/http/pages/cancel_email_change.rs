//! `/cancel-email-change`: the old address stops a change of address, or undoes one.

use async_trait::async_trait;
use entity::link_tokens::Purpose;

use super::{
    form::Form,
    note::Trouble,
    reset_password,
    view::{Ask, View},
    visit::{Met, Page, Visit},
};
use crate::{
    domain::contact,
    flows::{
        cancel_email_change,
        look_at_link::{self, Preview},
    },
    graphql::problem::settle,
};

const PATH: &str = "/cancel-email-change";

pub(super) struct CancelEmailChange;

#[async_trait]
impl Page for CancelEmailChange {
    fn path(&self) -> &'static str {
        PATH
    }

    async fn look(&self, visit: &Visit<'_>, _: Met<'_>) -> Result<View, Trouble> {
        let looked = find(visit).await?;
        let state = if looked.is_current { "ask" } else { "ask_back" };
        let view = View::of("cancel_email_change", state).about("address", contact::masked(&looked.contact)).for_owner(looked.locale);
        Ok(view.asking(Ask::by_link(PATH, &visit.token)))
    }

    async fn act(&self, visit: &Visit<'_>, _: &Form) -> Result<View, Trouble> {
        let looked = find(visit).await?;
        settle("cancel_email_change", cancel_email_change::by_link(visit.app, &visit.caller, &visit.token).await)??;
        Ok(if looked.is_current {
            // Whoever asked for the change may still be signed in.
            View::of("cancel_email_change", "stopped").asking(reset_password::offer(looked.contact)).done()
        } else {
            View::of("cancel_email_change", "undone").done()
        })
    }
}

async fn find(visit: &Visit<'_>) -> Result<Preview, Trouble> {
    Ok(settle("look_at_link", look_at_link::run(visit.app, &visit.token, Purpose::EmailChangeUndo).await)??)
}
