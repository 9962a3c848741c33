//! What people see of themselves, of each other (nothing), and of the deployment.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Gateway, Member, PASSWORD};

async fn ask(member: &Member, query: &str) -> Value {
    member.graphql(query, json!({})).await.expect_data()
}

#[tokio::test]
async fn the_deployment_says_what_it_offers() {
    let gateway = Gateway::start().await;
    let query =
        "{ authConfig { signUpEnabled contacts identifiers usernamePolicy { minLength maxLength pattern } defaultCountry locales codeLength
        loginMethods secondFactors passwordPolicy { minLength maxLength minStrength rejectsBreached } } }";
    let config = gateway.visitor().graphql(query, json!({})).await.expect_field();
    let expected = json!({
        "signUpEnabled": true, "contacts": ["EMAIL", "SMS"], "identifiers": ["EMAIL", "PHONE", "USERNAME"],
        "usernamePolicy": {"minLength": 3, "maxLength": 32, "pattern": config["usernamePolicy"]["pattern"]}, "defaultCountry": null,
        "locales": ["en", "th"], "codeLength": 6, "loginMethods": ["PASSWORD", "EMAIL_CODE", "MAGIC_LINK", "PHONE_CODE", "PASSKEY"],
        "secondFactors": ["TOTP", "RECOVERY_CODE", "PASSKEY"],
        "passwordPolicy": {"minLength": 8, "maxLength": 128, "minStrength": 3, "rejectsBreached": true},
    });
    assert_eq!(config, expected);
    let other = Gateway::start_with(|config| {
        config.phones.default_country = Some("TH".to_owned());
        config.passwords.min_length = 15;
    })
    .await;
    let query = "{ authConfig { defaultCountry passwordPolicy { minLength } } }";
    let config = other.visitor().graphql(query, json!({})).await.expect_field();
    assert_eq!(config, json!({"defaultCountry": "TH", "passwordPolicy": {"minLength": 15}}));
    // A1: and means it.
    let short = json!({"contact": {"phone": "081 234 5678"}, "password": "14-tortoises-x"});
    other.visitor().try_sign_up(short).await.expect_problem("PASSWORD_TOO_SHORT");
    let long = json!({"contact": {"phone": "081 234 5678"}, "password": "15-tortoises-xy"});
    other.visitor().try_sign_up(long).await.expect_done();
    other.next_message("+66812345678").await;
}

#[tokio::test]
async fn a_username_is_free_until_somebody_has_it() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let free =
        async |name: &str| visitor.graphql("query ($name: String!) { usernameAvailable(username: $name) }", json!({"name": name})).await;
    assert_eq!(free("Ada").await.expect_field(), true);
    let input = json!({"contact": {"email": "ada@example.com"}, "username": "ada"});
    let challenge = visitor.try_sign_up(input).await.expect_done().into();
    assert_eq!(free("ada").await.expect_field(), true, "a pending sign-up claims nothing");
    visitor.confirm(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
    for name in ["ada", "ADA", "ab", "", "1234", "a@b", "+66812345678", "admin", "x".repeat(33).as_str(), "a\u{0}da", "аda"] {
        assert_eq!(free(name).await.expect_field(), false, "{name:?}");
    }
    // C13
    let mut limited = None;
    for _ in 0..30 {
        let answer = free("eve").await;
        if answer.status != 200 {
            limited = Some(answer);
        }
    }
    let limited = limited.expect("thirty a minute");
    assert!(limited.status == 429 && limited.headers.contains_key("retry-after"), "{limited:?}");
    limited.expect_error("RATE_LIMITED");
}

#[tokio::test]
async fn whoever_has_no_credentials_is_nobody_and_whoever_has_bad_ones_is_told() {
    let gateway = Gateway::start().await;
    let visitor = gateway.app_user();
    let query = "{ me { id } currentSession { id } }";
    let nobody = visitor.graphql(query, json!({})).await.expect_data();
    assert_eq!(nobody, json!({"me": null, "currentSession": null}));
    let member = visitor.becomes_member("ada@example.com").await;
    let token = member.tokens().access;
    let both = visitor.graphql_with(query, json!({}), Some(&token)).await.expect_data();
    assert_eq!(both, json!({"me": {"id": member.user_id}, "currentSession": {"id": member.session_id}}));

    let bad = async |token: &str, reason: &str| {
        let answer = visitor.graphql_with(query, json!({}), Some(token)).await;
        assert_eq!(answer.data(), &json!({"me": null, "currentSession": null}));
        assert_eq!(answer.errors().len(), 2);
        assert_eq!(answer.expect_error("UNAUTHENTICATED")["extensions"]["reason"], reason);
        // What is open to everyone does not care.
        let open = visitor.graphql_with("{ authConfig { codeLength } }", json!({}), Some(token)).await;
        assert_eq!(open.expect_field()["codeLength"], 6);
    };
    for garbage in ["x", "a.b.c", &token[..token.len() - 1], &format!("{token}A"), &token.to_lowercase()] {
        bad(garbage, "TOKEN_INVALID").await;
    }
    gateway.advance(Duration::from_mins(10));
    bad(&token, "TOKEN_EXPIRED").await;
    member.refresh().await;
    let token = member.tokens().access;
    member.sign_out().await;
    bad(&token, "SESSION_ENDED").await;
}

// H16
#[tokio::test]
async fn only_own_things_are_found() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    let eve = gateway.app_user().becomes_member("eve@example.com").await;
    let node = async |member: &Member, id: &str| {
        let query = "query ($id: ID!) { node(id: $id) { __typename id ... on User { email sessions { nodes { id } } } ... on Session { user { email } } } }";
        member.graphql(query, json!({"id": id})).await.expect_field()
    };
    assert_eq!(
        node(&ada, &ada.user_id).await,
        json!({"__typename": "User", "id": ada.user_id, "email": "ada@example.com", "sessions": {"nodes": [{"id": ada.session_id}]}})
    );
    assert_eq!(
        node(&ada, &ada.session_id).await,
        json!({"__typename": "Session", "id": ada.session_id, "user": {"email": "ada@example.com"}})
    );
    let random = "01a1f8d3-ea00-7775-8351-c02a106102ef";
    for id in [&eve.user_id, &eve.session_id, random, "", "x", "User:1", "\u{0}", "'; DROP TABLE users; --", &"9".repeat(5000)] {
        assert_eq!(node(&ada, id).await, Value::Null, "{id}");
        ada.try_revoke(id).await.expect_problem("SESSION_NOT_FOUND");
    }
    assert_eq!(eve.me().await["email"], "eve@example.com");
    let query = "query ($id: ID!) { me { sessions(filter: {userId: $id}) { totalCount nodes { id } } } }";
    ada.graphql(query, json!({"id": eve.user_id})).await.expect_error("BAD_REQUEST");
    let own = ada.graphql(query, json!({"id": ada.user_id})).await.expect_field();
    assert_eq!(own["sessions"]["totalCount"], 1);
}

/// Somebody with five sessions, a second apart.
async fn with_five_sessions(gateway: &Gateway) -> Member {
    let member = gateway.visitor().becomes_member("ada@example.com").await;
    for _ in 0..4 {
        gateway.advance(Duration::from_secs(1));
        gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    }
    member
}

// H15
#[tokio::test]
async fn sessions_come_in_pages() {
    let gateway = Gateway::start().await;
    let member = with_five_sessions(&gateway).await;
    pages(&gateway, &member, "sessions", "createdAt").await;
    let data = ask(&member, "{ me { sessions(first: 2) { totalCount nodes { createdAt } } } }").await;
    assert_eq!(data["me"]["sessions"]["totalCount"], 5);
    assert_eq!(data["me"]["sessions"]["nodes"][0]["createdAt"], "2026-11-20T12:00:04.000Z", "newest first");

    let count = async |filter: &str| ask(&member, &format!("{{ me {{ sessions(filter: {filter}) {{ totalCount }} }} }}")).await;
    let address = member.visitor.address();
    for (filter, expected) in [
        ("{status: [ACTIVE]}".to_owned(), 5),
        ("{status: [REVOKED, EXPIRED]}".to_owned(), 0),
        ("{status: []}".to_owned(), 0),
        ("{suspicious: true}".to_owned(), 0),
        ("{createdAfter: \"2026-11-20T12:00:02.000Z\"}".to_owned(), 2),
        ("{createdAfter: \"0000-01-01T00:00:00Z\"}".to_owned(), 5),
        ("{createdAfter: \"9999-12-31T23:59:59.999Z\"}".to_owned(), 0),
        ("{riskScoreAtLeast: -2147483648}".to_owned(), 5),
        (format!("{{ipAddress: \"{address}\"}}"), 1),
        (format!("{{ipAddress: \"::ffff:{address}\"}}"), 1),
    ] {
        assert_eq!(count(&filter).await["me"]["sessions"]["totalCount"], expected, "{filter}");
    }
    let query = "query ($filter: SessionFilter) { me { sessions(filter: $filter) { totalCount } } }";
    for filter in [json!({"ipAddress": "x"}), json!({"ipAddress": "\u{0}"}), json!({"createdAfter": "yesterday"}), json!({"status": ["X"]})]
    {
        member.graphql(query, json!({"filter": filter})).await.expect_error("BAD_REQUEST");
    }
}

// H15
#[tokio::test]
async fn activity_comes_in_pages() {
    let gateway = Gateway::start().await;
    let member = with_five_sessions(&gateway).await;
    gateway.visitor().try_sign_in("ada@example.com", "not the password").await.expect_problem("CREDENTIALS_INVALID");
    pages(&gateway, &member, "activity", "id").await;
    let query =
        "{ me { activity(first: 100) { nodes { type status actor ipAddress device { name } session { id current } createdAt } } } }";
    let nodes = ask(&member, query).await["me"]["activity"]["nodes"].clone();
    let told: Vec<(&str, &str)> =
        nodes.as_array().unwrap().iter().map(|node| (node["type"].as_str().unwrap(), node["status"].as_str().unwrap())).collect();
    let mut expected = vec![("login", "FAILURE")];
    expected.extend([("login", "SUCCESS"); 5]);
    expected.push(("account_created", "SUCCESS"));
    assert_eq!(told, expected);
    assert_eq!(nodes[5]["session"], json!({"id": member.session_id, "current": true}));
    assert_eq!(nodes[5]["device"]["name"], "Firefox on Windows");
    // C14: and nobody else's.
    let eve = gateway.app_user().becomes_member("eve@example.com").await;
    let data = ask(&eve, "{ me { activity { nodes { ipAddress } } } }").await;
    let nodes = data["me"]["activity"]["nodes"].as_array().unwrap();
    assert!(nodes.len() == 2 && nodes.iter().all(|node| node["ipAddress"] == eve.visitor.address().to_string()), "{nodes:?}");
}

/// Walks a list of somebody with five or more entries in every way there is.
async fn pages(gateway: &Gateway, member: &Member, list: &str, key: &str) {
    let page = async |arguments: &str| {
        let query = format!(
            "{{ me {{ {list}{arguments} {{ edges {{ cursor node {{ {key} }} }} nodes {{ {key} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
        );
        member.graphql(&query, json!({})).await
    };
    let keys = |list: &Value| list["nodes"].as_array().unwrap().iter().map(|node| node[key].clone()).collect::<Vec<_>>();
    let whole = page("(first: 100)").await.expect_field()[list].clone();
    let all = keys(&whole);
    assert!(all.len() >= 5);
    assert_eq!(keys(&page("").await.expect_field()[list]), all);
    assert_eq!((&whole["pageInfo"]["hasNextPage"], &whole["pageInfo"]["hasPreviousPage"]), (&json!(false), &json!(false)));
    let edges = whole["edges"].as_array().unwrap();
    assert_eq!(
        (&edges[0]["cursor"], &edges[all.len() - 1]["cursor"]),
        (&whole["pageInfo"]["startCursor"], &whole["pageInfo"]["endCursor"])
    );

    // Forwards, two by two; then backwards.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let next = page(&format!("(first: 2{after})")).await.expect_field()[list].clone();
        assert_eq!(next["pageInfo"]["hasPreviousPage"], !after.is_empty());
        seen.extend(keys(&next));
        if next["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = format!(", after: {}", next["pageInfo"]["endCursor"]);
    }
    assert_eq!(seen, all);
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let next = page(&format!("(last: 2{before})")).await.expect_field()[list].clone();
        assert_eq!(next["pageInfo"]["hasNextPage"], !before.is_empty());
        seen.splice(0..0, keys(&next));
        if next["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
        before = format!(", before: {}", next["pageInfo"]["startCursor"]);
    }
    assert_eq!(seen, all);
    let between = page(&format!("(first: 100, after: {}, before: {})", edges[0]["cursor"], edges[3]["cursor"])).await.expect_field();
    assert_eq!(keys(&between[list]), all[1..3]);
    let behind = page(&format!("(first: 5, after: {})", whole["pageInfo"]["endCursor"])).await.expect_field();
    assert_eq!((keys(&behind[list]), &behind[list]["pageInfo"]["startCursor"]), (Vec::new(), &Value::Null));

    let cursor = edges[0]["cursor"].as_str().unwrap();
    let other_list = if list == "sessions" { "activity" } else { "sessions" };
    let query = format!("{{ me {{ {other_list} {{ pageInfo {{ startCursor }} }} }} eventCursor }}");
    let foreign = member.graphql(&query, json!({})).await.expect_data();
    let stranger = gateway.app_user().becomes_member("stranger@example.com").await;
    let strangers = stranger.graphql(&format!("{{ me {{ {list} {{ pageInfo {{ startCursor }} }} }} }}"), json!({})).await.expect_field();
    let flipped: String = cursor.chars().rev().collect();
    let wrong = [
        "first: 0".to_owned(),
        "first: -1".to_owned(),
        "first: 101".to_owned(),
        "last: 0".to_owned(),
        "last: 101".to_owned(),
        "first: 1, last: 1".to_owned(),
        "first: \"1\"".to_owned(),
        "after: \"\"".to_owned(),
        "after: \"x\"".to_owned(),
        "after: \"MTox\"".to_owned(),
        format!("after: \"{flipped}\""),
        format!("after: \"{cursor}A\""),
        format!("after: \"{}\"", &cursor[..cursor.len() - 1]),
        format!("before: {}", foreign["me"][other_list]["pageInfo"]["startCursor"]),
        format!("after: {}", foreign["eventCursor"]),
        format!("after: {}", strangers[list]["pageInfo"]["startCursor"]),
    ];
    for arguments in wrong {
        let answer = page(&format!("({arguments})")).await;
        assert_eq!(answer.code(), Some("BAD_REQUEST"), "{arguments}: {answer:?}");
    }
    for huge in ["2147483647", "2147483648", "99999999999999999999"] {
        let answer = page(&format!("(first: {huge})")).await;
        assert!(answer.status == 400 && ["BAD_REQUEST", "OPERATION_TOO_COMPLEX"].contains(&answer.code().unwrap()), "{huge}: {answer:?}");
    }
}
