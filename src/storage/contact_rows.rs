//! What lies by a contact alone, under no account: what was asked for and sent before it belonged to one, or after.

use std::collections::BTreeSet;

use entity::{
    Channel, dev_inbox,
    link_tokens::{self, Purpose},
    messages, password_reset_attempts, pending_sign_ups, users,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::error::StorageError;

/// Links that go to nobody but the owner of a proved contact, or of one that was.
const OF_PROVED: [Purpose; 3] = [Purpose::EmailChangeUndo, Purpose::PasswordReset, Purpose::MagicLink];

/// Rows by a contact alone.
#[derive(Clone, Debug, Default)]
pub struct ContactRows {
    /// The newest last.
    pub messages: Vec<messages::Model>,
    /// The newest last.
    pub reset_attempts: Vec<password_reset_attempts::Model>,
}

/// Those of the contacts that the account has proved and has now.
pub async fn list(db: &impl ConnectionTrait, user: &users::Model) -> Result<ContactRows, StorageError> {
    let mut rows = ContactRows::default();
    for contact in proved(user) {
        rows.messages.extend(nobodys_messages(&contact).all(db).await?);
        rows.reset_attempts.extend(nobodys_attempts(&contact).all(db).await?);
    }
    Ok(rows)
}

/// Removes those of every contact that the account has proved, now or before, unless it is somebody else's by now.
pub async fn erase(db: &impl ConnectionTrait, user: &users::Model) -> Result<(), StorageError> {
    let mut contacts = proved(user);
    contacts.extend(had(db, user).await?);
    for contact in contacts {
        if !is_of_another(db, user, &contact).await? {
            erase_contact(db, &contact).await?;
        }
    }
    Ok(())
}

fn proved(user: &users::Model) -> BTreeSet<String> {
    let email = user.email.clone().filter(|_| user.email_verified_at.is_some());
    email.into_iter().chain(user.phone.clone().filter(|_| user.phone_verified_at.is_some())).collect()
}

/// Contacts that the account's own rows tell of. What was merely typed, and never proved, may be anybody's.
async fn had(db: &impl ConnectionTrait, user: &users::Model) -> Result<Vec<String>, StorageError> {
    let links = link_tokens::Entity::find()
        .select_only()
        .column(link_tokens::Column::Contact)
        .filter(link_tokens::Column::UserId.eq(user.id))
        .filter(link_tokens::Column::Purpose.is_in(OF_PROVED));
    let attempts = password_reset_attempts::Entity::find()
        .select_only()
        .column(password_reset_attempts::Column::Contact)
        .filter(password_reset_attempts::Column::UserId.eq(user.id));
    let mut contacts: Vec<String> = links.distinct().into_tuple().all(db).await?;
    contacts.extend(attempts.distinct().into_tuple::<String>().all(db).await?);
    Ok(contacts)
}

async fn is_of_another(db: &impl ConnectionTrait, user: &users::Model, contact: &str) -> Result<bool, StorageError> {
    use users::Column;
    let by_email = Condition::all().add(Column::Email.eq(contact)).add(Column::EmailVerifiedAt.is_not_null());
    let by_phone = Condition::all().add(Column::Phone.eq(contact)).add(Column::PhoneVerifiedAt.is_not_null());
    let other = users::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.ne(user.id))
        .filter(Condition::any().add(by_email).add(by_phone));
    Ok(other.into_tuple::<uuid::Uuid>().one(db).await?.is_some())
}

fn nobodys_messages(contact: &str) -> sea_orm::Select<messages::Entity> {
    messages::Entity::find().filter(messages::Column::Recipient.eq(contact)).filter(messages::Column::UserId.is_null())
}

fn nobodys_attempts(contact: &str) -> sea_orm::Select<password_reset_attempts::Entity> {
    use password_reset_attempts::{Column, Entity};
    Entity::find().filter(Column::Contact.eq(contact)).filter(Column::UserId.is_null())
}

/// Also sign-ups that can never be finished, and mail of development.
async fn erase_contact(db: &impl ConnectionTrait, contact: &str) -> Result<(), StorageError> {
    let channel = if contact.contains('@') { Channel::Email } else { Channel::Sms };
    password_reset_attempts::Entity::delete_many().filter(password_reset_attempts::Column::Contact.eq(contact)).exec(db).await?;
    messages::Entity::delete_many()
        .filter(messages::Column::Recipient.eq(contact))
        .filter(messages::Column::UserId.is_null())
        .exec(db)
        .await?;
    link_tokens::Entity::delete_many()
        .filter(link_tokens::Column::Contact.eq(contact))
        .filter(link_tokens::Column::UserId.is_null())
        .exec(db)
        .await?;
    pending_sign_ups::Entity::delete_many()
        .filter(pending_sign_ups::Column::Channel.eq(channel))
        .filter(pending_sign_ups::Column::Contact.eq(contact))
        .exec(db)
        .await?;
    dev_inbox::Entity::delete_many().filter(dev_inbox::Column::Recipient.eq(contact)).exec(db).await?;
    Ok(())
}
