//! `/unlock`: ends a lockout by the link of the message about it.

use async_trait::async_trait;
use entity::link_tokens::Purpose;

use super::{
    form::Form,
    note::Trouble,
    view::{Ask, View},
    visit::{Met, Page, Visit},
};
use crate::{
    domain::contact,
    flows::{look_at_link, unlock_account},
    graphql::problem::settle,
};

const PATH: &str = "/unlock";

pub(super) struct Unlock;

#[async_trait]
impl Page for Unlock {
    fn path(&self) -> &'static str {
        PATH
    }

    async fn look(&self, visit: &Visit<'_>, _: Met<'_>) -> Result<View, Trouble> {
        let looked = settle("look_at_link", look_at_link::run(visit.app, &visit.token, Purpose::Unlock).await)??;
        let view = View::of("unlock", "ask").about("account", contact::masked(&looked.contact)).for_owner(looked.locale);
        Ok(view.asking(Ask::by_link(PATH, &visit.token)))
    }

    async fn act(&self, visit: &Visit<'_>, _: &Form) -> Result<View, Trouble> {
        settle("unlock_account", unlock_account::run(visit.app, &visit.caller, &visit.token).await)??;
        Ok(View::of("unlock", "done").done())
    }
}
