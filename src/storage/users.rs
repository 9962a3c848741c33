//! Users: who they are and how they sign in.

use entity::{Channel, Timestamp, known_devices, users};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, Order, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, UpdateMany, Value,
    sea_query::{Expr, ExprTrait, IntoCondition, LockType},
};
use uuid::Uuid;

use super::{
    batch::{Batch, Question, Write},
    error::StorageError,
    user_contacts::without_proofs,
};

/// The user with this id.
pub async fn find_by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<users::Model>, StorageError> {
    Ok(users::Entity::find_by_id(id).one(db).await?)
}

/// The same, its row held until the end of the transaction.
pub async fn find_by_id_locked(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<users::Model>, StorageError> {
    Ok(users::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(db).await?)
}

/// The users with these ids, in no order.
pub async fn list_by_ids(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<users::Model>, StorageError> {
    Ok(users::Entity::find().filter(users::Column::Id.is_in(ids.iter().copied())).all(db).await?)
}

/// The user who proved this address.
pub async fn find_by_verified_email(db: &impl ConnectionTrait, email: &str) -> Result<Option<users::Model>, StorageError> {
    let query = users::Entity::find().filter(users::Column::Email.eq(email)).filter(users::Column::EmailVerifiedAt.is_not_null());
    Ok(query.one(db).await?)
}

/// The user who proved this number.
pub async fn find_by_verified_phone(db: &impl ConnectionTrait, phone: &str) -> Result<Option<users::Model>, StorageError> {
    let query = users::Entity::find().filter(users::Column::Phone.eq(phone)).filter(users::Column::PhoneVerifiedAt.is_not_null());
    Ok(query.one(db).await?)
}

/// The user with this name, given in lower case.
pub async fn find_by_username(db: &impl ConnectionTrait, username: &str) -> Result<Option<users::Model>, StorageError> {
    Ok(users::Entity::find().filter(users::Column::Username.eq(username)).one(db).await?)
}

/// By what a person says who they are.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// An address: who proved it, else the only one who holds it.
    Email(&'a str),
    /// A number, likewise.
    Phone(&'a str),
    /// In lower case.
    Username(&'a str),
}

/// The user who is named so, and beside them the device with this token, where they know it.
pub async fn find_with_device(
    db: &impl ConnectionTrait,
    named: Named<'_>,
    token_hash: &[u8],
) -> Result<Option<(users::Model, Option<known_devices::Model>)>, StorageError> {
    let token_hash = token_hash.to_vec();
    let device = users::Entity::belongs_to(known_devices::Entity)
        .from(users::Column::Id)
        .to(known_devices::Column::UserId)
        .on_condition(move |_, device| Expr::col((device, known_devices::Column::TokenHash)).eq(token_hash.clone()).into_condition());
    let query = users::Entity::find().select_also(known_devices::Entity).join(JoinType::LeftJoin, device.into());
    let query =
        query.filter(named.column().eq(named.text())).order_by(Expr::col((users::Entity, named.proof())).is_null(), Order::Asc).limit(2);
    let mut found = query.all(db).await?;
    // A contact that nobody proved and several hold names none of them.
    let several = found.len() > 1 && found.first().is_some_and(|(user, _)| !named.is_proved_by(user));
    Ok(if several || found.is_empty() { None } else { Some(found.swap_remove(0)) })
}

impl<'a> Named<'a> {
    const fn column(self) -> users::Column {
        match self {
            Self::Email(_) => users::Column::Email,
            Self::Phone(_) => users::Column::Phone,
            Self::Username(_) => users::Column::Username,
        }
    }

    const fn text(self) -> &'a str {
        match self {
            Self::Email(text) | Self::Phone(text) | Self::Username(text) => text,
        }
    }

    /// The column that says whether it is proved; a username needs no proof.
    const fn proof(self) -> users::Column {
        match self {
            Self::Email(_) => users::Column::EmailVerifiedAt,
            Self::Phone(_) => users::Column::PhoneVerifiedAt,
            Self::Username(_) => users::Column::Username,
        }
    }

    const fn is_proved_by(self, user: &users::Model) -> bool {
        match self {
            Self::Email(_) => user.email_verified_at.is_some(),
            Self::Phone(_) => user.phone_verified_at.is_some(),
            Self::Username(_) => true,
        }
    }
}

/// Adds a user. A contact or username that somebody else holds is a conflict.
pub async fn insert(db: &impl ConnectionTrait, user: users::Model) -> Result<(), StorageError> {
    users::Entity::insert(users::ActiveModel::from(user).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Adds users. A contact or username that somebody else holds is a conflict.
pub async fn insert_many(db: &impl ConnectionTrait, rows: Vec<users::Model>) -> Result<(), StorageError> {
    if !rows.is_empty() {
        let rows = rows.into_iter().map(|user| users::ActiveModel::from(user).reset_all());
        users::Entity::insert_many(rows).exec_without_returning(db).await?;
    }
    Ok(())
}

/// Names that users may have, to look for many at once.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Ids.
    pub ids: Vec<Uuid>,
    /// In canonical form.
    pub emails: Vec<String>,
    /// E.164.
    pub phones: Vec<String>,
    /// In lower case.
    pub usernames: Vec<String>,
}

/// Who has one of these names, proved or not, in no order.
pub async fn list_named(db: &impl ConnectionTrait, names: Names) -> Result<Vec<users::Model>, StorageError> {
    // Names of a kind that nobody asks for are left out: no database looks at its indexes for "or one is two".
    let some = |column: users::Column, names: Vec<String>| (!names.is_empty()).then(|| column.is_in(names));
    let any = Condition::any()
        .add_option((!names.ids.is_empty()).then(|| users::Column::Id.is_in(names.ids)))
        .add_option(some(users::Column::Email, names.emails))
        .add_option(some(users::Column::Phone, names.phones))
        .add_option(some(users::Column::Username, names.usernames));
    if any.is_empty() {
        return Ok(Vec::new());
    }
    Ok(users::Entity::find().filter(any).all(db).await?)
}

/// What a right password changes.
#[derive(Clone, Debug)]
pub struct SignIn<'a> {
    /// The hash that was checked: the account must still have it.
    pub password_hash: &'a str,
    /// The same password under today's parameters.
    pub rehashed: Option<&'a str>,
}

/// Notes a sign-in by password, and locks the row for the rest of the transaction; false where the account is no longer active or has
/// another password by now.
pub async fn advance_sign_in(db: &impl ConnectionTrait, id: Uuid, sign_in: SignIn<'_>, now: Timestamp) -> Result<bool, StorageError> {
    let mut update = users::Entity::update_many()
        .col_expr(users::Column::LastLoginAt, Expr::value(now))
        .filter(users::Column::Id.eq(id))
        .filter(users::Column::Status.eq(users::Status::Active))
        .filter(users::Column::PasswordHash.eq(sign_in.password_hash));
    if let Some(hash) = sign_in.rehashed {
        update = update.col_expr(users::Column::PasswordHash, Expr::value(hash));
    }
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Notes a sign-in by what does not hang on the password or a contact, and locks the row for the rest of the transaction; false where the account
/// is no longer active.
pub async fn advance_sign_in_by_itself(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<bool, StorageError> {
    let update = users::Entity::update_many()
        .col_expr(users::Column::LastLoginAt, Expr::value(now))
        .filter(users::Column::Id.eq(id))
        .filter(users::Column::Status.eq(users::Status::Active));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Whether the second step of an account is on.
#[must_use]
pub fn is_second_step_on(id: Uuid) -> Question {
    let on = users::Entity::find()
        .select_only()
        .expr(Expr::value(1))
        .filter(users::Column::Id.eq(id))
        .filter(users::Column::TotpEnabledAt.is_not_null());
    Question(on.into_query())
}

/// Notes that an account signs in with which it begins; with other writes.
pub fn advance_last_login_later(batch: &mut Batch, id: Uuid, now: Timestamp) {
    let update = users::Entity::update_many().col_expr(users::Column::LastLoginAt, Expr::value(now)).filter(users::Column::Id.eq(id));
    batch.push(Write::Update(update.into_query()));
}

/// Notes a right password without a sign-in; false where the account is no longer active or has another password by now.
pub async fn keep_password(db: &impl ConnectionTrait, id: Uuid, sign_in: SignIn<'_>) -> Result<bool, StorageError> {
    let update = users::Entity::update_many()
        .col_expr(users::Column::PasswordHash, Expr::value(sign_in.rehashed.unwrap_or(sign_in.password_hash)))
        .filter(users::Column::Id.eq(id))
        .filter(users::Column::Status.eq(users::Status::Active))
        .filter(users::Column::PasswordHash.eq(sign_in.password_hash));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// What a change of a profile writes; the outer `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ProfileWrite {
    /// In lower case.
    pub username: Option<Option<String>>,
    /// As given.
    pub display_name: Option<Option<String>>,
    /// As given.
    pub full_name: Option<Option<String>>,
    /// As given.
    pub first_name: Option<Option<String>>,
    /// As given.
    pub last_name: Option<Option<String>>,
    /// As given.
    pub bio: Option<Option<String>>,
    /// BCP 47.
    pub locale: Option<Option<String>>,
    /// A date.
    pub date_of_birth: Option<Option<time::Date>>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<Option<String>>,
    /// As given.
    pub state: Option<Option<String>>,
    /// As given.
    pub postal_code: Option<Option<String>>,
}

/// Writes a profile and returns the user as they are now; `None` where the account is not there or not active. A username that somebody else has
/// is a conflict.
pub async fn update_profile(
    db: &impl ConnectionTrait,
    id: Uuid,
    write: ProfileWrite,
    now: Timestamp,
) -> Result<Option<users::Model>, StorageError> {
    let update = users::Entity::update_many().set(columns_of(write, now)).filter(users::Column::Status.eq(users::Status::Active));
    let written = touch(update, id).exec_with_returning(db).await?;
    Ok(written.into_iter().next())
}

/// The same for an administrator, whatever the account's status, with the data that the deployment keeps with it.
pub async fn update_by_administrator(
    db: &impl ConnectionTrait,
    id: Uuid,
    write: ProfileWrite,
    metadata: Option<serde_json::Value>,
    now: Timestamp,
) -> Result<(), StorageError> {
    let mut columns = columns_of(write, now);
    if let Some(metadata) = metadata {
        columns.metadata = ActiveValue::Set(metadata);
    }
    touch(users::Entity::update_many().set(columns), id).exec(db).await?;
    Ok(())
}

fn touch(update: UpdateMany<users::Entity>, id: Uuid) -> UpdateMany<users::Entity> {
    update.col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1)).filter(users::Column::Id.eq(id))
}

fn columns_of(write: ProfileWrite, now: Timestamp) -> users::ActiveModel {
    #[expect(clippy::option_option, reason = "stays, cleared, or this")]
    fn value<T>(value: Option<Option<T>>) -> ActiveValue<Option<T>>
    where
        Option<T>: Into<Value>,
    {
        value.map_or(ActiveValue::NotSet, ActiveValue::Set)
    }
    users::ActiveModel {
        username: value(write.username),
        display_name: value(write.display_name),
        full_name: value(write.full_name),
        first_name: value(write.first_name),
        last_name: value(write.last_name),
        bio: value(write.bio),
        locale: value(write.locale),
        date_of_birth: value(write.date_of_birth),
        country: value(write.country),
        state: value(write.state),
        postal_code: value(write.postal_code),
        updated_at: ActiveValue::Set(now),
        ..<users::ActiveModel as ActiveModelTrait>::default()
    }
}

/// Sets who somebody is to the deployment; false where they were it already.
pub async fn set_role(db: &impl ConnectionTrait, id: Uuid, role: users::Role, now: Timestamp) -> Result<bool, StorageError> {
    let update = users::Entity::update_many()
        .col_expr(users::Column::Role, Expr::value(role))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .filter(users::Column::Role.ne(role));
    Ok(touch(update, id).exec(db).await?.rows_affected == 1)
}

/// Sets whether an account may be used; false where that was so already.
pub async fn set_status(db: &impl ConnectionTrait, id: Uuid, status: users::Status, now: Timestamp) -> Result<bool, StorageError> {
    let update = users::Entity::update_many()
        .col_expr(users::Column::Status, Expr::value(status))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .filter(users::Column::Status.ne(status));
    Ok(touch(update, id).exec(db).await?.rows_affected == 1)
}

/// Replaces the password; false where the account has another one by now than the one that was checked, or is not active.
pub async fn change_password(
    db: &impl ConnectionTrait,
    id: Uuid,
    old_hash: &str,
    new_hash: &str,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let wanted = Condition::all()
        .add(users::Column::Id.eq(id))
        .add(users::Column::Status.eq(users::Status::Active))
        .add(users::Column::PasswordHash.eq(old_hash));
    set_password(db, wanted, new_hash, now).await
}

/// A contact that somebody has just proved, by what was sent to it.
#[derive(Clone, Copy, Debug)]
pub struct ProvedContact<'a> {
    /// What kind.
    pub channel: Channel,
    /// In canonical form.
    pub contact: &'a str,
    /// When the proof was asked for: what came before the account voided earlier ones no longer counts.
    pub since: Timestamp,
}

/// Whether a proof that was asked for then still counts for an account: a new password and the wish to leave void all earlier ones.
#[must_use]
pub fn counts_proof_since(user: &users::Model, asked_at: Timestamp) -> bool {
    user.proofs_void_before.is_none_or(|void| void <= asked_at)
}

impl ProvedContact<'_> {
    /// Whether it still speaks for an account, seen in memory.
    #[must_use]
    pub fn speaks_for(&self, user: &users::Model) -> bool {
        let verified_at = match self.channel {
            Channel::Email => user.email_verified_at,
            Channel::Sms => user.phone_verified_at,
        };
        verified_at.is_some() && self.is_held_by(user)
    }

    /// The same where the account need not have proved the contact before.
    #[must_use]
    pub fn is_held_by(&self, user: &users::Model) -> bool {
        let contact = match self.channel {
            Channel::Email => &user.email,
            Channel::Sms => &user.phone,
        };
        contact.as_deref() == Some(self.contact) && counts_proof_since(user, self.since)
    }

    /// The same for the database, of an account that may be used.
    fn condition(&self, id: Uuid) -> Condition {
        let (contact, verified_at) = match self.channel {
            Channel::Email => (users::Column::Email, users::Column::EmailVerifiedAt),
            Channel::Sms => (users::Column::Phone, users::Column::PhoneVerifiedAt),
        };
        let void = users::Column::ProofsVoidBefore;
        Condition::all()
            .add(users::Column::Id.eq(id))
            .add(users::Column::Status.eq(users::Status::Active))
            .add(contact.eq(self.contact))
            .add(verified_at.is_not_null())
            .add(Condition::any().add(void.is_null()).add(void.lte(self.since)))
    }
}

/// Notes a sign-in by a proved contact, and locks the row for the rest of the transaction; false where the account is no longer active, the
/// contact no longer its own, or the proof void.
pub async fn advance_sign_in_by_contact(
    db: &impl ConnectionTrait,
    id: Uuid,
    proved: ProvedContact<'_>,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let update = users::Entity::update_many().col_expr(users::Column::LastLoginAt, Expr::value(now)).filter(proved.condition(id));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// What the first factor of a sign-in proved some minutes ago.
#[derive(Clone, Copy, Debug)]
pub struct FirstFactor<'a> {
    /// When.
    pub since: Timestamp,
    /// The contact that it proved, where it was one.
    pub proved: Option<ProvedContact<'a>>,
}

/// Notes a sign-in whose second factor was given, and locks the row for the rest of the transaction; false where the account is no longer active,
/// the contact no longer its own, or the first factor older than what voids earlier proofs.
pub async fn advance_sign_in_by_second_factor(
    db: &impl ConnectionTrait,
    id: Uuid,
    first: FirstFactor<'_>,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let void = users::Column::ProofsVoidBefore;
    let still = match first.proved {
        Some(proved) => proved.condition(id),
        None => Condition::all()
            .add(users::Column::Id.eq(id))
            .add(users::Column::Status.eq(users::Status::Active))
            .add(Condition::any().add(void.is_null()).add(void.lte(first.since))),
    };
    let update = users::Entity::update_many().col_expr(users::Column::LastLoginAt, Expr::value(now)).filter(still);
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Sets a new password by a proved contact, and locks the row for the rest of the transaction; false as with
/// [`advance_sign_in_by_contact`].
pub async fn reset_password(
    db: &impl ConnectionTrait,
    id: Uuid,
    proved: ProvedContact<'_>,
    new_hash: &str,
    now: Timestamp,
) -> Result<bool, StorageError> {
    set_password(db, proved.condition(id), new_hash, now).await
}

/// Sets the first password of an account; false where it has one by now, or is not active.
pub async fn set_first_password(db: &impl ConnectionTrait, id: Uuid, new_hash: &str, now: Timestamp) -> Result<bool, StorageError> {
    let wanted = Condition::all()
        .add(users::Column::Id.eq(id))
        .add(users::Column::Status.eq(users::Status::Active))
        .add(users::Column::PasswordHash.is_null());
    set_password(db, wanted, new_hash, now).await
}

/// With a new password, whatever waited for a proof waits no more.
async fn set_password(db: &impl ConnectionTrait, wanted: Condition, new_hash: &str, now: Timestamp) -> Result<bool, StorageError> {
    let result = without_proofs(users::Entity::update_many(), now)
        .col_expr(users::Column::PasswordHash, Expr::value(new_hash))
        .col_expr(users::Column::LastPasswordChangeAt, Expr::value(now))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1))
        .filter(wanted)
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}
