//! `__typename` is a field like others (GraphQL, 4.1): it takes no arguments and has nothing in it. The library's validation passes it by.

use async_graphql::{
    Error, Positioned,
    parser::types::{BaseType, Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value;

use super::error;

/// Checks every `__typename` of a document, after its fragments and operations alike.
pub fn check(document: &ExecutableDocument) -> Result<(), Error> {
    let operations: Vec<&OperationDefinition> = document.operations.iter().map(|(_, operation)| &operation.node).collect();
    for operation in &operations {
        set(&operation.selection_set.node, std::slice::from_ref(operation))?;
    }
    document.fragments.values().try_for_each(|fragment| set(&fragment.node.selection_set.node, &operations))
}

/// `operations` are those whose variables may stand here.
fn set(selections: &SelectionSet, operations: &[&OperationDefinition]) -> Result<(), Error> {
    selections.items.iter().try_for_each(|item| match &item.node {
        Selection::Field(of) if of.node.name.node == "__typename" => field(&of.node, operations),
        Selection::Field(of) => set(&of.node.selection_set.node, operations),
        Selection::InlineFragment(of) => set(&of.node.selection_set.node, operations),
        Selection::FragmentSpread(_) => Ok(()),
    })
}

fn field(field: &Field, operations: &[&OperationDefinition]) -> Result<(), Error> {
    if !field.arguments.is_empty() {
        return Err(error::bad_request("\"__typename\" takes no arguments."));
    }
    if !field.selection_set.node.items.is_empty() {
        return Err(error::bad_request("\"__typename\" has no fields to select."));
    }
    field.directives.iter().try_for_each(|of| directive(of, operations))
}

fn directive(directive: &Positioned<Directive>, operations: &[&OperationDefinition]) -> Result<(), Error> {
    let name = directive.node.name.node.as_str();
    if !["skip", "include"].contains(&name) {
        return Err(error::bad_request(format!("The directive \"{name}\" may not stand at a field.")));
    }
    let is_condition = match directive.node.arguments.as_slice() {
        [(argument, value)] if argument.node == "if" => match &value.node {
            Value::Boolean(_) => true,
            Value::Variable(wanted) => operations.iter().flat_map(|operation| &operation.variable_definitions).any(|variable| {
                let of = &variable.node.var_type.node;
                variable.node.name.node == *wanted && matches!(&of.base, BaseType::Named(name) if name == "Boolean")
            }),
            _ => false,
        },
        _ => false,
    };
    if is_condition { Ok(()) } else { Err(error::bad_request(format!("\"@{name}\" takes one argument: if, a Boolean."))) }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn it_is_a_field_like_others() {
        let is_right = |text: &str| check(&parse_query(text).unwrap()).is_ok();
        for right in [
            "{ __typename }",
            "{ me { a: __typename @skip(if: true) } }",
            "query ($x: Boolean!) { ...F } fragment F on Query { __typename @include(if: $x) }",
        ] {
            assert!(is_right(right), "{right}");
        }
        for wrong in [
            "{ __typename(foo: 1) }",
            "{ __typename { x } }",
            "{ me { __typename @zap } }",
            "{ ... on Query { __typename @auth(requires: ADMIN) } }",
            "{ __typename @skip }",
            "{ __typename @skip(if: \"x\") }",
            "{ __typename @skip(if: $nope) }",
            "query ($x: Int) { __typename @skip(if: $x) }",
            "{ ...F } fragment F on Query { __typename @zap }",
        ] {
            assert!(!is_right(wrong), "{wrong}");
        }
    }
}
