//! Adds coins to an account, or takes them. Asked for again with the same key, it counts once and answers the same entry.
//!
//! 1. What is typed must be well formed.
//! 2. One change: the account's row is held, so that one amount is decided on at a time. A key that was used answers its entry; else the amount must
//!    fit, and balance, entry, event and audit row are written together.

use entity::{account_events::Kind, coin_entries, user_audit_log::Category, users};
use serde_json::json;
use uuid::Uuid;

use super::{
    administer,
    caller::{Caller, Principal},
    change::{self, Change},
    failure::Failure,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::coins::{Purse, Uncountable, is_label},
    storage::{
        audit::Entry,
        coins::{self, NewEntry},
        users as storage,
    },
};

/// Characters of a reason.
const LONGEST_REASON: usize = 500;
/// Characters of a key.
const LONGEST_KEY: usize = 200;

/// What is typed.
#[derive(Clone, Debug)]
pub struct Input {
    /// Whose coins.
    pub user_id: String,
    /// Added, or taken where it is negative.
    pub amount: i32,
    /// Why.
    pub reason: String,
    /// Counts once for an account.
    pub idempotency_key: String,
}

/// What it came to.
pub struct Outcome {
    /// The account as it is now.
    pub user: users::Model,
    /// The entry, of this call or of the one that first had its key.
    pub entry: coin_entries::Model,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such account.
    UserNotFound,
    /// Empty, too long, or with control characters.
    Reason,
    /// Likewise.
    Key,
    /// The key brought about another entry: another amount, or another reason.
    KeyUsed,
    /// It does not add up.
    Amount(Uncountable),
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Amount(Uncountable::NotEnough) => "INSUFFICIENT_COINS",
            Self::Reason | Self::Key | Self::KeyUsed | Self::Amount(Uncountable::Nothing | Uncountable::TooMuch) => "INVALID_INPUT",
        }
    }
}

/// Does it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let principal = caller.principal().map_err(Failure::Unauthenticated)?;
    let (user_id, amount) = (Uuid::try_parse(&input.user_id).ok(), input.amount);
    let ended = match parse(user_id, &input) {
        Ok(user_id) => adjust(app, caller, principal, (user_id, input), now).await,
        Err(refusal) => Err(Failure::Refused(refusal)),
    };
    if let Err(Failure::Refused(refusal)) = &ended {
        // Where the input alone was wrong nobody looked whether there is such an account.
        let whose =
            user_id.filter(|_| matches!(refusal, Refusal::KeyUsed | Refusal::Amount(Uncountable::NotEnough | Uncountable::TooMuch)));
        let entry = Entry::failure("coins_adjusted", Category::Admin, whose, refusal.code()).by(principal.actor, principal.user_id);
        change::record(app, caller, vec![entry.with(json!({ "amount": amount }))], now).await?;
    }
    ended
}

fn parse(user_id: Option<Uuid>, input: &Input) -> Result<Uuid, Refusal> {
    if input.amount == 0 {
        return Err(Refusal::Amount(Uncountable::Nothing));
    }
    if !is_label(&input.reason, LONGEST_REASON) {
        return Err(Refusal::Reason);
    }
    if !is_label(&input.idempotency_key, LONGEST_KEY) {
        return Err(Refusal::Key);
    }
    user_id.ok_or(Refusal::UserNotFound)
}

async fn adjust(
    app: &App,
    caller: &Caller,
    principal: Principal,
    (user_id, input): (Uuid, Input),
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let not_found = || Failure::Refused(Refusal::UserNotFound);
    let mut change = Change::begin(app, caller, now).await?;
    let user = storage::find_by_id_locked(change.db(), user_id).await?;
    // Whoever waited for the row may be no administrator by now.
    administer::still_may(&change, caller).await?;
    let user = user.ok_or_else(not_found)?;
    if let Some(entry) = coins::find_by_key(change.db(), user_id, &input.idempotency_key).await? {
        change.abandon().await?;
        return again(user, entry, &input);
    }
    let purse = Purse { balance: user.coin_balance, total_earned: user.total_earned_coins };
    let purse = purse.with(input.amount).map_err(|why| Failure::Refused(Refusal::Amount(why)))?;
    let user = coins::adjust(change.db(), user_id, input.amount, now).await?.ok_or_else(not_found)?;
    let new = NewEntry {
        id: app.entropy.uuid(now),
        user_id,
        amount: input.amount,
        balance_after: purse.balance,
        reason: input.reason,
        idempotency_key: input.idempotency_key,
        actor: principal.actor,
        actor_user_id: principal.user_id,
        created_at: now,
    };
    let entry = coins::insert(change.db(), new).await?;
    change.tell(Kind::CoinsChanged, user_id);
    let metadata = json!({ "entryId": entry.id, "amount": entry.amount, "balanceAfter": entry.balance_after, "reason": entry.reason });
    let told = Entry::success("coins_adjusted", Category::Admin, Some(user_id)).by(principal.actor, principal.user_id);
    change.audit(told.with(metadata));
    change.commit().await?;
    Ok(Outcome { user, entry })
}

/// The same call once more, which somebody makes who did not get the answer.
fn again(user: users::Model, entry: coin_entries::Model, input: &Input) -> Result<Outcome, Failure<Refusal>> {
    if entry.amount == input.amount && entry.reason == input.reason {
        Ok(Outcome { user, entry })
    } else {
        Err(Failure::Refused(Refusal::KeyUsed))
    }
}
