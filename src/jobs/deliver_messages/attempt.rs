//! One attempt to deliver one message: open, render, hand over, write down.

use std::{sync::Arc, time::Duration};

use entity::{
    Timestamp,
    messages::{Model, State},
};
use tokio::sync::OwnedSemaphorePermit;

use super::Parts;
use crate::{
    entropy::Entropy,
    outbound::{
        message::{Delivery, MessageSecret, SECRET_PURPOSE, Template},
        render::{Draft, Rendered},
        send_failure::SendFailure,
    },
    storage::messages::{self, Lease, Outcome},
};

const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
/// Codes are good for ten minutes: a longer pause would let them die after the mail server came back.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);
/// A message that was handed over but not written down would go out twice, so writing it down is tried this often.
const WRITE_ATTEMPTS: u32 = 8;
const WRITE_PAUSE: Duration = Duration::from_secs(2);

/// Attempts a leased message and writes down what came of it.
pub(super) async fn run(parts: Arc<Parts>, message: Model) {
    let mut turn = None;
    let verdict = match prepare(&parts, &message) {
        Ok(content) => hand_over(&parts, &message, &content, &mut turn).await,
        Err(verdict) => verdict,
    };
    end(&parts, &message, verdict).await;
    // Only now may the next one be handed over: of two that are taken and not written down, both would go out again.
    drop(turn);
}

/// What came of an attempt.
pub(super) enum Verdict {
    Ended(State, Option<String>),
    Later(String),
    /// Soon: waiting for others is no failure of its own.
    NotItsTurn(String),
}

/// What the recipient is to read, unless the message ends or waits without being handed over.
pub(super) fn prepare(parts: &Parts, message: &Model) -> Result<Rendered, Verdict> {
    let now = parts.clock.now();
    if message.expires_at <= now {
        return Err(Verdict::Ended(State::Expired, None));
    }
    if message.created_at + parts.pace.retry_for <= now {
        let last = message.last_error.clone().unwrap_or_else(|| "never attempted to the end".to_owned());
        return Err(Verdict::Ended(State::Dead, Some(last)));
    }
    let Some(template) = Template::from_stored(&message.template, &message.parameters) else {
        // While a deployment changes versions, a newer instance may know it.
        return Err(Verdict::Later("this version has no such message".to_owned()));
    };
    let Some((secret, delivery)) = open(parts, message) else {
        // While a deployment changes secrets, another instance may have the one that sealed it.
        return Err(Verdict::Later("sealed by a secret that is not set here".to_owned()));
    };
    let draft = Draft { channel: message.channel, template: &template, secret: &secret, locale: &message.locale };
    let content = parts.renderer.render(&draft).map_err(|error| Verdict::Ended(State::Dead, Some(error.to_string())))?;
    if delivery == Delivery::Decoy {
        return Err(Verdict::Ended(State::Discarded, None));
    }
    Ok(content)
}

async fn hand_over(parts: &Parts, message: &Model, content: &Rendered, turn: &mut Option<OwnedSemaphorePermit>) -> Verdict {
    match parts.sinks.take(message, content, parts.clock.now()).await {
        Ok(taken_in) => {
            *turn = Some(taken_in);
            Verdict::Ended(State::Sent, None)
        }
        Err(SendFailure::Refused(error)) => Verdict::Ended(State::Dead, Some(error)),
        Err(SendFailure::Later(error)) => Verdict::Later(error),
        Err(failure @ SendFailure::NotItsTurn) => Verdict::NotItsTurn(failure.to_string()),
    }
}

fn open(parts: &Parts, message: &Model) -> Option<(MessageSecret, Delivery)> {
    let sealed = message.secret_sealed.as_deref()?;
    MessageSecret::decode(parts.secret_box.open(SECRET_PURPOSE, sealed)?, message.id)
}

/// Tells what came of an attempt, and writes it down.
pub(super) async fn end(parts: &Parts, message: &Model, verdict: Verdict) {
    let now = parts.clock.now();
    // Due at its expiry at the latest, so that the secret is emptied then.
    let postponed = |until: Timestamp, error| Outcome::Postponed { until: until.min(message.expires_at.max(now)), error };
    let (outcome, told) = match verdict {
        Verdict::Ended(state, error) => (Outcome::Ended { state, error }, told(state)),
        Verdict::Later(error) => (postponed(now + pause_before_retry(message.attempts, &parts.entropy), error), "postponed"),
        Verdict::NotItsTurn(error) => (postponed(now + SHORTEST_PAUSE, error), "postponed"),
    };
    match &outcome {
        Outcome::Ended { state: State::Sent, .. } => tell_sent(message, now),
        Outcome::Ended { error, .. } => {
            count(message, told);
            if let Some(error) = error {
                tracing::warn!(message.id = %message.id, message.template, message.channel = message.channel.as_str(), error, "a message was given up");
            }
        }
        Outcome::Postponed { error, .. } => {
            count(message, told);
            tracing::warn!(message.id = %message.id, message.template, message.channel = message.channel.as_str(), message.attempts, error, "a message was not delivered yet");
        }
    }
    write_down(parts, Lease::of(message), outcome).await;
}

/// Tells that a message was handed over.
pub(super) fn tell_sent(message: &Model, now: Timestamp) {
    count(message, told(State::Sent));
    metrics::histogram!("postern_message_delay_seconds", "channel" => message.channel.as_str())
        .record(now.since(message.created_at).as_secs_f64());
}

fn count(message: &Model, told: &'static str) {
    metrics::counter!("postern_messages_total", "channel" => message.channel.as_str(), "outcome" => told).increment(1);
}

async fn write_down(parts: &Parts, lease: Lease, outcome: Outcome) {
    for left in (0..WRITE_ATTEMPTS).rev() {
        match messages::settle(parts.database.write(), lease, outcome.clone(), parts.clock.now()).await {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!(message.id = %lease.id, "the lease of a message ended before its delivery");
                return;
            }
            Err(error) => {
                tracing::warn!(message.id = %lease.id, %error, "what came of a message is not written down yet");
                if left > 0 {
                    tokio::time::sleep(WRITE_PAUSE).await;
                }
            }
        }
    }
}

/// Doubles from two seconds to two minutes, half of it by chance, so that messages that failed together do not come back together.
fn pause_before_retry(attempt: i32, entropy: &Entropy) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
    let pause = SHORTEST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let half = pause / 2;
    half + Duration::from_millis(u64::from(entropy.below(u32::try_from(half.as_millis()).unwrap_or(u32::MAX))))
}

const fn told(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Sent => "sent",
        State::Dead => "dead",
        State::Expired => "expired",
        State::Discarded => "discarded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_a_bound() {
        let entropy = Entropy::seeded(1);
        for (attempt, pause) in [(0, 2), (1, 2), (2, 4), (3, 8), (6, 64), (7, 120), (500, 120), (i32::MAX, 120)] {
            let full = Duration::from_secs(pause);
            for _ in 0..100 {
                let drawn = pause_before_retry(attempt, &entropy);
                assert!(drawn >= full / 2 && drawn < full, "{attempt}: {drawn:?}");
            }
        }
        let draws: std::collections::HashSet<_> = (0..50).map(|_| pause_before_retry(9, &entropy)).collect();
        assert!(draws.len() > 40, "they differ");
    }
}
