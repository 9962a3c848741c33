//! `postern tokens`, beside a gateway that runs.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Process, until};

/// What the command printed, and whether it went well.
async fn tokens(process: &Process, arguments: &[&str]) -> (bool, String, String) {
    let output = process.command_line(&[&["tokens"], arguments].concat()).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_token_is_made_listed_used_and_revoked() {
    let process = Process::start().await;
    let visitor = process.app_user();
    let (done, token, said) =
        tokens(&process, &["create", "--name", "shop", "--scope", "events:read", "--scope", "users:read", "--expires", "90d"]).await;
    assert!(done, "{said}");
    // The token and nothing else, so that a script can take it.
    assert_eq!(token.lines().count(), 1, "{token}");
    let token = token.trim();
    assert!(token.starts_with("postern_mt_") && !said.contains(token), "{said}");
    let id =
        said.split_whitespace().find_map(|word| word.trim_end_matches(';').parse::<uuid::Uuid>().ok()).expect("it says the id").to_string();
    visitor.graphql_with("{ eventCursor }", json!({}), Some(token)).await.expect_field();

    let (_, listed, _) = tokens(&process, &["list"]).await;
    let row = listed.lines().find(|line| line.starts_with(&id)).unwrap_or_else(|| panic!("{listed}"));
    assert!(row.contains("  active  events:read,users:read  ") && row.ends_with("  shop"), "{listed}");
    assert!(!listed.contains(token));

    let (done, said, _) = tokens(&process, &["revoke", &id]).await;
    assert!(done && said.contains("revoked the token"), "{said}");
    let refused = async || visitor.graphql_with("{ eventCursor }", json!({}), Some(token)).await.status != 200;
    until("it is refused", Duration::from_secs(1), refused).await;
    let (done, said, _) = tokens(&process, &["revoke", &id]).await;
    assert!(done && said.contains("was revoked before"), "{said}");
    // Its use is written beside the requests, a little later.
    let began = Instant::now();
    loop {
        let (_, listed, _) = tokens(&process, &["list"]).await;
        let row = listed.lines().find(|line| line.starts_with(&id)).unwrap();
        assert!(row.contains("  revoked  "), "{listed}");
        if !row.contains("  never  ") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it was used: {listed}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_makes_no_token() {
    let process = Process::start().await;
    let long = "x".repeat(101);
    for wrong in [
        &["create", "--name", "shop"][..],
        &["create", "--scope", "users:read"],
        &["create", "--name", "shop", "--scope", "users:write"],
        &["create", "--name", " ", "--scope", "users:read"],
        &["create", "--name", &long, "--scope", "users:read"],
        &["create", "--name", "shop", "--scope", "users:read", "--expires", "soon"],
        &["create", "--name", "shop", "--scope", "users:read", "--expires", "0d"],
        &["create", "--name", "shop", "--scope", "users:read", "--expires", "3000000d"],
        &["create", "--name", "shop", "--scope", "users:read", "--expires", "999999999d"],
        &["revoke", "x"],
        &["revoke", "01234567-89ab-7def-8123-456789abcdef"],
    ] {
        let (done, said, why) = tokens(&process, wrong).await;
        assert!(!done && said.is_empty() && !why.is_empty(), "{wrong:?}: {said} {why}");
    }
    let (done, listed, _) = tokens(&process, &["list"]).await;
    assert!(done && listed.lines().count() == 1, "{listed}");
}
