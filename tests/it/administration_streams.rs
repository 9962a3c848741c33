//! What happens to everybody, told live to administrators and machines: whole, in order, and only as long as they may have it.

mod following;
mod losing;

use entity::{account_events::Kind, users};
use postern::flows::change::Change;
use sea_orm::{ActiveValue::Set, EntityTrait};
use uuid::Uuid;

use crate::support::{Gateway, Member, PASSWORD};

const ALL_SESSIONS: &str =
    "subscription ($userId: ID, $after: String) { allSessionEvents(userId: $userId, after: $after) { id cursor kind sessionId userId } }";
const ALL_USERS: &str =
    "subscription ($userId: ID, $after: String) { userEvents(userId: $userId, after: $after) { id cursor kind userId user { id } } }";

/// Changes a user as a flow of this instance does: with its event, and the world told after it.
async fn set(gateway: &Gateway, member: &Member, kind: Kind, change: users::ActiveModel) {
    let app = gateway.app();
    let id: Uuid = member.user_id.parse().unwrap();
    let work = async {
        let mut transaction = Change::begin_own(app, app.clock.now()).await?;
        users::Entity::update(users::ActiveModel { id: Set(id), ..change }).exec(transaction.db()).await?;
        transaction.tell(kind, id);
        transaction.commit().await
    };
    gateway.inside(work).await.unwrap();
}

async fn set_role(gateway: &Gateway, member: &Member, role: users::Role) {
    set(gateway, member, Kind::RoleChanged, users::ActiveModel { role: Set(role), ..Default::default() }).await;
}

/// An administrator with an app.
async fn administrator(gateway: &Gateway, email: &str) -> Member {
    let member = gateway.app_user().becomes_member(email).await;
    set_role(gateway, &member, users::Role::Admin).await;
    member
}

/// Another session of an account.
async fn signs_in(gateway: &Gateway, email: &str) -> Member {
    gateway.app_user().sign_in(email, PASSWORD).await
}
