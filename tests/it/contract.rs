//! The SDL: drift, and the rules that hold all over it.

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use postern::graphql::schema::sdl;

/// `schema.graphql` is generated; a change of it is reviewed like code.
#[test]
fn the_schema_in_the_repository_is_the_one_that_is_served() {
    let committed = std::fs::read_to_string("schema.graphql").unwrap();
    assert!(committed.trim_end() == sdl().trim_end(), "schema.graphql has drifted: run `cargo run -- schema > schema.graphql`");
}

fn types() -> Vec<TypeDefinition> {
    let definitions = parse_schema(sdl()).unwrap().definitions;
    let types = definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    types.collect()
}

fn fields_of(name: &str) -> Vec<FieldDefinition> {
    let found = types().into_iter().find(|definition| definition.name.node == name);
    match found.map(|definition| definition.kind) {
        Some(TypeKind::Object(object)) => object.fields.into_iter().map(|field| field.node).collect(),
        _ => panic!("{name} is no object"),
    }
}

#[test]
fn every_mutation_takes_one_input_and_answers_problems() {
    for mutation in fields_of("Mutation") {
        let name = mutation.name.node.to_string();
        let capital = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        let arguments: Vec<_> = mutation.arguments.iter().map(|argument| argument.node.name.node.to_string()).collect();
        assert!(arguments.is_empty() || arguments == ["input"], "{name}: {arguments:?}");
        if let Some(input) = mutation.arguments.first() {
            let input = input.node.ty.node.to_string();
            assert_eq!(input.trim_end_matches('!'), format!("{capital}Input"));
        }
        let payload = mutation.ty.node.to_string();
        assert!([format!("{capital}Payload!"), "SignInPayload!".to_owned()].contains(&payload), "{name}: {payload}");
        let problems = fields_of(payload.trim_end_matches('!')).into_iter().find(|field| field.name.node == "problems");
        assert_eq!(problems.map(|field| field.ty.node.to_string()).as_deref(), Some("[Problem!]!"), "{name}");
    }
}

#[test]
fn every_list_is_a_connection_of_the_same_shape() {
    let connections = types().into_iter().map(|definition| definition.name.node.to_string()).filter(|name| name.ends_with("Connection"));
    let mut seen = 0;
    for name in connections {
        let of = name.trim_end_matches("Connection");
        let has = |field: &str, of: &str| {
            let found = fields_of(&name).into_iter().find(|has| has.name.node == field);
            assert_eq!(found.map(|field| field.ty.node.to_string()).as_deref(), Some(of), "{name}.{field}");
        };
        has("edges", &format!("[{of}Edge!]!"));
        has("nodes", &format!("[{of}!]!"));
        has("pageInfo", "PageInfo!");
        seen += 1;
    }
    assert!(seen >= 2, "{seen}");
}

/// A secret that can be read is one that leaks: what is stored of them has no field.
#[test]
fn no_type_has_a_field_for_what_is_kept_secret() {
    for definition in types() {
        let TypeKind::Object(object) = &definition.kind else { continue };
        for field in &object.fields {
            let name = field.node.name.node.to_lowercase();
            let secret = ["hash", "secret", "sealed", "salt"].iter().any(|word| name.contains(word));
            // A seed is shown once, to whoever sets up an app.
            let shown_once = definition.name.node == "BeginTotpEnrollmentPayload" && name == "secret";
            assert!(!secret || shown_once, "{}.{}", definition.name.node, field.node.name.node);
        }
    }
}
