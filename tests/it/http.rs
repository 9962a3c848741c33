//! GraphQL over HTTP: media types, statuses, origins, credentials, cookies, and what bad requests get.

use std::time::{Duration, Instant};

use postern::{graphql::trusted_documents::TrustedDocuments, http::gateway::Admission};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::transport::{Plan, Reply, Server};

#[tokio::test]
async fn answers_have_data_a_request_id_and_no_cache() {
    let server = Server::start(Plan::default()).await;
    let reply = server.ask("{ person { id } }", None).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "data": { "person": { "id": "0" } } })));
    assert_eq!(reply.header("content-type"), "application/graphql-response+json; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("vary"), "Origin");
    assert_eq!(reply.header("x-request-id").len(), 36);
    // H24
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn statuses_follow_the_code_where_there_is_no_data() {
    // H12
    let server = Server::start(Plan::default()).await;
    for (query, token, status, code) in [
        ("{ cursor }", None, 401, "UNAUTHENTICATED"),
        ("{ cursor }", Some("user-1:expired"), 401, "UNAUTHENTICATED"),
        ("{ users { id } }", Some("user-1"), 403, "FORBIDDEN"),
        ("{ vault }", Some("user-1:old"), 403, "REAUTHENTICATION_REQUIRED"),
        ("{ limited }", None, 429, "RATE_LIMITED"),
        ("{ fault }", None, 500, "INTERNAL"),
        ("{ panic }", None, 500, "INTERNAL"),
        ("{ unknown }", None, 400, "BAD_REQUEST"),
        ("{ person { unknown } }", None, 400, "BAD_REQUEST"),
        ("mutation { resend a: resend }", None, 400, "OPERATION_TOO_COMPLEX"),
        ("{", None, 400, "BAD_REQUEST"),
    ] {
        let reply = server.ask(query, token).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{query} {}", reply.text);
        assert_eq!(reply.json()["errors"][0]["extensions"]["requestId"], reply.header("x-request-id"), "{query}");
    }
    let limited = server.ask("{ limited }", None).await;
    assert_eq!(limited.header("retry-after"), "2");
    assert_eq!(limited.json()["errors"][0]["extensions"]["retryAfterSeconds"], 2);
}

#[tokio::test]
async fn partial_data_is_200_and_null_in_place() {
    let server = Server::start(Plan::default()).await;
    let reply = server.ask("{ me { id } person { id } }", Some("user-1:expired")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["data"], json!({ "me": null, "person": { "id": "0" } }));
    assert_eq!((reply.code().as_str(), reply.reason().as_str()), ("UNAUTHENTICATED", "TOKEN_EXPIRED"));
    assert_eq!(server.ask("{ me { id } }", None).await.json(), json!({ "data": { "me": null } }));
}

#[tokio::test]
async fn refused_requests_have_no_data_at_all() {
    let server = Server::start(Plan::default()).await;
    for query in ["{", "{ unknown }", "{ person { unknown } }", "query ($a: Int!) { echo(number: $a) }", "{ cursor }"] {
        assert!(server.ask(query, None).await.json().get("data").is_none(), "{query}");
    }
    // Executed, and nulled to the top.
    assert_eq!(server.ask("{ fault }", None).await.json().get("data"), Some(&Value::Null));
}

#[tokio::test]
async fn errors_say_nothing_of_what_is_inside() {
    // H13
    let server = Server::start(Plan { introspection: false, ..Plan::default() }).await;
    for body in [
        json!({ "query": "{ fault }" }),
        json!({ "query": "{ ioFault }" }),
        json!({ "query": "{ panic }" }),
        json!({ "query": "{ persom { id } }" }),
        json!({ "query": "{ person { idd } }" }),
        json!({ "query": "mutation { signIn(inputt: {}) }" }),
        json!({ "query": "{ a(" }),
        json!({ "query": "query ($a: Int) { echo(number: $a) }", "variables": { "a": "secret" } }),
    ] {
        let reply = server.ask_with(&body, None).await;
        assert!(reply.status >= 400, "{body} {}", reply.text);
        for inner in ["secret", "SELECT", "srv", ".rs", "panic", "Did you mean", "-->", "expected", "serde"] {
            assert!(!reply.text.contains(inner), "{body}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn introspection_off_shows_nothing() {
    // H8
    let server = Server::start(Plan { introspection: false, ..Plan::default() }).await;
    assert_eq!(server.ask("{ __schema { types { name } } }", None).await.code(), "BAD_REQUEST");
    assert_eq!(server.ask("{ ...F } fragment F on Query { a: __schema { types { name } } }", None).await.code(), "BAD_REQUEST");
    assert_eq!(server.ask("{ __type(name: \"Person\") { name } }", None).await.json(), json!({ "data": { "__type": null } }));
    assert_eq!(server.ask("{ _service { sdl } }", None).await.code(), "BAD_REQUEST");
    let open = Server::start(Plan::default()).await;
    let reply = open.ask(include_str!("transport/introspection.graphql"), None).await;
    assert!(reply.status == 200 && reply.text.contains("Person"), "{}", reply.text);
}

#[tokio::test]
async fn only_json_bodies_are_read() {
    // H10
    let server = Server::start(Plan::default()).await;
    let post = |kind: Option<&'static str>| {
        let mut request = server.http.post(server.url("/graphql")).body(r#"{"query":"{ __typename }"}"#);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        Reply::of(request)
    };
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json; charset=utf-16"),
    ] {
        assert_eq!(post(kind).await.status, 415, "{kind:?}");
    }
    for kind in ["application/json", "application/json; charset=UTF-8", "APPLICATION/JSON;charset=\"utf-8\""] {
        assert_eq!(post(Some(kind)).await.status, 200, "{kind}");
    }
    let not_acceptable = server.http.post(server.url("/graphql")).header("accept", "text/csv").json(&json!({ "query": "{ __typename }" }));
    assert_eq!(Reply::of(not_acceptable).await.status, 406);
    let unknown_method = Reply::of(server.http.put(server.url("/graphql"))).await;
    assert_eq!((unknown_method.status, unknown_method.reason().as_str()), (405, "METHOD_NOT_ALLOWED"));
    assert!(unknown_method.header("allow").contains("POST"));
    assert_eq!(Reply::of(server.http.get(server.url("/nothing"))).await.status, 404);
}

#[tokio::test]
async fn bad_bodies_get_typed_answers_at_once() {
    let server = Server::start(Plan::default()).await;
    let deep = format!(r#"{{"query":"{{ __typename }}","variables":{{"a":{}{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    for body in [
        "",
        "{",
        "null",
        "[]",
        r#"[{"query":"{ __typename }"}]"#,
        r#"{"query":{}}"#,
        r#"{"query":"{ __typename }","variables":"x"}"#,
        &deep,
        "{}",
    ] {
        let begin = Instant::now();
        let request = server.http.post(server.url("/graphql")).header("content-type", "application/json").body(body.to_owned());
        let reply = Reply::of(request).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_REQUEST"), "{}", &body[..body.len().min(60)]);
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
    // H7
    let big = server.http.post(server.url("/graphql")).header("content-type", "application/json").body("x".repeat(1 << 20));
    let reply = Reply::of(big).await;
    assert_eq!((reply.status, reply.reason().as_str()), (413, "PAYLOAD_TOO_LARGE"));
}

/// Many clients read nothing before they have sent everything, and must see the answer all the same, not a reset.
#[tokio::test]
async fn clients_that_send_before_they_read_see_why_they_are_refused() {
    // H7, H10
    let server = Server::start(Plan::default()).await;
    for (kind, status) in [("application/json", "413"), ("text/plain", "415"), ("application/json\r\norigin: https://evil.example", "403")]
    {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        let body = "x".repeat(1 << 20);
        let head = format!("POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(body.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{kind}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_cut_off() {
    // H7
    let server = Server::start(Plan { body_timeout: Duration::from_millis(300), ..Plan::default() }).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"query\":";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(3), connection.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("REQUEST_TIMEOUT"), "{answer}");
    // A chunked body without an end is cut at the limit.
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    for _ in 0..3 {
        connection.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut answer = vec![0; 64];
    let _ = tokio::time::timeout(Duration::from_secs(3), connection.read(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

/// What two servers in a row could read as one request or as two.
#[tokio::test]
async fn nobody_can_hide_a_request_in_another() {
    // H25
    let server = Server::start(Plan::default()).await;
    let body = r#"{"query":"{ __typename }"}"#;
    let hidden = format!("POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n{body}");
    let ask = async |framing: &str, rest: &str| {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let request = format!("POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{framing}\r\n\r\n{rest}");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(5), connection.read_to_string(&mut answer)).await.expect(framing).unwrap();
        answer
    };
    for (framing, rest) in [
        ("content-length: 5\r\ntransfer-encoding: chunked", format!("0\r\n\r\n{hidden}")),
        ("transfer-encoding: chunked\r\ncontent-length: 5", format!("0\r\n\r\n{hidden}")),
        ("content-length: 0\r\ncontent-length: 26", body.to_owned()),
        ("content-length: 26\r\ncontent-length: 0", format!("{body}{hidden}")),
        ("content-length: 26, 0", format!("{body}{hidden}")),
        ("content-length: +26", body.to_owned()),
        ("transfer-encoding: xchunked", format!("0\r\n\r\n{hidden}")),
        ("transfer-encoding : chunked", format!("0\r\n\r\n{hidden}")),
        ("x: y\rcontent-length: 26", body.to_owned()),
        ("transfer-encoding: chunked", format!("1a\n{body}\r\n0\r\n\r\n")),
    ] {
        let answer = ask(framing, &rest).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{framing:?}: {answer}");
    }
    // A bare line feed ends a line (RFC 9112, 2.2), for us as for nginx: one request, whose body ends where it says.
    let answer = ask("x: y\ncontent-length: 26\r\nconnection: close", &format!("{body}{hidden}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
}

#[tokio::test]
async fn a_slow_operation_is_ended() {
    let server = Server::start(Plan { timeout: Duration::from_millis(200), ..Plan::default() }).await;
    let reply = server.ask("{ person { slow(millis: 5000) } }", None).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "OVERLOADED"));
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn get_is_for_queries() {
    // H9
    let server = Server::start(Plan::default()).await;
    let get = |query: &'static str| {
        let parameters = url::form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        Reply::of(server.http.get(server.url(&format!("/graphql?{parameters}"))))
    };
    assert_eq!(get("{ __typename }").await.json(), json!({ "data": { "__typename": "Query" } }));
    for query in ["mutation { note }", "subscription { count(to: 1) }"] {
        let reply = get(query).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "POST"), "{query}");
    }
    assert_eq!(get("{").await.status, 200);
    assert_eq!(Reply::of(server.http.get(server.url("/graphql"))).await.status, 400);
    let closed = Server::start(Plan { get_queries: false, ..Plan::default() }).await;
    let reply = Reply::of(closed.http.get(closed.url("/graphql?query=%7B__typename%7D"))).await;
    assert_eq!((reply.status, reply.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_get_is_never_signed_in_by_its_cookie_alone() {
    let server = Server::start(Plan::default()).await;
    let get = || server.http.get(server.url("/graphql?query=%7Bcursor%7D")).header("cookie", "postern_access=user-1");
    assert_eq!(Reply::of(get()).await.status, 401);
    assert_eq!(Reply::of(get().header("graphql-require-preflight", "1")).await.status, 200);
    assert_eq!(Reply::of(server.http.get(server.url("/graphql?query=%7Bcursor%7D")).bearer_auth("user-1")).await.status, 200);
}

#[tokio::test]
async fn foreign_origins_are_refused() {
    // H10, H11
    let server = Server::start(Plan::default()).await;
    let post = |origin: &'static str| {
        Reply::of(server.http.post(server.url("/graphql")).header("origin", origin).json(&json!({ "query": "{ __typename }" })))
    };
    for origin in ["https://evil.org", "null", "https://app.example.com.evil.org", "http://app.example.com"] {
        let reply = post(origin).await;
        assert_eq!((reply.status, reply.reason().as_str()), (403, "ORIGIN_NOT_ALLOWED"), "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
    }
    let reply = post("https://app.example.com").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, "https://app.example.com"));
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    let preflight = |origin: &'static str| {
        let request = server.http.request(reqwest::Method::OPTIONS, server.url("/graphql")).header("origin", origin);
        Reply::of(request.header("access-control-request-method", "POST"))
    };
    assert_eq!(preflight("https://evil.org").await.status, 403);
    let allowed = preflight("https://app.example.com").await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-methods")), (204, "GET, POST"));
}

#[tokio::test]
async fn cookies_come_and_go() {
    // D12
    let server = Server::start(Plan { https: true, ..Plan::default() }).await;
    let reply = server.ask("mutation { signIn(input: { name: \"x\", colour: RED }) }", None).await;
    assert_eq!(reply.json()["data"]["signIn"], "x red");
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cookies[0], "__Host-postern_access=access-value; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure");
    assert!(cookies[1].starts_with("__Host-postern_refresh=; Max-Age=0;"), "{cookies:?}");
    assert!(reply.header("strict-transport-security").contains("max-age"));
    assert_eq!(server.ask("{ __typename }", None).await.header("set-cookie"), "");
}

#[tokio::test]
async fn the_caller_is_known_by_its_request() {
    let server = Server::start(Plan::default()).await;
    let request = |cookie: &'static str| {
        let request = server
            .http
            .post(server.url("/graphql"))
            .header("cookie", cookie)
            .header("user-agent", "tests")
            .header("accept-language", "fr, th-TH;q=0.9, en;q=0.5");
        request.json(&json!({ "query": "{ caller }" }))
    };
    let reply = Reply::of(request("postern_refresh=r; postern_device=d")).await;
    assert_eq!(reply.json()["data"]["caller"], r#"Some("th") Some("d") Some("r") Some("tests") POST"#);
    // A Bearer token wins, also an invalid one.
    let reply = Reply::of(
        request("postern_access=user-1; postern_refresh=r; postern_device=d").bearer_auth("nonsense").header("postern-device", "h"),
    )
    .await;
    assert_eq!(reply.json()["data"]["caller"], r#"Some("th") Some("h") None Some("tests") POST"#);
    let refused = server.http.post(server.url("/graphql")).header("cookie", "postern_access=user-1").header("authorization", "Basic eA==");
    assert_eq!(Reply::of(refused.json(&json!({ "query": "{ cursor }" }))).await.reason(), "TOKEN_INVALID");
}

#[tokio::test]
async fn root_fields_are_refused_before_anything_runs() {
    let server = Server::start(Plan::default()).await;
    let reply = server.ask("{ panic cursor }", None).await;
    assert_eq!((reply.code().as_str(), reply.reason().as_str()), ("UNAUTHENTICATED", "TOKEN_MISSING"));
    assert_eq!(reply.json()["errors"][0]["path"], json!(["cursor"]));
    let hidden = "query ($all: Boolean!) { ...F } fragment F on Query { __typename ... @include(if: $all) { cursor } }";
    let body = |all: bool| json!({ "query": hidden, "variables": { "all": all } });
    assert_eq!(server.ask_with(&body(true), None).await.status, 401);
    assert_eq!(server.ask_with(&body(false), None).await.json(), json!({ "data": { "__typename": "Query" } }));
}

#[tokio::test]
async fn addresses_that_ask_too_often_wait() {
    let server = Server::start(Plan { admission: Admission::Limited { retry_after: Duration::from_secs(7) }, ..Plan::default() }).await;
    let reply = server.ask("{ __typename }", None).await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (429, "RATE_LIMITED", "7"));
    let server = Server::start(Plan { admission: Admission::Denied, ..Plan::default() }).await;
    assert_eq!(server.ask("{ __typename }", None).await.status, 403);
}

#[tokio::test]
async fn only_trusted_documents_run_where_they_are_named() {
    let folder = std::env::temp_dir().join(format!("postern-trusted-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let known = "{ person { id } }";
    let id = hex::encode(postern::graphql::document_cache::hash(known));
    std::fs::write(folder.join("persisted-documents.json"), json!({ &id: known }).to_string()).unwrap();
    let trusted = TrustedDocuments::read(&folder).unwrap();
    std::fs::write(folder.join("wrong.json"), json!({ &id: "{ other }" }).to_string()).unwrap();
    assert!(TrustedDocuments::read(&folder).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
    let server = Server::start(Plan { trusted_documents: Some(trusted), ..Plan::default() }).await;
    let persisted = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": id } } });
    for body in [json!({ "query": known }), json!({ "documentId": format!("sha256:{id}") }), persisted.clone()] {
        assert_eq!(server.ask_with(&body, None).await.json(), json!({ "data": { "person": { "id": "0" } } }), "{body}");
    }
    assert_eq!(server.ask("{ __typename }", None).await.reason(), "DOCUMENT_NOT_TRUSTED");
    assert_eq!(server.ask_with(&json!({ "documentId": "00".repeat(32) }), None).await.reason(), "DOCUMENT_NOT_TRUSTED");
    let open = Server::start(Plan::default()).await;
    assert_eq!(open.ask_with(&persisted, None).await.reason(), "PERSISTED_QUERY_NOT_SUPPORTED");
}

#[tokio::test]
async fn a_browser_gets_graphiql() {
    let server = Server::start(Plan::default()).await;
    let page = Reply::of(server.http.get(server.url("/graphql")).header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("script-src 'self'"), "{page:?}");
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    if postern::http::graphiql::is_embedded() {
        for asset in ["react.js", "react-dom.js", "graphiql.js", "graphiql.css", "start.js", "page.css"] {
            assert_eq!(Reply::of(server.http.get(server.url(&format!("/graphiql/{asset}")))).await.status, 200, "{asset}");
        }
    }
    let off = Server::start(Plan { graphiql: false, ..Plan::default() }).await;
    let page = Reply::of(off.http.get(off.url("/graphql")).header("accept", "text/html")).await;
    assert!(page.status == 406 && !page.text.contains("<html"), "{page:?}");
}
