//! The contacts of users: proved, waiting for their proof, lost. Each change is one conditional write, so that of two that race one is told.

use entity::{Channel, Timestamp, auth_providers, known_devices, passkey_credentials, recovery_codes, users};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, UpdateMany,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::error::StorageError;

/// The columns of a contact.
struct Columns {
    contact: users::Column,
    verified_at: users::Column,
    pending: users::Column,
    pending_expires_at: users::Column,
    pending_challenge_id: users::Column,
}

const fn columns(channel: Channel) -> Columns {
    match channel {
        Channel::Email => Columns {
            contact: users::Column::Email,
            verified_at: users::Column::EmailVerifiedAt,
            pending: users::Column::PendingEmail,
            pending_expires_at: users::Column::PendingEmailExpiresAt,
            pending_challenge_id: users::Column::PendingEmailChallengeId,
        },
        Channel::Sms => Columns {
            contact: users::Column::Phone,
            verified_at: users::Column::PhoneVerifiedAt,
            pending: users::Column::PendingPhone,
            pending_expires_at: users::Column::PendingPhoneExpiresAt,
            pending_challenge_id: users::Column::PendingPhoneChallengeId,
        },
    }
}

/// A contact that waits for its proof.
#[derive(Clone, Debug)]
pub struct Pending<'a> {
    /// In canonical form.
    pub contact: &'a str,
    /// The one challenge that proves it.
    pub challenge_id: Uuid,
    /// Until when.
    pub expires_at: Timestamp,
}

fn update(id: Uuid, now: Timestamp) -> UpdateMany<users::Entity> {
    users::Entity::update_many()
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1))
        .filter(users::Column::Id.eq(id))
}

fn without_pending(update: UpdateMany<users::Entity>, channel: Channel) -> UpdateMany<users::Entity> {
    let columns = columns(channel);
    update
        .col_expr(columns.pending, Expr::value(Option::<String>::None))
        .col_expr(columns.pending_expires_at, Expr::value(Option::<Timestamp>::None))
        .col_expr(columns.pending_challenge_id, Expr::value(Option::<Uuid>::None))
}

/// Voids what was sent before and has not come back yet: proofs of contacts, and contacts that wait for theirs.
pub(super) fn without_proofs(update: UpdateMany<users::Entity>, now: Timestamp) -> UpdateMany<users::Entity> {
    let update = without_pending(without_pending(update, Channel::Email), Channel::Sms);
    update.col_expr(users::Column::ProofsVoidBefore, Expr::value(now))
}

/// The same by itself.
pub async fn void_proofs(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<(), StorageError> {
    without_proofs(update(id, now), now).exec(db).await?;
    Ok(())
}

/// Lets a contact wait for its proof, in the place of another that did.
pub async fn insert_pending(
    db: &impl ConnectionTrait,
    id: Uuid,
    channel: Channel,
    pending: Pending<'_>,
    now: Timestamp,
) -> Result<(), StorageError> {
    let columns = columns(channel);
    update(id, now)
        .col_expr(columns.pending, Expr::value(pending.contact))
        .col_expr(columns.pending_expires_at, Expr::value(pending.expires_at))
        .col_expr(columns.pending_challenge_id, Expr::value(pending.challenge_id))
        .exec(db)
        .await?;
    Ok(())
}

/// Forgets the contact that waits; false where none does.
pub async fn delete_pending(db: &impl ConnectionTrait, id: Uuid, channel: Channel, now: Timestamp) -> Result<bool, StorageError> {
    let pending = columns(channel).pending;
    let result = without_pending(update(id, now), channel).filter(pending.is_not_null()).exec(db).await?;
    Ok(result.rows_affected == 1)
}

/// Makes the waiting contact the proved one; false where this challenge is no longer the one that counts. One that somebody else has
/// proved is a conflict.
pub async fn confirm_pending(
    db: &impl ConnectionTrait,
    id: Uuid,
    channel: Channel,
    challenge_id: Uuid,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let columns = columns(channel);
    let update = update(id, now)
        .col_expr(columns.contact, Expr::col(columns.pending))
        .col_expr(columns.verified_at, Expr::value(now))
        .filter(columns.pending_challenge_id.eq(challenge_id))
        .filter(columns.pending_expires_at.gt(now));
    Ok(without_pending(update, channel).exec(db).await?.rows_affected == 1)
}

/// Notes that a user has proved a contact of theirs; false where it is not theirs, or proved already. One that somebody else has proved is a
/// conflict.
pub async fn verify(
    db: &impl ConnectionTrait,
    id: Uuid,
    (channel, contact): (Channel, &str),
    now: Timestamp,
) -> Result<bool, StorageError> {
    let columns = columns(channel);
    let result = update(id, now)
        .col_expr(columns.verified_at, Expr::value(now))
        .filter(columns.contact.eq(contact))
        .filter(columns.verified_at.is_null())
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Brings an address back that was proved before, and forgets what waits. One that somebody else has proved since is a conflict.
pub async fn restore_email(db: &impl ConnectionTrait, id: Uuid, email: &str, now: Timestamp) -> Result<bool, StorageError> {
    let update =
        update(id, now).col_expr(users::Column::Email, Expr::value(email)).col_expr(users::Column::EmailVerifiedAt, Expr::value(now));
    let update = without_pending(without_pending(update, Channel::Email), Channel::Sms);
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Gives a user another contact that nobody has proved yet; what waited to follow the old one waits no more.
pub async fn set_unverified(
    db: &impl ConnectionTrait,
    id: Uuid,
    (channel, contact): (Channel, &str),
    now: Timestamp,
) -> Result<(), StorageError> {
    let columns = columns(channel);
    let update = update(id, now)
        .col_expr(columns.contact, Expr::value(contact))
        .col_expr(columns.verified_at, Expr::value(Option::<Timestamp>::None));
    without_pending(update, channel).exec(db).await?;
    Ok(())
}

/// Takes a contact away, and the one that waits to follow it.
pub async fn delete(db: &impl ConnectionTrait, id: Uuid, channel: Channel, now: Timestamp) -> Result<bool, StorageError> {
    let columns = columns(channel);
    let update = update(id, now)
        .col_expr(columns.contact, Expr::value(Option::<String>::None))
        .col_expr(columns.verified_at, Expr::value(Option::<Timestamp>::None));
    Ok(without_pending(update, channel).exec(db).await?.rows_affected == 1)
}

/// Takes from a user everything that was set up by whoever never proved a contact: the password, the factors, the identities and the devices.
pub async fn wipe_proofs(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<(), StorageError> {
    without_proofs(update(id, now), now)
        .col_expr(users::Column::PasswordHash, Expr::value(Option::<String>::None))
        .col_expr(users::Column::LastPasswordChangeAt, Expr::value(now))
        .col_expr(users::Column::TotpSecretSealed, Expr::value(Option::<Vec<u8>>::None))
        .col_expr(users::Column::TotpEnabledAt, Expr::value(Option::<Timestamp>::None))
        .col_expr(users::Column::TotpLastStep, Expr::value(Option::<i64>::None))
        .exec(db)
        .await?;
    recovery_codes::Entity::delete_many().filter(recovery_codes::Column::UserId.eq(id)).exec(db).await?;
    passkey_credentials::Entity::delete_many().filter(passkey_credentials::Column::UserId.eq(id)).exec(db).await?;
    auth_providers::Entity::delete_many().filter(auth_providers::Column::UserId.eq(id)).exec(db).await?;
    known_devices::Entity::delete_many().filter(known_devices::Column::UserId.eq(id)).exec(db).await?;
    Ok(())
}

/// Who else holds a contact without having proved it.
pub async fn list_unverified_holders(
    db: &impl ConnectionTrait,
    (channel, contact): (Channel, &str),
    but: Uuid,
) -> Result<Vec<users::Model>, StorageError> {
    let columns = columns(channel);
    let query =
        users::Entity::find().filter(columns.contact.eq(contact)).filter(columns.verified_at.is_null()).filter(users::Column::Id.ne(but));
    Ok(query.all(db).await?)
}
