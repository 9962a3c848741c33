//! Variables that a request leaves out, where the argument that they fill has a default, or where they fill a field of an input object.
//!
//! The specification takes such an argument or field for one that was not given at all: its default counts, and what a field would change stays.
//! The library does not: it takes it for null, which fails where the type is not nullable and clears where a change leaves out what stays. So it is
//! taken out of the document beforehand.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{Directive, DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value as InputValue;

use super::{root_fields::used_fragments, schema_facts::SchemaFacts};

/// The variables of an operation that may be left out and that fill an argument with a default or a field of an input object. Nearly always none.
pub fn find(document: &ExecutableDocument, operation: &OperationDefinition, facts: &SchemaFacts) -> Vec<Name> {
    let mut names: Vec<Name> = operation
        .variable_definitions
        .iter()
        .filter(|definition| definition.node.var_type.node.nullable && definition.node.default_value.is_none())
        .map(|definition| definition.node.name.node.clone())
        .collect();
    if names.is_empty() {
        return names;
    }
    let mut used = HashSet::new();
    collect(&operation.selection_set.node, facts.root(operation.ty), facts, &mut used);
    for fragment in document.fragments.values() {
        collect(&fragment.node.selection_set.node, Some(fragment.node.type_condition.node.on.node.as_str()), facts, &mut used);
    }
    names.retain(|name| used.contains(name));
    names
}

fn collect(set: &SelectionSet, parent: Option<&str>, facts: &SchemaFacts, used: &mut HashSet<Name>) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => {
                let field = &field.node;
                let known = parent.and_then(|parent| facts.field(parent, &field.name.node));
                for (name, value) in &field.arguments {
                    if let InputValue::Variable(variable) = &value.node
                        && known.is_some_and(|known| known.defaulted.contains(name.node.as_str()))
                    {
                        used.insert(variable.clone());
                    }
                    collect_fields(&value.node, used);
                }
                collect(&field.selection_set.node, known.map(|known| known.named_type.as_str()), facts, used);
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(parent, |condition| Some(condition.node.on.node.as_str()));
                collect(&fragment.node.selection_set.node, on, facts, used);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Collects the variables that are fields of an input object.
fn collect_fields(value: &InputValue, used: &mut HashSet<Name>) {
    match value {
        InputValue::List(items) => items.iter().for_each(|item| collect_fields(item, used)),
        InputValue::Object(fields) => {
            for value in fields.values() {
                match value {
                    InputValue::Variable(name) => drop(used.insert(name.clone())),
                    value => collect_fields(value, used),
                }
            }
        }
        _ => {}
    }
}

/// Takes the variables among `names` that were left out, and everything that they fill, out of the document. It keeps the selected operation alone:
/// another one may well use what is gone.
pub fn remove(document: &mut ExecutableDocument, selected: Option<&Name>, names: &[Name], variables: &Variables) {
    let omitted: HashSet<&Name> = names.iter().filter(|name| !variables.contains_key(*name)).collect();
    if omitted.is_empty() {
        return;
    }
    if let (DocumentOperations::Multiple(operations), Some(selected)) = (&mut document.operations, selected) {
        operations.retain(|name, _| name == selected);
    }
    let used = used_fragments(document);
    document.fragments.retain(|name, _| used.contains(name));
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations {
        operation.node.variable_definitions.retain(|definition| !omitted.contains(&definition.node.name.node));
        strip(&mut operation.node.selection_set.node, &omitted);
    }
    for fragment in document.fragments.values_mut() {
        strip(&mut fragment.node.selection_set.node, &omitted);
    }
}

fn strip(set: &mut SelectionSet, omitted: &HashSet<&Name>) {
    for item in &mut set.items {
        strip_directives(item.node.directives_mut(), omitted);
        match &mut item.node {
            Selection::Field(field) => {
                strip_arguments(&mut field.node.arguments, omitted);
                strip(&mut field.node.selection_set.node, omitted);
            }
            Selection::InlineFragment(fragment) => strip(&mut fragment.node.selection_set.node, omitted),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn strip_directives(directives: &mut [Positioned<Directive>], omitted: &HashSet<&Name>) {
    for directive in directives {
        strip_arguments(&mut directive.node.arguments, omitted);
    }
}

fn strip_arguments(arguments: &mut Vec<(Positioned<Name>, Positioned<InputValue>)>, omitted: &HashSet<&Name>) {
    arguments.retain(|(_, value)| !is_omitted(&value.node, omitted));
    for (_, value) in arguments {
        strip_value(&mut value.node, omitted);
    }
}

fn strip_value(value: &mut InputValue, omitted: &HashSet<&Name>) {
    match value {
        InputValue::List(items) => {
            for item in items {
                if is_omitted(item, omitted) {
                    *item = InputValue::Null;
                }
                strip_value(item, omitted);
            }
        }
        InputValue::Object(fields) => {
            fields.retain(|_, value| !is_omitted(value, omitted));
            for value in fields.values_mut() {
                strip_value(value, omitted);
            }
        }
        _ => {}
    }
}

fn is_omitted(value: &InputValue, omitted: &HashSet<&Name>) -> bool {
    matches!(value, InputValue::Variable(name) if omitted.contains(name))
}
