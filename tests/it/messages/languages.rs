//! In which language a message speaks: the request's, else the user's, else the deployment's.

use reqwest::{Method, header::ACCEPT_LANGUAGE};
use serde_json::json;

use crate::support::{Gateway, PASSWORD};

const ASK: &str = "mutation ($input: RequestSignInCodeInput!) { requestSignInCode(input: $input) { challenge { id } problems { code } } }";

fn is_thai(text: &str) -> bool {
    text.contains("รหัสของคุณ")
}

#[tokio::test]
async fn the_request_speaks_first_then_the_user_then_the_deployment() {
    for deployment in ["en", "th"] {
        let gateway = Gateway::start_with(|config| {
            deployment.clone_into(&mut config.messages.locale);
            config.rate_limits.enabled = false;
        })
        .await;
        for (number, own) in [None, Some("th-TH"), Some("en"), Some("fr")].into_iter().enumerate() {
            let email = format!("n{number}@example.com");
            let visitor = gateway.app_user();
            let input = json!({"contact": {"email": email}, "password": PASSWORD, "profile": {"locale": own}});
            let challenge = visitor.try_sign_up(input).await.expect_done().into();
            let code = gateway.next_message(&email).await.code();
            visitor.confirm(&challenge, &code).await;
            gateway.next_message(&email).await;
            for (asked, expected) in [
                (Some("th-TH,en;q=0.5"), "th"),
                (Some("en-GB"), "en"),
                (
                    None,
                    match own {
                        Some("th-TH") => "th",
                        Some("en") => "en",
                        _ => deployment,
                    },
                ),
                // Nothing that there are texts for.
                (
                    Some("fr, de;q=0.5"),
                    match own {
                        Some("th-TH") => "th",
                        Some("en") => "en",
                        _ => deployment,
                    },
                ),
            ] {
                let body = json!({"query": ASK, "variables": {"input": {"contact": {"email": email}}}});
                let mut request = visitor.request(Method::POST, "/graphql").json(&body);
                if let Some(asked) = asked {
                    request = request.header(ACCEPT_LANGUAGE, asked);
                }
                assert_eq!(request.send().await.unwrap().status(), 200);
                let message = gateway.next_message(&email).await;
                assert_eq!(is_thai(&message.text), expected == "th", "{deployment} {own:?} {asked:?}: {}", message.text);
                let html = message.html.unwrap();
                assert!(is_thai(&html) == (expected == "th") && html.contains(&format!("<html lang=\"{expected}\">")));
            }
        }
    }
}
