//! Users by the start of what names them: address, number, username, name. Each part is a range in an index of its own.

use entity::users::{Column, Entity};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Query, SelectStatement, UnionType},
};
use uuid::Uuid;

use super::error::StorageError;

/// Behind every text that begins so.
const LAST: char = '\u{10FFFF}';

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The start of an address or a username, in lower case.
    pub word: String,
    /// The start of a name, in every spelling that an index may have.
    pub names: Vec<String>,
    /// The start of a number, in E.164.
    pub phones: Vec<String>,
}

/// Where the search leads.
#[derive(Clone, Debug)]
pub enum Found {
    /// To these, and nobody else.
    Few(Vec<Uuid>),
    /// To more than that.
    Many(Many),
}

/// Whom a search leads to, part by part: each is a range of an index.
#[derive(Clone, Debug, Default)]
pub struct Many {
    /// By the parts that lead to few.
    pub few: Vec<Uuid>,
    /// The other parts.
    pub ranges: Vec<Condition>,
}

impl Many {
    /// Each part of it.
    pub fn parts(&self) -> impl Iterator<Item = Condition> {
        let few = (!self.few.is_empty()).then(|| Condition::all().add(Column::Id.is_in(self.few.iter().copied())));
        few.into_iter().chain(self.ranges.iter().cloned())
    }
}

/// One part of a user that may begin with the word.
struct Part {
    /// As its index has it.
    key: Expr,
    /// What its index leaves out.
    present: Option<Condition>,
    start: String,
}

impl Part {
    fn condition(&self) -> Condition {
        let range =
            Condition::all().add(self.key.clone().gte(self.start.as_str())).add(self.key.clone().lt(format!("{}{LAST}", self.start)));
        range.add_option(self.present.clone())
    }
}

/// An expression that is compared byte by byte, as the indexes of starts are.
pub(super) fn by_bytes(backend: DbBackend, expression: &str) -> Expr {
    match backend {
        DbBackend::Postgres => Expr::cust(format!("{expression} COLLATE \"C\"")),
        _ => Expr::cust(expression.to_owned()),
    }
}

fn present(column: Column) -> Condition {
    Condition::all().add(column.is_not_null())
}

/// The key of a name, and what its index leaves out. One that the full name begins with leads nowhere else than that does: PostgreSQL's index
/// has the others alone, and what is in a range is there.
fn beside_full_name(backend: DbBackend, column: Column) -> (Expr, Option<Condition>) {
    let name = column.as_str();
    match backend {
        DbBackend::Postgres => {
            let key = format!("(CASE WHEN starts_with(lower(full_name), lower({name})) THEN NULL ELSE lower({name}) END)");
            (by_bytes(backend, &key), None)
        }
        _ => (by_bytes(backend, &format!("lower({name})")), Some(present(column))),
    }
}

fn parts(backend: DbBackend, search: &Search) -> Vec<Part> {
    let mut parts = vec![
        Part { key: by_bytes(backend, "coalesce(email, '')"), present: None, start: search.word.clone() },
        Part { key: by_bytes(backend, "username"), present: Some(present(Column::Username)), start: search.word.clone() },
    ];
    parts.extend(search.phones.iter().map(|start| Part {
        key: by_bytes(backend, "phone"),
        present: Some(present(Column::Phone)),
        start: start.clone(),
    }));
    let names = [
        (by_bytes(backend, "lower(full_name)"), Some(present(Column::FullName))),
        (by_bytes(backend, "lower(last_name)"), Some(present(Column::LastName))),
        beside_full_name(backend, Column::DisplayName),
        beside_full_name(backend, Column::FirstName),
    ];
    for (key, present) in names {
        parts.extend(search.names.iter().map(|start| Part { key: key.clone(), present: present.clone(), start: start.clone() }));
    }
    parts
}

/// The query of [`find`]: at most `limit` ids of each part, with its number.
#[must_use]
pub fn starts(backend: DbBackend, search: &Search, limit: u64) -> Option<SelectStatement> {
    let mut each = parts(backend, search).into_iter().enumerate().map(|(number, part)| {
        let some = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(part.condition())
            // In the order of the index, so that nothing else is read than what is wanted.
            .order_by(part.key, Order::Asc)
            .limit(limit)
            .into_query();
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        Query::select().expr_as(Expr::val(number), "part").column("id").from_subquery(some, format!("part{number}")).to_owned()
    });
    let mut all = each.next()?;
    for other in each {
        all.union(UnionType::All, other);
    }
    Some(all)
}

/// Who it leads to: by name where that is at most `few`.
pub async fn find(db: &impl ConnectionTrait, search: &Search, few: usize) -> Result<Found, StorageError> {
    let backend = db.get_database_backend();
    let limit = u64::try_from(few).unwrap_or(u64::MAX).saturating_add(1);
    let Some(query) = starts(backend, search, limit) else { return Ok(Found::Few(Vec::new())) };
    let parts = parts(backend, search);
    let mut ids = vec![Vec::new(); parts.len()];
    for row in db.query_all(&query).await? {
        let part = usize::try_from(row.try_get::<i32>("", "part")?).ok().and_then(|part| ids.get_mut(part));
        part.ok_or(StorageError::Inconsistent("a part of no search"))?.push(row.try_get::<Uuid>("", "id")?);
    }
    let mut many = Many::default();
    for (part, ids) in parts.iter().zip(ids) {
        if ids.len() > few { many.ranges.push(part.condition()) } else { many.few.extend(ids) }
    }
    many.few.sort_unstable();
    many.few.dedup();
    Ok(if many.ranges.is_empty() && many.few.len() <= few { Found::Few(many.few) } else { Found::Many(many) })
}
