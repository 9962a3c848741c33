//! Somebody who administrates, made as an operator makes them: by the command line's own flow.

use std::ops::Deref;

use postern::flows::create_admin::{self, Input};
use serde_json::{Value, json};

use super::{
    actors::{Member, PASSWORD, PROBLEMS, Visitor},
    answer::Answer,
    gateway::Gateway,
};

/// What is shown of a user.
pub const USER: &str = "user { id email emailVerifiedAt phone phoneVerifiedAt username displayName metadata role status lockedUntil totpEnabled \
                        recoveryCodesLeft passkeys { id } }";

/// A signed-in administrator, with an app.
#[derive(Clone)]
pub struct Administrator(pub Member);

impl Deref for Administrator {
    type Target = Member;

    fn deref(&self) -> &Member {
        &self.0
    }
}

impl Gateway {
    /// A new administrator, whose password is [`PASSWORD`].
    pub async fn administrator(&self, email: &str) -> Administrator {
        self.create_administrator(email).await;
        Administrator(self.app_user().sign_in(email, PASSWORD).await)
    }

    /// The account alone.
    pub async fn create_administrator(&self, email: &str) {
        let input = Input { email: email.to_owned(), password: PASSWORD.to_owned() };
        self.inside(create_admin::run(self.app(), input)).await.map_err(|failure| format!("{failure:?}")).unwrap();
    }
}

impl Visitor {
    /// Signs an administrator in.
    pub async fn administrates(&self, email: &str) -> Administrator {
        Administrator(self.sign_in(email, PASSWORD).await)
    }
}

impl Administrator {
    /// The same person at another instance.
    pub fn at(&self, gateway: &Gateway) -> Self {
        Self(self.0.at(gateway))
    }

    /// Does something, with whatever input; `payload` is asked for besides the problems.
    pub async fn act(&self, field: &str, input: Value, payload: &str) -> Answer {
        let capital = format!("{}{}", field[..1].to_uppercase(), &field[1..]);
        let query = format!("mutation ($input: {capital}Input!) {{ {field}(input: $input) {{ {payload} {PROBLEMS} }} }}");
        self.graphql(&query, json!({"input": input})).await
    }

    pub async fn try_set_status(&self, user_id: &str, status: &str) -> Answer {
        let input = json!({"userId": user_id, "status": status, "reason": "a test"});
        self.act("setUserStatus", input, &format!("{USER} revokedSessionCount")).await
    }

    pub async fn try_set_role(&self, user_id: &str, role: &str) -> Answer {
        self.act("setUserRole", json!({"userId": user_id, "role": role}), USER).await
    }

    pub async fn try_unlock(&self, user_id: &str) -> Answer {
        self.act("unlockUser", json!({"userId": user_id}), USER).await
    }

    pub async fn try_reset_factors(&self, user_id: &str) -> Answer {
        self.act("resetSecondFactors", json!({"userId": user_id, "reason": "lost the phone"}), USER).await
    }

    pub async fn try_revoke_sessions(&self, user_id: &str, session_id: Option<&str>) -> Answer {
        let input = json!({"userId": user_id, "sessionId": session_id, "reason": "a lost laptop"});
        self.act("revokeUserSessions", input, &format!("{USER} revokedSessionIds revokedSessionCount")).await
    }

    pub async fn try_delete(&self, user_id: &str) -> Answer {
        self.act("deleteUser", json!({"userId": user_id, "reason": "asked by letter"}), "deletedUserId").await
    }

    /// Changes what is given.
    pub async fn try_update(&self, user_id: &str, change: Value) -> Answer {
        let mut input = change;
        input["userId"] = json!(user_id);
        self.act("updateUser", input, USER).await
    }

    /// A page of users, by whatever arguments; their addresses, in their order.
    pub async fn emails(&self, arguments: Value) -> Vec<Value> {
        let page = self.try_users(arguments).await.expect_field();
        page["nodes"].as_array().unwrap().iter().map(|user| user["email"].clone()).collect()
    }

    /// A page of users.
    pub async fn try_users(&self, arguments: Value) -> Answer {
        let query = "query ($filter: UserFilter, $orderBy: UserOrder, $first: Int, $after: String, $last: Int, $before: String) {
            users(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
                totalCount nodes { id email } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
        self.graphql(query, arguments).await
    }

    /// A page of sessions.
    pub async fn try_sessions(&self, arguments: Value) -> Answer {
        let query = "query ($filter: SessionFilter, $first: Int, $after: String, $last: Int, $before: String) {
            sessions(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
                totalCount nodes { id status user { id email } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
        self.graphql(query, arguments).await
    }
}
