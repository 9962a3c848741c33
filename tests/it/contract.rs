//! The SDL: drift and directives.

use postern::graphql::schema::sdl;

/// `schema.graphql` is generated; a change of it is reviewed like code.
#[test]
fn the_schema_in_the_repository_is_the_one_that_is_served() {
    let committed = std::fs::read_to_string("schema.graphql").unwrap();
    assert!(committed.trim_end() == sdl().trim_end(), "schema.graphql has drifted: run `cargo run -- schema > schema.graphql`");
}
