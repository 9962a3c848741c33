//! `/end-session`: "this was not me". Ends a session by the link of the message about it, and offers a new password.

use async_trait::async_trait;
use entity::{Timestamp, link_tokens::Purpose};

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
        disown_session,
        look_at_link::{self, Preview},
    },
    graphql::problem::settle,
};

const PATH: &str = "/end-session";

pub(super) struct EndSession;

#[async_trait]
impl Page for EndSession {
    fn path(&self) -> &'static str {
        PATH
    }

    async fn look(&self, visit: &Visit<'_>, _: Met<'_>) -> Result<View, Trouble> {
        let looked = find(visit).await?;
        let mut view = View::of("end_session", "ask").about("account", contact::masked(&looked.contact)).for_owner(looked.locale);
        if let Some(session) = looked.session {
            view = view.about("device", session.device).about("time", minute(session.at));
            if let Some(address) = session.ip_address {
                view = view.about("ip_address", address);
            }
        }
        Ok(view.asking(Ask::by_link(PATH, &visit.token)))
    }

    async fn act(&self, visit: &Visit<'_>, _: &Form) -> Result<View, Trouble> {
        let looked = find(visit).await?;
        settle("disown_session", disown_session::run(visit.app, &visit.caller, &visit.token).await)??;
        let view = View::of("end_session", "done").asking(reset_password::offer(looked.contact));
        Ok(view.done())
    }
}

async fn find(visit: &Visit<'_>) -> Result<Preview, Trouble> {
    Ok(settle("look_at_link", look_at_link::run(visit.app, &visit.token, Purpose::DisownSession).await)??)
}

/// `2026-11-21 09:30 UTC`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}
