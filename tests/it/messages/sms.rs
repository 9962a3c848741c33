//! Text messages by Twilio's API and by a signed webhook.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use entity::{Channel, messages::State};
use hmac::{Hmac, KeyInit, Mac};
use postern::{
    config::SmsSender,
    jobs::deliver_messages::{Inbox, Pace, Sinks},
    outbound::{message::NewMessage, sms::Texter},
};
use sha2::Sha256;

use super::{
    fake_sms::{ACCOUNT, FakeSms, KEY, Mood, WEBHOOK_KEY},
    setting::{CODE, House, houses},
};

const SEND: Duration = Duration::from_secs(5);

fn by_sms(sender: &SmsSender, timeout: Duration) -> Sinks {
    Sinks::with_sms(Texter::new(sender, timeout).expect("a texter"), Inbox::Closed)
}

fn text_message(house: &House) -> NewMessage {
    NewMessage { channel: Channel::Sms, ..house.sign_up_code("+66812345678") }
}

#[tokio::test]
async fn twilio_is_asked_as_its_documentation_says() {
    for house in houses().await {
        let twilio = FakeSms::start(Mood::Well).await;
        let id = house.enqueue(text_message(&house)).await;
        house.courier_to(by_sms(&twilio.twilio(), SEND), Pace::default()).deliver_due().await.expect("attempted");
        let row = house.row(id).await;
        assert_eq!((row.state, row.secret_sealed), (State::Sent, None));
        let [request] = twilio.taken().try_into().expect("one request");
        assert_eq!(request.path, format!("2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
        assert_eq!(request.header("authorization"), format!("Basic {}", STANDARD.encode(format!("{KEY}:api secret"))));
        assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
        let form = request.form();
        assert_eq!((form.len(), form["To"].as_str(), form["From"].as_str()), (4, "+66812345678", "+15005550006"));
        assert_eq!(form["ValidityPeriod"], "36000", "the most that Twilio takes");
        assert!(form["Body"].starts_with(CODE) && !form["Body"].contains("http"), "{}", form["Body"]);
        house.end().await;
    }
}

#[tokio::test]
async fn a_number_that_cannot_be_reached_is_given_up_and_an_outage_is_not() {
    let house = House::on_sqlite().await;
    let service = FakeSms::start(Mood::Answers(400, 21_211)).await;
    let courier = house.courier_to(by_sms(&service.twilio(), SEND), Pace::default());
    let refused = house.enqueue(text_message(&house)).await;
    courier.deliver_due().await.expect("attempted");
    let row = house.row(refused).await;
    assert_eq!((row.state, row.secret_sealed), (State::Dead, None));
    // C15: what Twilio says may repeat the number; the code is enough.
    assert_eq!(row.last_error.as_deref(), Some("Twilio answered 400, error 21211"));

    let id = house.enqueue(text_message(&house)).await;
    for mood in [
        Mood::Answers(429, 20_429),
        Mood::Answers(500, 0),
        Mood::Answers(503, 0),
        Mood::Answers(401, 20_003),
        Mood::Answers(400, 21_606),
        Mood::Redirects,
    ] {
        service.becomes(mood);
        courier.deliver_due().await.expect("attempted");
        assert_eq!(house.row(id).await.state, State::Pending, "{mood:?}");
        house.clock.advance(Duration::from_mins(3));
    }
    assert!(service.taken().iter().all(|request| request.path.ends_with("Messages.json")), "no redirect was followed");
    service.becomes(Mood::Well);
    courier.deliver_due().await.expect("attempted");
    assert_eq!(house.row(id).await.state, State::Sent);
    house.end().await;
}

#[tokio::test]
async fn a_service_that_hangs_or_babbles_holds_nobody_up() {
    let house = House::on_sqlite().await;
    let service = FakeSms::start(Mood::Hangs).await;
    let courier = house.courier_to(by_sms(&service.twilio(), Duration::from_millis(300)), Pace::default());
    let id = house.enqueue(text_message(&house)).await;
    courier.deliver_due().await.expect("attempted");
    let row = house.row(id).await;
    assert_eq!((row.state, row.last_error.as_deref()), (State::Pending, Some("no answer in time")));
    house.clock.advance(Duration::from_mins(3));
    service.becomes(Mood::Babbles);
    courier.deliver_due().await.expect("attempted");
    assert_eq!(house.row(id).await.state, State::Sent, "the status counts, and the rest is not waited for");
    let id = house.enqueue(text_message(&house)).await;
    let sender = service.twilio();
    drop(service);
    house.courier_to(by_sms(&sender, SEND), Pace::default()).deliver_due().await.expect("attempted");
    assert_eq!(house.row(id).await.state, State::Pending);
    house.end().await;
}

#[tokio::test]
async fn a_webhook_is_signed_together_with_its_time() {
    let house = House::on_sqlite().await;
    let service = FakeSms::start(Mood::Answers(503, 0)).await;
    let courier = house.courier_to(by_sms(&service.webhook(), SEND), Pace::default());
    let id = house.enqueue(text_message(&house)).await;
    courier.deliver_due().await.expect("attempted");
    house.clock.advance(Duration::from_mins(3));
    service.becomes(Mood::Well);
    courier.deliver_due().await.expect("attempted");
    assert_eq!(house.row(id).await.state, State::Sent);

    let [first, second] = service.taken().try_into().expect("two attempts");
    for request in [&first, &second] {
        assert_eq!(request.header("webhook-id"), id.to_string(), "the same for every attempt");
        let time = request.header("webhook-timestamp");
        let signature = request.header("webhook-signature").strip_prefix("v1,").expect("a version");
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(WEBHOOK_KEY).expect("a key");
        mac.update(format!("{id}.{time}.{}", request.body).as_bytes());
        mac.verify_slice(&STANDARD.decode(signature).expect("base64")).expect("the signature of id, time and body");
    }
    assert_ne!(first.header("webhook-timestamp"), second.header("webhook-timestamp"), "an old one that is sent again can be told");
    let body: serde_json::Value = serde_json::from_str(&second.body).expect("JSON");
    let data = &body["data"];
    assert_eq!((&body["type"], &data["id"], &data["to"]), (&"sms.send".into(), &id.to_string().into(), &"+66812345678".into()));
    assert_eq!((&data["code"], &data["template"]), (&CODE.into(), &"sign_up_code".into()));
    assert!(data["text"].as_str().is_some_and(|text| text.starts_with(CODE)));

    service.becomes(Mood::Answers(422, 0));
    let refused = house.enqueue(text_message(&house)).await;
    courier.deliver_due().await.expect("attempted");
    assert_eq!(house.row(refused).await.state, State::Dead);
    house.end().await;
}
