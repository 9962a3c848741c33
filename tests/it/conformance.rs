//! Execution follows the GraphQL specification, whichever version of the library runs it (see `docs/decisions/0001`).

use serde_json::json;

use crate::transport::{Plan, Server};

#[tokio::test]
async fn keys_keep_the_order_of_the_query() {
    let server = Server::start(Plan::default()).await;
    let reply =
        server.ask("{ z: person { b: slow(millis: 60) a: number } y: person { number slow(millis: 5) id } x: __typename }", None).await;
    assert_eq!(reply.text, r#"{"data":{"z":{"b":0,"a":0},"y":{"number":0,"slow":0,"id":"0"},"x":"Query"}}"#);
}

#[tokio::test]
async fn an_error_in_a_nullable_field_is_null_in_place() {
    let server = Server::start(Plan::default()).await;
    let json = server.ask("{ person { id brittle(fail: true) number } }", None).await.json();
    assert_eq!(json["data"], json!({ "person": { "id": "0", "brittle": null, "number": 0 } }));
    assert_eq!(json["errors"][0]["path"], json!(["person", "brittle"]));
    assert_eq!(json["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(json["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_error_in_a_non_null_field_nulls_the_nearest_nullable_parent() {
    let server = Server::start(Plan::default()).await;
    let json = server.ask("{ before: __typename person { id friend { fatal } } after: __typename }", None).await.json();
    assert_eq!(json["data"], json!({ "before": "Query", "person": null, "after": "Query" }));
    assert_eq!(json["errors"][0]["path"], json!(["person", "friend", "fatal"]));
    // Through a list: only the item.
    let json = server.ask("{ people(first: 2) { id friend { brittle(fail: false) fatal } } }", None).await.json();
    assert_eq!(json["data"], json!({ "people": [null, null] }));
    // A list whose items are not nullable goes with its item.
    let json = server.ask("{ person { friends(first: 2) { fatal } } }", None).await.json();
    assert_eq!(json["data"], json!({ "person": null }));
    // Up to the top.
    let json = server.ask("{ beings { __typename ... on Person { fatal } } person { id } }", None).await.json();
    assert_eq!(json["data"], json!(null));
}

#[tokio::test]
async fn unions_and_fragments_select_by_type() {
    let server = Server::start(Plan::default()).await;
    let query = "{ beings { __typename ...P ... on Robot { model } } } fragment P on Person { id }";
    let expected = json!({ "data": { "beings": [{ "__typename": "Person", "id": "7" }, { "__typename": "Robot", "model": "R2" }] } });
    assert_eq!(server.ask(query, None).await.json(), expected);
}

#[tokio::test]
async fn fields_of_the_same_name_are_merged() {
    let server = Server::start(Plan::default()).await;
    let query = "{ person { id } ...F person { friend { id } } } fragment F on Query { person { number friend { number } } }";
    let reply = server.ask(query, None).await;
    assert_eq!(reply.text, r#"{"data":{"person":{"id":"0","number":0,"friend":{"number":1,"id":"1"}}}}"#);
    let conflict = server.ask("{ person { a: id a: number } }", None).await;
    assert_eq!((conflict.status, conflict.code().as_str()), (400, "BAD_REQUEST"));
}

#[tokio::test]
async fn mutations_run_one_after_the_other() {
    let server = Server::start(Plan::default()).await;
    let json = server.ask("mutation { a: note b: touch c: note }", None).await.json();
    assert_eq!(json["data"], json!({ "a": 1, "b": 2, "c": 3 }));
}

#[tokio::test]
async fn what_is_left_out_is_not_null() {
    let server = Server::start(Plan::default()).await;
    let query = "query ($t: String, $n: Int) { echo(text: $t, number: $n) }";
    let ask = async |variables: serde_json::Value| server.ask_with(&json!({ "query": query, "variables": variables }), None).await.json();
    assert_eq!(ask(json!({ "t": "x", "n": 1 })).await["data"]["echo"], r#"Some("x") None 1"#);
    assert_eq!(ask(json!({})).await["data"]["echo"], "None None 5");
    let shared = "query A($n: Int) { ...F } query B($n: Int) { ...F } fragment F on Query { echo(number: $n) }";
    let json = server.ask_with(&json!({ "query": shared, "operationName": "B" }), None).await.json();
    assert_eq!(json["data"]["echo"], "None None 5", "{json}");
    let skipped = "query ($no: Boolean!) { person { id number @skip(if: $no) } me @include(if: false) { id } }";
    let json = server.ask_with(&json!({ "query": skipped, "variables": { "no": true } }), None).await.json();
    assert_eq!(json, json!({ "data": { "person": { "id": "0" } } }));
}

#[tokio::test]
async fn exactly_one_of_one_of() {
    let server = Server::start(Plan::default()).await;
    assert_eq!(server.ask("{ choose(choice: { number: 3 }) }", None).await.json()["data"]["choose"], "3");
    for wrong in ["{ choose(choice: {}) }", "{ choose(choice: { number: 3, text: \"x\" }) }", "{ choose(choice: { number: null }) }"] {
        assert_eq!(server.ask(wrong, None).await.code(), "BAD_REQUEST", "{wrong}");
    }
    let query = "query ($c: Choice!) { choose(choice: $c) }";
    for wrong in [json!({}), json!({ "number": 3, "text": "x" }), json!({ "text": null })] {
        let reply = server.ask_with(&json!({ "query": query, "variables": { "c": wrong } }), None).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_REQUEST"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_document_asked_again_is_answered_alike() {
    let server = Server::start(Plan::default()).await;
    for query in ["{ person { id brittle(fail: true) } }", "{ person { nothing } }", "query A { me { id } } query B { person { nothing } }"]
    {
        let first = server.ask_with(&json!({ "query": query, "operationName": query.contains('A').then_some("A") }), Some("user-3")).await;
        for _ in 0..3 {
            let again =
                server.ask_with(&json!({ "query": query, "operationName": query.contains('A').then_some("A") }), Some("user-3")).await;
            assert_eq!((again.status, &again.json()["data"]), (first.status, &first.json()["data"]), "{query}");
        }
    }
}
