//! The dev inbox as its reader sees it.

use std::time::{Duration, Instant};

use sea_orm::{ColumnTrait, Database, EntityTrait, QueryFilter};
use serde::Deserialize;

use super::{
    gateway::Door,
    until::{until, until_some},
};

/// How long a message may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A message that was sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: String,
    pub channel: String,
    pub to: String,
    pub subject: Option<String>,
    pub text: String,
    pub html: Option<String>,
    pub code: Option<String>,
    pub link: Option<String>,
    pub sent_at: String,
}

impl Message {
    /// The token of its link.
    pub fn link_token(&self) -> String {
        let link = url::Url::parse(self.link.as_ref().expect("the message has a link")).unwrap();
        link.query_pairs().find(|(name, _)| name == "token").expect("the link has a token").1.into_owned()
    }

    /// Its code.
    pub fn code(&self) -> String {
        self.code.clone().expect("the message has a code")
    }
}

impl Door {
    /// Every message to somebody until now, newest first.
    pub async fn inbox(&self, to: &str) -> Vec<Message> {
        let url = format!("http://{}/dev/inbox.json", self.address);
        let url = url::Url::parse_with_params(&url, [("to", to)]).unwrap();
        let response = self.client.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// The oldest message to somebody that this test has not read yet; waits for it.
    pub async fn next_message(&self, to: &str) -> Message {
        until_some(&format!("a message to {to}"), PATIENCE, async || {
            let messages = self.inbox(to).await;
            let mut read = self.place.read.lock().unwrap();
            let message = messages.into_iter().rev().find(|message| !read.contains(&message.id))?;
            read.insert(message.id.clone());
            Some(message)
        })
        .await
    }

    /// The messages to somebody that this test has not read yet, oldest first, once none is on its way any more.
    pub async fn unread(&self, to: &str) -> Vec<Message> {
        self.all_have_come(Some(to)).await;
        let messages = self.inbox(to).await;
        let read = self.place.read.lock().unwrap();
        messages.into_iter().rev().filter(|message| !read.contains(&message.id)).collect()
    }

    /// Reads every message to somebody that this test has not read yet, oldest first, also those that are on their way.
    pub async fn read_all(&self, to: &str) -> Vec<Message> {
        let messages = self.unread(to).await;
        self.place.read.lock().unwrap().extend(messages.iter().map(|message| message.id.clone()));
        messages
    }

    /// Waits until the courier is done with every message: to somebody, or all that there are.
    pub async fn all_have_come(&self, to: Option<&str>) {
        use entity::messages::{Column, Entity, State};
        let database = Database::connect(self.place.config().database.url).await.unwrap();
        let mut on_their_way = Entity::find().filter(Column::State.eq(State::Pending));
        if let Some(to) = to {
            on_their_way = on_their_way.filter(Column::Recipient.eq(to));
        }
        until("every message comes", PATIENCE, async || on_their_way.clone().one(&database).await.unwrap().is_none()).await;
        database.close().await.unwrap();
    }
}
