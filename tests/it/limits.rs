//! What one operation may ask for (SECURITY G): refused with a code, in linear time, before anything runs.

use std::{fmt::Write as _, time::Duration};

use async_graphql::Variables;
use postern::graphql::entry::Question;
use serde_json::json;

use crate::transport::{Plan, code_of, demo_entry};

/// What a document may take of a processor; what other threads do meanwhile does not count.
const LONGEST: Duration = Duration::from_millis(100);

fn verdict_with(query: &str, variables: serde_json::Value) -> &'static str {
    let variables = Variables::from_json(variables);
    let entry = demo_entry(&Plan::default());
    let begin = time_of_this_thread();
    let prepared = entry.prepare(Question { query: Some(query), variables, ..Question::default() });
    let took = time_of_this_thread().checked_sub(begin).unwrap();
    assert!(took < LONGEST, "{took:?} for {}", &query[..query.len().min(80)]);
    prepared.map_or_else(|error| code_of(&error), |_| "")
}

fn time_of_this_thread() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

fn verdict(query: &str) -> &'static str {
    verdict_with(query, json!({}))
}

const COMPLEX: &str = "OPERATION_TOO_COMPLEX";
const BAD: &str = "BAD_REQUEST";

#[test]
fn ordinary_operations_pass() {
    for query in [
        "{ __typename }",
        "{ me { id } person { friend { friend { id } } } }",
        "query A { me { id } } ",
        "{ people(first: 10) { friends(first: 100) { id } } }",
        "mutation { note a: note touch }",
        "mutation { signIn(input: { name: \"x\" }) note }",
        "subscription { count(to: 3) }",
        "subscription { ...F } fragment F on Subscription { count(to: 3) }",
        "{ person { ...A ...A } } fragment A on Person { id ...B } fragment B on Person { number }",
    ] {
        assert_eq!(verdict(query), "", "{query}");
    }
}

#[test]
fn depth_selections_and_aliases_are_counted() {
    // H3
    let deep = |levels: usize| format!("{{ person {} id {} }}", "{ friend ".repeat(levels) + "{", "}".repeat(levels + 1));
    assert_eq!(verdict(&deep(10)), "");
    assert_eq!(verdict(&deep(11)), COMPLEX);
    let wide = |count: usize| format!("{{ person {{ {} }} }}", "id ".repeat(count));
    assert_eq!(verdict(&wide(990)), "");
    assert_eq!(verdict(&wide(1000)), COMPLEX);
    let aliases = |count: usize| format!("{{ person {{ {} }} }}", (0..count).fold(String::new(), |text, n| text + &format!("a{n}: id ")));
    assert_eq!(verdict(&aliases(30)), "");
    assert_eq!(verdict(&aliases(31)), COMPLEX);
    assert_eq!(verdict(&aliases(10_000)), COMPLEX);
    let inline = format!("{{ {} __typename {} }}", "... { ".repeat(40), "}".repeat(40));
    assert_eq!(verdict(&inline), COMPLEX);
}

#[test]
fn every_spread_counts() {
    let spread = |times: usize| format!("{{ person {{ {} }} }} fragment F on Person {{ a: id b: number c: id }}", "...F ".repeat(times));
    assert_eq!(verdict(&spread(10)), "");
    assert_eq!(verdict(&spread(11)), COMPLEX);
}

#[test]
fn fragments_over_fragments_are_refused_at_once() {
    // H4: 20 spreads over 7 levels, 2^30, and wide and deep at once.
    for (levels, spreads) in [(7, 20), (19, 2), (19, 100), (18, 50)] {
        let mut query = "{ person { ...F0 } }".to_owned();
        for level in 0..levels {
            let _ = write!(query, " fragment F{level} on Person {{ {} }}", format!("...F{} ", level + 1).repeat(spreads));
        }
        let _ = write!(query, " fragment F{levels} on Person {{ id }}");
        assert_eq!(verdict(&query), COMPLEX, "{levels} {spreads}");
    }
    // Also where no operation uses them: validation would walk them all the same.
    let mut unused = "{ __typename }".to_owned();
    for level in 0..18 {
        let _ = write!(unused, " fragment F{level} on Person {{ friend {{ {} }} }}", format!("...F{} ", level + 1).repeat(20));
    }
    unused.push_str(" fragment F18 on Person { id }");
    assert_eq!(verdict(&unused), COMPLEX);
    let many = (0..21).fold("{ __typename }".to_owned(), |text, n| text + &format!(" fragment F{n} on Person {{ id }}"));
    assert_eq!(verdict(&many), COMPLEX);
}

#[test]
fn cycles_are_refused() {
    // H4
    assert_eq!(verdict("{ person { ...A } } fragment A on Person { ...A }"), BAD);
    assert_eq!(verdict("{ person { ...A } } fragment A on Person { friend { ...B } } fragment B on Person { ...A }"), BAD);
    assert_eq!(verdict("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"), BAD);
    assert_eq!(verdict("{ __typename } fragment A on Person { ...A }"), BAD);
}

#[test]
fn directives_are_capped() {
    // H5
    assert_eq!(verdict(&format!("{{ person {} {{ id }} }}", "@include(if: true) ".repeat(6))), COMPLEX);
    assert_eq!(verdict(&format!("query {} {{ __typename }}", "@a ".repeat(6))), COMPLEX);
    assert_eq!(verdict(&format!("{{ __typename {} }}", "@a ".repeat(10_000))), COMPLEX);
}

#[test]
fn nesting_and_tokens_are_refused_unparsed() {
    // H6
    assert_eq!(verdict(&format!("{{ echo(text: {}{}) }}", "[".repeat(1500), "]".repeat(1500))), COMPLEX);
    assert_eq!(verdict(&format!("{{ echo(text: {}1{}) }}", "{a:".repeat(1500), "}".repeat(1500))), COMPLEX);
    assert_eq!(verdict(&"{a".repeat(30_000)), COMPLEX);
    assert_eq!(verdict(&format!("{{ {} }}", "a ".repeat(30_000))), COMPLEX);
    assert_eq!(verdict(&format!("{{ person {{ {} }} }}", "a".repeat(60_000))), COMPLEX);
}

#[test]
fn pages_are_multiplied_along_a_path() {
    assert_eq!(verdict("{ people(first: 10) { friends(first: 101) { id } } }"), COMPLEX);
    assert_eq!(verdict("{ people(first: 100) { friends { id } } }"), COMPLEX);
    assert_eq!(verdict("{ people(first: 50) { friends { id } } }"), "");
    assert_eq!(verdict("{ users { friends { id } } }"), "");
    assert_eq!(verdict("{ users { friends(last: 21) { id } } }"), COMPLEX);
    assert_eq!(verdict("{ people(first: 10) { ...F } } fragment F on Person { friends(first: 101) { id } }"), COMPLEX);
    let asked = "query ($n: Int = 100) { people(first: $n) { friends(first: $n) { id } } }";
    assert_eq!(verdict(asked), COMPLEX);
    assert_eq!(verdict_with(asked, json!({ "n": 30 })), "");
    assert_eq!(verdict_with(asked, json!({ "n": 32 })), COMPLEX);
}

#[test]
fn root_fields_are_few() {
    assert_eq!(verdict("{ a: person { id } b: person { id } c: person { id } d: person { id } e: person { id } }"), "");
    assert_eq!(
        verdict("{ a: me { id } ...F } fragment F on Query { b: me { id } c: me { id } d: me { id } e: me { id } f: me { id } }"),
        COMPLEX
    );
    assert_eq!(verdict("subscription { count(to: 1) other: count(to: 1) }"), COMPLEX);
    assert_eq!(verdict("subscription { ...F } fragment F on Subscription { count(to: 1) silence }"), COMPLEX);
    assert_eq!(verdict("subscription { ...F } fragment F on Query { count(to: 1) }"), BAD);
    assert_eq!(verdict("{ unknown }"), BAD);
    assert_eq!(verdict("{ _service { sdl } }"), BAD);
}

#[test]
fn one_secret_at_most() {
    // H1, B3
    assert_eq!(verdict("mutation { signIn(input: { name: \"x\" }) resend }"), COMPLEX);
    assert_eq!(verdict("mutation { a: resend b: resend }"), COMPLEX);
    assert_eq!(verdict("mutation { ...F b: resend } fragment F on Mutation { resend }"), COMPLEX);
    assert_eq!(verdict("mutation { ...F ...F } fragment F on Mutation { resend }"), COMPLEX);
    assert_eq!(verdict("mutation { a: resend @skip(if: true) b: resend }"), COMPLEX);
    assert_eq!(verdict("{ a: usernameAvailable(username: \"a\") b: usernameAvailable(username: \"b\") }"), COMPLEX);
    let hundred = (0..100).fold(String::new(), |text, n| text + &format!("a{n}: resend "));
    assert_eq!(verdict(&format!("mutation {{ {hundred} }}")), COMPLEX);
}

#[test]
fn a_mutation_names_each_field_once() {
    assert_eq!(verdict("mutation { note note }"), BAD);
    assert_eq!(verdict("mutation { ...F ...F } fragment F on Mutation { note }"), BAD);
    assert_eq!(verdict("mutation { note touch }"), "");
}

#[test]
fn introspection_has_limits_of_its_own() {
    let standard = include_str!("transport/introspection.graphql");
    assert_eq!(verdict(standard), "");
    assert_eq!(verdict("{ __schema { types { fields { args { type { fields { name } } } } } } }"), COMPLEX);
    let deep = format!("{{ __type(name: \"A\") {} {{ name }} {} }}", "{ ofType ".repeat(20), "}".repeat(20));
    assert_eq!(verdict(&deep), COMPLEX);
}

#[test]
fn variables_are_looked_at_first() {
    assert_eq!(verdict("query ($t: String!) { echo(text: $t) }"), BAD);
    assert_eq!(verdict_with("query ($t: String!) { echo(text: $t) }", json!({ "t": null })), BAD);
    assert_eq!(verdict_with("query ($t: String!) { echo(text: $t) }", json!({ "t": "x" })), "");
    assert_eq!(verdict_with("mutation ($i: SignInInput!) { signIn(input: $i) }", json!({ "i": { "name": "x", "admin": true } })), BAD);
}

#[test]
fn operations_are_chosen_by_name() {
    let entry = demo_entry(&Plan::default());
    let ask = |query, operation_name| {
        entry.prepare(Question { query: Some(query), operation_name, ..Question::default() }).map_err(|error| error.message)
    };
    assert!(ask("query A { me { id } } query B { __typename }", Some("B")).is_ok());
    assert!(ask("query A { me { id } } query B { __typename }", None).is_err());
    assert!(ask("query A { me { id } }", Some("C")).is_err());
    assert!(ask("{ __typename }", Some("A")).is_err());
    assert!(ask("", None).is_err());
    assert_eq!(ask("{ a(", None).unwrap_err(), "Syntax error.");
}
