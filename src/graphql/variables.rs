//! The variables of an operation, checked against their types before it runs, so that wrong ones are answered as a wrong request.

use async_graphql::{
    Error, Value, Variables,
    parser::types::{BaseType, OperationDefinition, Type},
};

use super::{
    error,
    schema_facts::{InputFacts, SchemaFacts, TypeFacts},
};

/// Checks that every declared variable has a value of its type. Values of custom scalars are left to the scalar.
pub fn check(operation: &OperationDefinition, variables: &Variables, facts: &SchemaFacts) -> Result<(), Error> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let (name, ty) = (&definition.name.node, &definition.var_type.node);
        match variables.get(name) {
            None if definition.default_value.is_some() || ty.nullable => {}
            None => return Err(error::bad_request(format!("Variable \"${name}\" of required type \"{ty}\" was not provided."))),
            Some(value) => {
                if let Err(wrong) = value_of(value, ty, facts) {
                    return Err(error::bad_request(format!("Variable \"${name}\" got a wrong value: {wrong}.")));
                }
            }
        }
    }
    Ok(())
}

/// `Err` says what is wrong, without the value: it may be a secret.
fn value_of(value: &Value, ty: &Type, facts: &SchemaFacts) -> Result<(), String> {
    if matches!(value, Value::Null) {
        return if ty.nullable { Ok(()) } else { Err(format!("null is no \"{ty}\"")) };
    }
    match (&ty.base, value) {
        (BaseType::List(item), Value::List(values)) => values.iter().try_for_each(|value| value_of(value, item, facts)),
        (BaseType::List(item), single) => value_of(single, item, facts),
        (BaseType::Named(name), value) => named(value, name, facts),
    }
}

fn named(value: &Value, name: &str, facts: &SchemaFacts) -> Result<(), String> {
    let right = match name {
        "Int" => matches!(value, Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())),
        "Float" => matches!(value, Value::Number(_)),
        "String" => matches!(value, Value::String(_)),
        "Boolean" => matches!(value, Value::Boolean(_)),
        "ID" => matches!(value, Value::String(_)) || matches!(value, Value::Number(number) if number.is_i64() || number.is_u64()),
        name => match facts.type_named(name) {
            Some(TypeFacts::Enum(values)) => match value {
                Value::String(value) => values.contains(value),
                Value::Enum(value) => values.contains(value.as_str()),
                _ => false,
            },
            Some(TypeFacts::Input(input)) => return object(value, name, input, facts),
            // The scalar's own business; the others are no types for a variable, and validation says so.
            Some(TypeFacts::Scalar | TypeFacts::Composite(_) | TypeFacts::Union) | None => true,
        },
    };
    if right { Ok(()) } else { Err(format!("it is no \"{name}\"")) }
}

fn object(value: &Value, name: &str, input: &InputFacts, facts: &SchemaFacts) -> Result<(), String> {
    let Value::Object(given) = value else { return Err(format!("it is no \"{name}\"")) };
    for (field, value) in given {
        let Some(known) = input.fields.get(field.as_str()) else { return Err(format!("\"{name}\" has no field \"{}\"", shortened(field))) };
        value_of(value, &known.ty, facts).map_err(|wrong| format!("at \"{field}\", {wrong}"))?;
    }
    let missing = |field: &&String| !given.contains_key(field.as_str());
    let required = input.fields.iter().filter(|(_, facts)| !facts.ty.nullable && !facts.has_default).map(|(field, _)| field);
    if let Some(field) = required.into_iter().find(missing) {
        return Err(format!("\"{name}\" needs \"{field}\""));
    }
    if input.one_of && (given.len() != 1 || given.values().any(|value| matches!(value, Value::Null))) {
        return Err(format!("\"{name}\" takes exactly one of its fields"));
    }
    Ok(())
}

fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::{parse_query, types::DocumentOperations};

    fn verdict(declared: &str, variables: serde_json::Value) -> Result<(), String> {
        let facts = SchemaFacts::from_sdl(
            "type Query { a: Int } enum Colour { RED BLUE } scalar Moment
             input Point { x: Int! y: Int! = 0 next: Point colour: Colour } input One @oneOf { a: Int b: String }",
        )
        .unwrap();
        let document = parse_query(format!("query ({declared}) {{ a }}")).unwrap();
        let DocumentOperations::Single(operation) = document.operations else { panic!("one") };
        check(&operation.node, &Variables::from_json(variables), &facts).map_err(|error| error.message)
    }

    #[test]
    fn right_values_pass() {
        use serde_json::json;
        for (declared, variables) in [
            ("$a: Int!", json!({"a": 1})),
            ("$a: Int! = 3", json!({})),
            ("$a: Int", json!({"a": null})),
            ("$a: [Int!]!", json!({"a": [1, 2]})),
            ("$a: [Int!]!", json!({"a": 1})),
            ("$a: ID!", json!({"a": 7})),
            ("$a: Float!", json!({"a": 7})),
            ("$a: Colour!", json!({"a": "RED"})),
            ("$a: Moment!", json!({"a": {"any": [1]}})),
            ("$a: Point!", json!({"a": {"x": 1, "next": {"x": 2, "y": 3, "colour": "BLUE"}}})),
            ("$a: One!", json!({"a": {"b": "c"}})),
            ("$a: Int", json!({"unknown": 1})),
        ] {
            assert_eq!(verdict(declared, variables.clone()), Ok(()), "{declared} {variables}");
        }
    }

    #[test]
    fn wrong_values_are_told_without_the_value() {
        use serde_json::json;
        for (declared, variables) in [
            ("$a: Int!", json!({})),
            ("$a: Int!", json!({"a": null})),
            ("$a: Int!", json!({"a": 2_147_483_648_i64})),
            ("$a: Int!", json!({"a": "secret-1"})),
            ("$a: [Int!]", json!({"a": [1, null]})),
            ("$a: ID!", json!({"a": 1.5})),
            ("$a: Colour!", json!({"a": "secret-1"})),
            ("$a: Point!", json!({"a": {"y": 1}})),
            ("$a: Point!", json!({"a": {"x": 1, "z": 1}})),
            ("$a: Point!", json!({"a": {"x": 1, "next": {"x": "secret-1"}}})),
            ("$a: One!", json!({"a": {"a": 1, "b": "c"}})),
            ("$a: One!", json!({"a": {"a": null}})),
            ("$a: One!", json!({"a": {}})),
        ] {
            let Err(message) = verdict(declared, variables.clone()) else { panic!("{declared} {variables}") };
            assert!(!message.contains("secret-1"), "{message}");
        }
    }
}
