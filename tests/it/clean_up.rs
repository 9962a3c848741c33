//! What ends by itself: by the clock of the house, by one instance at a time, exactly once.

mod expiry;
mod kept;
mod turns;

use postern::jobs::clean_up::{self, Done};
use tokio_util::sync::CancellationToken;

use crate::support::Gateway;

/// A turn of the clean-up at this instance, which must be its turn.
pub async fn tidy(gateway: &Gateway) -> Done {
    let done = try_tidy(gateway, "the tidy one").await;
    done.expect("it is its turn")
}

/// A turn of the clean-up, if it is the turn of `holder`.
pub async fn try_tidy(gateway: &Gateway, holder: &str) -> Option<Done> {
    gateway.inside(clean_up::turn(gateway.app(), holder, &CancellationToken::new())).await.unwrap()
}
