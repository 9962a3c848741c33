//! Coins of accounts.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::{
    flows::adjust_coins,
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        guard::{Requires, auth},
        object::{coin_entry::CoinEntry, user::User},
        problem::{Problem, settle},
    },
};

/// Coins.
#[derive(Default)]
pub struct CoinMutation;

/// How much, whose, and why.
#[derive(InputObject)]
pub struct AdjustCoinsInput {
    user_id: ID,
    amount: i32,
    reason: String,
    idempotency_key: String,
}

/// What the account has now, or why nothing was changed.
#[derive(SimpleObject, Default)]
pub struct AdjustCoinsPayload {
    user: Option<User>,
    entry: Option<CoinEntry>,
    problems: Vec<Problem>,
}

#[Object]
impl CoinMutation {
    /// Adds or takes coins. The balance never goes below zero; the same `idempotencyKey` counts once.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn adjust_coins(&self, ctx: &Context<'_>, input: AdjustCoinsInput) -> Result<AdjustCoinsPayload> {
        let AdjustCoinsInput { user_id, amount, reason, idempotency_key } = input;
        let input = adjust_coins::Input { user_id: user_id.0, amount, reason, idempotency_key };
        Ok(match settle("adjust_coins", adjust_coins::run(ctx.app()?, ctx.caller()?, input).await)? {
            Ok(outcome) => AdjustCoinsPayload { user: Some(outcome.user.into()), entry: Some(outcome.entry.into()), problems: Vec::new() },
            Err(problems) => AdjustCoinsPayload { problems, ..AdjustCoinsPayload::default() },
        })
    }
}
