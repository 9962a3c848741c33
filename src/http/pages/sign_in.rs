//! `/sign-in`: signs this browser in by the link of a message. A browser that did not ask for it is asked first.

use async_trait::async_trait;
use entity::user_sessions::TokenDelivery;

use super::{
    form::Form,
    note::Trouble,
    view::{Ask, Field, View},
    visit::{Met, Page, Visit},
};
use crate::{
    flows::{
        complete_second_factor, second_step,
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
        if second_step::find(visit.app, &visit.token, visit.app.clock.now()).await.is_ok_and(|found| found.is_some()) {
            return Ok(ask_second_step(&visit.token));
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
                factor: typed_factor(code),
                trust_device: false,
                delivery: TokenDelivery::Cookie,
            };
            let result = complete_second_factor::run(visit.app, &visit.caller, input).await;
            let signed_in = settle("complete_second_factor", result)??;
            return ended(visit, Outcome::SignedIn(Box::new(signed_in)));
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
        Outcome::SecondFactorRequired(asked) => Ok(ask_second_step(&asked.login_token)),
        Outcome::VerificationRequired(_) => Err(internal("a link asks for another proof of its contact").into()),
    }
}

/// The login token takes the place of the link's, which is used up.
fn ask_second_step(login_token: &str) -> View {
    View::of("sign_in", "second_step").asking(Ask::by_link(PATH, login_token).field(Field::one_time_code(CODE)))
}

/// One field for both: a code of the app has six digits, a recovery code is longer.
fn typed_factor(code: String) -> complete_second_factor::Given {
    let is_of_app = code.chars().filter(|letter| !letter.is_whitespace()).count() <= 6;
    if is_of_app { complete_second_factor::Given::Totp(code) } else { complete_second_factor::Given::RecoveryCode(code) }
}
