//! The audit log: what it keeps, who may look through it, how it leaves the house; and the figures beside it.

mod columns;
mod export;
mod figures;
mod forwarding;
mod plans;
mod queries;

use std::time::Duration;

use entity::{account_events::Kind, user_audit_log, users};
use postern::{clock::Clock, flows::change::Change};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};
use serde_json::Value;

use crate::support::{Answer, Gateway, Member, Visitor};

/// Gives somebody a role, as the program would: the sessions of every instance see it at once.
pub async fn set_role(gateway: &Gateway, user_id: &str, role: users::Role) {
    let app = gateway.app();
    let id = uuid::Uuid::parse_str(user_id).unwrap();
    let change = async {
        let mut change = Change::begin_own(app, app.clock.now()).await?;
        users::Entity::update_many()
            .col_expr(users::Column::Role, Expr::value(role))
            .col_expr(users::Column::Version, Expr::cust("version + 1"))
            .filter(users::Column::Id.eq(id))
            .exec(change.db())
            .await?;
        change.tell(Kind::RoleChanged, id);
        change.commit().await
    };
    gateway.inside(change).await.unwrap();
}

/// Somebody who is an administrator.
pub async fn becomes_admin(gateway: &Gateway, visitor: &Visitor, email: &str) -> Member {
    let member = visitor.becomes_member(email).await;
    set_role(gateway, &member.user_id, users::Role::Admin).await;
    member
}

/// Brings the clock of the gateway up to the one on the wall, by which the views of the database go.
fn catch_up(gateway: &Gateway) {
    gateway.advance(Clock::system().now().since(gateway.clock.now()) + Duration::from_secs(1));
}

async fn rows(gateway: &Gateway) -> Vec<user_audit_log::Model> {
    user_audit_log::Entity::find().order_by_asc(user_audit_log::Column::Seq).all(&gateway.database().await).await.unwrap()
}

/// A field of every node of a connection, the only root field of an answer.
fn told(answer: Answer, field: &str) -> Vec<Value> {
    let connection = answer.expect_field();
    connection["nodes"].as_array().unwrap_or_else(|| panic!("{connection}")).iter().map(|node| node[field].clone()).collect()
}
