//! `/sign-in`: signs this browser in by the link of a message. A browser that did not ask for it is asked first.

use async_trait::async_trait;
use entity::user_sessions::{SecondFactor, TokenDelivery};
use uuid::Uuid;

use super::{
    form::Form,
    note::Trouble,
    view::{Ask, Field, View},
    visit::{Met, Page, Visit},
};
use crate::{
    flows::{
        complete_second_factor,
        second_step::{self, LoginAttempt},
        sign_in::Outcome,
        sign_in_with_link::{self, Input},
    },
    graphql::{context::set_tokens, error::internal, problem::settle},
};

const PATH: &str = "/sign-in";
const CODE: &str = "code";

pub(super) struct SignIn;

#[async_trait]
impl Page for SignIn {
    fn path(&self) -> &'static str {
        PATH
    }

    async fn look(&self, visit: &Visit<'_>, _: Met<'_>) -> Result<View, Trouble> {
        if let Some(attempt) = waiting(visit).await {
            return Ok(ask(&visit.token, Takes::of(attempt.challenge_id, attempt.takes_app)));
        }
        let looked = settle("look_at_link", sign_in_with_link::look(visit.app, &visit.caller, &visit.token).await)??;
        let state = if looked.asked_here { "ask" } else { "ask_elsewhere" };
        let view = View::of("sign_in", state).about("account", looked.destination).for_owner(looked.locale);
        Ok(view.asking(Ask::by_link(PATH, &visit.token)))
    }

    async fn act(&self, visit: &Visit<'_>, form: &Form) -> Result<View, Trouble> {
        if let Some(code) = form.text(CODE) {
            let input = complete_second_factor::Input {
                login_token: visit.token.to_string(),
                factor: match waiting(visit).await.map(|attempt| Takes::of(attempt.challenge_id, attempt.takes_app)) {
                    Some(Takes::SentCode) => complete_second_factor::Given::Code(code),
                    Some(Takes::App | Takes::Passkey) | None => typed_factor(code),
                },
                trust_device: false,
                delivery: TokenDelivery::Cookie,
            };
            let result = complete_second_factor::run(visit.app, &visit.caller, input).await;
            let signed_in = settle("complete_second_factor", result)??;
            return ended(visit, Outcome::SignedIn(signed_in));
        }
        let input = Input { token: visit.token.to_string(), delivery: TokenDelivery::Cookie };
        ended(visit, settle("sign_in_with_link", sign_in_with_link::run(visit.app, &visit.caller, input).await)??)
    }
}

fn ended(visit: &Visit<'_>, outcome: Outcome) -> Result<View, Trouble> {
    match outcome {
        Outcome::SignedIn(mut signed_in) => {
            set_tokens(&visit.cookies, &mut signed_in.tokens, visit.app.clock.now());
            Ok(View::of("sign_in", "done").done())
        }
        Outcome::SecondFactorRequired(asked) => {
            let takes_app = asked.methods.contains(&SecondFactor::Totp);
            let takes = Takes::of(asked.challenge.as_ref().map(|challenge| challenge.id), takes_app);
            Ok(ask(&asked.login_token, takes))
        }
        Outcome::VerificationRequired(_) => Err(internal("a link asks for another proof of its contact").into()),
    }
}

/// What the second step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// A code of the app, or a recovery code.
    App,
    /// A passkey alone, which takes a script that these pages have not.
    Passkey,
    /// The code that was sent.
    SentCode,
}

impl Takes {
    const fn of(challenge_id: Option<Uuid>, takes_app: bool) -> Self {
        match (challenge_id, takes_app) {
            (Some(_), _) => Self::SentCode,
            (None, true) => Self::App,
            (None, false) => Self::Passkey,
        }
    }
}

/// The sign-in whose second step is waited for, where the token is one of that.
async fn waiting(visit: &Visit<'_>) -> Option<LoginAttempt> {
    let found = second_step::find(visit.app, &visit.token, visit.app.clock.now()).await;
    found.ok().flatten().map(|(attempt, _)| attempt)
}

/// The login token takes the place of the link's, which is used up.
fn ask(login_token: &str, takes: Takes) -> View {
    let state = match takes {
        Takes::App => "second_step",
        Takes::SentCode => "sent_code",
        Takes::Passkey => return View::of("sign_in", "passkey"),
    };
    View::of("sign_in", state).asking(Ask::by_link(PATH, login_token).field(Field::one_time_code(CODE)))
}

/// One field for both: a code of the app has six digits, a recovery code is longer.
fn typed_factor(code: String) -> complete_second_factor::Given {
    let is_of_app = code.chars().filter(|letter| !letter.is_whitespace()).count() <= 6;
    if is_of_app { complete_second_factor::Given::Totp(code) } else { complete_second_factor::Given::RecoveryCode(code) }
}
