//! What people say about themselves, and who sees that it changed.

use serde_json::{Value, json};

use super::support::{Answer, Gateway, Member};

const USER: &str = "user { username displayName fullName firstName lastName bio locale dateOfBirth address { country state postalCode } }";

async fn update(member: &Member, input: Value) -> Answer {
    let query = format!("mutation ($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{ {USER} problems {{ code path }} }} }}");
    member.graphql(&query, json!({"input": input})).await
}

async fn members(gateway: &Gateway) -> (Member, Member) {
    (gateway.visitor().becomes_member("ada@example.com").await, gateway.app_user().becomes_member("eve@example.com").await)
}

#[tokio::test]
async fn what_is_left_out_stays_and_null_clears() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    let all = json!({
        "displayName": "Ada", "fullName": "Ada King", "firstName": "Ada", "lastName": "King", "bio": "one\ntwo", "locale": "en-GB",
        "dateOfBirth": "1990-04-01", "address": {"country": "TH", "state": "Bangkok", "postalCode": "10110"},
    });
    let user = update(&ada, json!({"username": "Ada_1", "profile": all})).await.expect_done()["user"].clone();
    let mut expected = all.clone();
    expected["username"] = json!("ada_1");
    assert_eq!(user, expected);
    let user = update(&ada, json!({"profile": {"bio": null, "address": {"state": null}}})).await.expect_done()["user"].clone();
    expected["bio"] = Value::Null;
    expected["address"]["state"] = Value::Null;
    assert_eq!(user, expected);
    assert_eq!(update(&ada, json!({})).await.expect_done()["user"], expected, "nothing was asked for");
    let user = update(&ada, json!({"username": null, "profile": {"address": null}})).await.expect_done()["user"].clone();
    assert_eq!((&user["username"], &user["address"], &user["displayName"]), (&Value::Null, &Value::Null, &json!("Ada")));
    // What was answered is what is there.
    let me = ada.graphql("{ me { displayName fullName dateOfBirth } }", json!({})).await.expect_field();
    assert_eq!(me, json!({"displayName": "Ada", "fullName": "Ada King", "dateOfBirth": "1990-04-01"}));
    let user = update(&ada, json!({"profile": null})).await.expect_done()["user"].clone();
    assert!(user.as_object().unwrap().values().all(Value::is_null), "{user}");
}

#[tokio::test]
async fn a_variable_that_is_left_out_leaves_its_field_as_it_is() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    update(&ada, json!({"username": "ada_1", "profile": {"bio": "long", "address": {"country": "TH"}}})).await.expect_done();
    let query = format!(
        "mutation ($username: String, $bio: String, $country: String, $name: String) {{
            updateProfile(input: {{username: $username, profile: {{bio: $bio, displayName: $name, address: {{country: $country}}}}}}) {{
            {USER} problems {{ code }} }} }}"
    );
    for _ in 0..2 {
        let user = ada.graphql(&query, json!({"name": "Ada"})).await.expect_done()["user"].clone();
        let seen = (&user["username"], &user["bio"], &user["displayName"], &user["address"]["country"]);
        assert_eq!(seen, (&json!("ada_1"), &json!("long"), &json!("Ada"), &json!("TH")));
    }
    let user = ada.graphql(&query, json!({"bio": null, "name": null})).await.expect_done()["user"].clone();
    assert_eq!((&user["username"], &user["bio"], &user["displayName"]), (&json!("ada_1"), &Value::Null, &Value::Null));
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_and_nothing_is_written() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    let input = json!({"username": "a b", "profile": {
        "displayName": "Ada", "firstName": "x".repeat(101), "bio": "a\u{0}", "locale": "not a tag", "dateOfBirth": "2999-01-01",
        "address": {"country": "XX", "postalCode": "1".repeat(21)}}});
    let payload = update(&ada, input).await.expect_field();
    let mut paths: Vec<String> = payload["problems"].as_array().unwrap().iter().map(|problem| problem["path"].to_string()).collect();
    paths.sort();
    let expected = [
        json!(["input", "profile", "address", "country"]),
        json!(["input", "profile", "address", "postalCode"]),
        json!(["input", "profile", "bio"]),
        json!(["input", "profile", "dateOfBirth"]),
        json!(["input", "profile", "firstName"]),
        json!(["input", "profile", "locale"]),
        json!(["input", "username"]),
    ];
    assert_eq!(paths, expected.map(|path| path.to_string()));
    assert_eq!(payload["user"], Value::Null);
    assert_eq!(update(&ada, json!({})).await.expect_done()["user"]["displayName"], Value::Null);
    // C16 and its like: what is not a person's own to say is no field of the input.
    for (name, value) in [("role", json!("ADMIN")), ("id", json!(ada.user_id)), ("emailVerifiedAt", json!(null)), ("coinBalance", json!(1))]
    {
        update(&ada, json!({name: value})).await.expect_error("BAD_REQUEST");
    }
    gateway
        .visitor()
        .graphql("mutation { updateProfile(input: {}) { problems { code } } }", json!({}))
        .await
        .expect_error("UNAUTHENTICATED");
}

#[tokio::test]
async fn a_username_belongs_to_one_person() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let (ada, eve) = members(&gateway).await;
    update(&ada, json!({"username": "ada"})).await.expect_done();
    let problem = update(&eve, json!({"username": "ADA", "profile": {"bio": "not written"}})).await.expect_problem("USERNAME_TAKEN");
    assert_eq!(problem["path"], json!(["input", "username"]));
    assert_eq!(update(&eve, json!({})).await.expect_done()["user"]["bio"], Value::Null);
    update(&eve, json!({"username": "admin"})).await.expect_problem("USERNAME_INVALID");
    update(&ada, json!({"username": "Ada", "profile": {"bio": "my own name is no conflict"}})).await.expect_done();
    gateway.visitor().sign_in("ada", super::support::PASSWORD).await;
    // A race: one of the two has it.
    let both = futures::future::join_all([&ada, &eve].map(|member| update(member, json!({"username": "wanted"})))).await;
    let mut codes: Vec<Value> = both.into_iter().map(|answer| answer.expect_field()["problems"][0]["code"].clone()).collect();
    codes.sort_by_key(Value::to_string);
    assert_eq!(codes, [json!("USERNAME_TAKEN"), Value::Null]);
}

// C13: guessing names through the profile is limited as asking for them is.
#[tokio::test]
async fn names_cannot_be_tried_without_end() {
    let gateway = Gateway::start().await;
    let (ada, eve) = members(&gateway).await;
    update(&ada, json!({"username": "ada"})).await.expect_done();
    let mut answers = Vec::new();
    for _ in 0..31 {
        answers.push(update(&eve, json!({"username": "ada"})).await);
    }
    answers.remove(0).expect_problem("USERNAME_TAKEN");
    answers.pop().unwrap().expect_error("RATE_LIMITED");
}

#[tokio::test]
async fn every_session_sees_the_change_and_is_told() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    let phone = gateway.app_user().sign_in("ada@example.com", super::support::PASSWORD).await;
    for _ in 0..2 {
        gateway.next_message("ada@example.com").await;
    }
    let name = async |member: &Member| member.graphql("{ me { displayName } }", json!({})).await.expect_field()["displayName"].clone();
    assert_eq!(name(&phone).await, Value::Null);
    let mut socket = phone.socket().await;
    let query = "subscription ($after: String) { accountEvents(after: $after) { kind user { displayName } } }";
    let events = socket.subscribe(query, json!({"after": ada.event_cursor().await})).await;
    update(&ada, json!({"profile": {"displayName": "Ada"}})).await.expect_done();
    assert_eq!(name(&phone).await, "Ada");
    let event = socket.next(&events).await;
    assert_eq!(event, json!({"kind": "UPDATED", "user": {"displayName": "Ada"}}));
    let activity = ada.graphql("{ me { activity(first: 1) { nodes { type status } } } }", json!({})).await.expect_field();
    assert_eq!(activity["activity"]["nodes"], json!([{"type": "profile_update", "status": "SUCCESS"}]));
}

#[tokio::test]
async fn the_deployment_says_what_it_wants_to_know() {
    use postern::config::ProfileField;
    let gateway = Gateway::start_with(|config| {
        config.profile.required_fields = vec![ProfileField::DisplayName, ProfileField::Country, ProfileField::Email];
    })
    .await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    let query = "{ me { profileComplete } authConfig { requiredProfileFields } }";
    let complete = async || ada.graphql(query, json!({})).await.expect_data();
    let wanted = json!(["DISPLAY_NAME", "COUNTRY", "EMAIL"]);
    assert_eq!(complete().await, json!({"me": {"profileComplete": false}, "authConfig": {"requiredProfileFields": wanted}}));
    update(&ada, json!({"profile": {"displayName": "Ada"}})).await.expect_done();
    assert_eq!(complete().await["me"]["profileComplete"], false);
    update(&ada, json!({"profile": {"address": {"country": "TH"}}})).await.expect_done();
    assert_eq!(complete().await["me"]["profileComplete"], true);
    update(&ada, json!({"profile": {"displayName": "  "}})).await.expect_done();
    assert_eq!(complete().await["me"]["profileComplete"], false);
    let other = Gateway::start().await;
    let eve = other.visitor().becomes_member("eve@example.com").await;
    let nothing = eve.graphql(query, json!({})).await.expect_data();
    assert_eq!(nothing, json!({"me": {"profileComplete": true}, "authConfig": {"requiredProfileFields": []}}));
}
