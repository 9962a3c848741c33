//! Small pages for the links in messages: a deployment works with them before it has a front end.
//!
//! Looking (GET, HEAD) uses nothing up, since mail scanners look; the button of a form (POST) does. They need no script and load nothing:
//! the style is in the page, allowed by its hash. The token stands in the query of the first request alone, and the query is never logged.

mod cancel_email_change;
mod end_session;
mod form;
mod frame;
mod note;
mod reset_password;
mod sign;
mod sign_in;
mod texts;
mod unlock;
mod verify_email;
mod view;
mod visit;

use std::{net::SocketAddr, sync::Arc};

use async_graphql::Executor;
use axum::{
    Router,
    extract::{ConnectInfo, Request},
    routing::get,
};

use self::{
    cancel_email_change::CancelEmailChange,
    end_session::EndSession,
    frame::Frame,
    reset_password::ResetPassword,
    sign_in::SignIn,
    unlock::Unlock,
    verify_email::VerifyEmail,
    visit::{Door, Page},
};
pub use self::{frame::PageError, sign::Sign};
use super::gateway::Gateway;
use crate::app::App;

/// The routes of the pages. The server must give each connection's peer address (`ConnectInfo<SocketAddr>`).
pub fn routes<E: Executor>(app: &Arc<App>, gateway: &Arc<Gateway<E>>) -> Result<Router, PageError> {
    let frame = Arc::new(Frame::new(app)?);
    let pages: [Box<dyn Page>; 6] = [
        Box::new(VerifyEmail),
        Box::new(ResetPassword),
        Box::new(SignIn),
        Box::new(CancelEmailChange),
        Box::new(Unlock),
        Box::new(EndSession),
    ];
    let mut routes = Router::new();
    for page in pages {
        let path = page.path();
        let door = Arc::new(Door { page, frame: Arc::clone(&frame), app: Arc::clone(app), gateway: Arc::clone(gateway) });
        let looking = Arc::clone(&door);
        let look = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| Arc::clone(&looking).look(peer.ip(), request);
        let act = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| Arc::clone(&door).act(peer.ip(), request);
        routes = routes.route(path, get(look).post(act));
    }
    Ok(routes)
}
