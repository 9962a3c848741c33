//! The root fields of an operation, with fragments written out: what they are, who may have them, and how many may stand together.

use std::collections::HashSet;

use async_graphql::{
    Error, Name, Pos, Positioned, ServerError, Value, Variables,
    parser::types::{Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet},
};
use async_graphql_value::Value as InputValue;

use super::{auth_level::AuthLevel, error, limits::Limits, schema_facts::SchemaFacts};

/// One root field of an operation.
#[derive(Debug)]
pub struct RootField {
    /// Its name in the schema.
    pub name: Name,
    /// Its response key.
    pub key: Name,
    /// Where it stands.
    pub pos: Pos,
    /// The argument of its `@auth`.
    pub requires: Option<AuthLevel>,
    conditions: Vec<Condition>,
}

/// `@skip` or `@include` on the way to a field.
#[derive(Clone, Debug)]
struct Condition {
    /// The value with which the field stays.
    stays_if: bool,
    value: Flag,
}

#[derive(Clone, Debug)]
enum Flag {
    Known(bool),
    Variable { name: Name, default: Option<bool> },
}

/// Fields that check a secret, send a message or hash: at most one in an operation.
#[derive(Clone, Debug, Default)]
pub struct Sensitivity {
    /// Mutation fields that may stand beside others; every other one is sensitive.
    pub harmless_mutations: HashSet<&'static str>,
    /// Query fields that are sensitive.
    pub sensitive_queries: HashSet<&'static str>,
}

impl Sensitivity {
    fn counts(&self, kind: OperationType, field: &str) -> bool {
        match kind {
            OperationType::Query => self.sensitive_queries.contains(field),
            OperationType::Mutation => !field.starts_with("__") && !self.harmless_mutations.contains(field),
            OperationType::Subscription => false,
        }
    }
}

/// How root fields are checked.
pub struct Rules<'a> {
    /// The schema.
    pub facts: &'a SchemaFacts,
    /// The numbers.
    pub limits: &'a Limits,
    /// What may not stand together.
    pub sensitivity: &'a Sensitivity,
    /// Whether `__schema` answers.
    pub introspection: bool,
}

/// A field with the directives of the fragments around it.
struct Found<'a> {
    field: &'a Positioned<Field>,
    around: Vec<&'a Positioned<Directive>>,
}

/// Lists and checks the root fields of an operation whose selections the limits have counted already.
pub fn check(document: &ExecutableDocument, operation: &OperationDefinition, rules: &Rules<'_>) -> Result<Vec<RootField>, Error> {
    let kind = operation.ty;
    let Some(root) = rules.facts.root(kind) else {
        return Err(error::bad_request("The schema has no such operations."));
    };
    let found = write_out(document, operation, root)?;
    let most = if kind == OperationType::Subscription { 1 } else { rules.limits.root_fields };
    if found.len() > most {
        let message =
            if most == 1 { "A subscription has one root field.".to_owned() } else { format!("The operation may have {most} root fields.") };
        return Err(error::too_complex(message));
    }
    let (mut sensitive, mut keys, mut fields) = (0, HashSet::new(), Vec::with_capacity(found.len()));
    for Found { field, around } in &found {
        let (name, key) = (&field.node.name.node, &field.node.response_key().node);
        sensitive += usize::from(rules.sensitivity.counts(kind, name));
        if sensitive > 1 {
            return Err(error::too_complex("Only one field of this kind may be asked for at once."));
        }
        // The library would run it twice.
        if kind == OperationType::Mutation && !keys.insert(key) {
            return Err(error::bad_request(format!("The mutation has the field \"{key}\" twice.")));
        }
        let requires = match rules.facts.field(root, name) {
            Some(facts) => facts.requires,
            None if is_meta(kind, name, rules.introspection) => None,
            None => return Err(error::bad_request(format!("Cannot query field \"{name}\" on type \"{root}\"."))),
        };
        let conditions =
            around.iter().copied().chain(&field.node.directives).filter_map(|directive| condition(directive, operation)).collect();
        fields.push(RootField { name: field.node.name.node.clone(), key: key.clone(), pos: field.pos, requires, conditions });
    }
    Ok(fields)
}

/// Fields that every schema has. `__type` stays answerable where introspection is off, by null: the library sees to it.
fn is_meta(kind: OperationType, name: &str, introspection: bool) -> bool {
    match name {
        "__typename" => kind != OperationType::Subscription,
        "__type" => kind == OperationType::Query,
        "__schema" => kind == OperationType::Query && introspection,
        _ => false,
    }
}

fn write_out<'a>(document: &'a ExecutableDocument, operation: &'a OperationDefinition, root: &str) -> Result<Vec<Found<'a>>, Error> {
    fn collect<'a>(
        document: &'a ExecutableDocument,
        set: &'a SelectionSet,
        root: &str,
        around: &mut Vec<&'a Positioned<Directive>>,
        found: &mut Vec<Found<'a>>,
    ) -> Result<(), Error> {
        for item in &set.items {
            let (on, directives, inner) = match &item.node {
                Selection::Field(field) => {
                    found.push(Found { field, around: around.clone() });
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    (fragment.type_condition.as_ref().map(|condition| &condition.node), &fragment.directives, &fragment.selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = document.fragments.get(name) else {
                        return Err(error::bad_request(format!("Unknown fragment \"{name}\".")));
                    };
                    (Some(&fragment.node.type_condition.node), &spread.node.directives, &fragment.node.selection_set.node)
                }
            };
            if let Some(other) = on.filter(|on| on.on.node != root) {
                return Err(error::bad_request(format!("A fragment on \"{}\" cannot stand in \"{root}\".", other.on.node)));
            }
            let before = around.len();
            around.extend(directives);
            collect(document, inner, root, around, found)?;
            around.truncate(before);
        }
        Ok(())
    }
    let mut found = Vec::new();
    collect(document, &operation.selection_set.node, root, &mut Vec::new(), &mut found)?;
    Ok(found)
}

/// The root fields themselves, with fragments written out.
pub(super) fn fields<'a>(
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    root: &str,
) -> Result<Vec<&'a Field>, Error> {
    Ok(write_out(document, operation, root)?.into_iter().map(|found| &found.field.node).collect())
}

fn condition(directive: &Positioned<Directive>, operation: &OperationDefinition) -> Option<Condition> {
    let stays_if = match directive.node.name.node.as_str() {
        "include" => true,
        "skip" => false,
        _ => return None,
    };
    let value = match &directive.node.get_argument("if")?.node {
        InputValue::Boolean(value) => Flag::Known(*value),
        InputValue::Variable(name) => {
            let definition = operation.variable_definitions.iter().find(|definition| definition.node.name.node == *name);
            let default = match definition.and_then(|definition| definition.node.default_value.as_ref()).map(|value| &value.node) {
                Some(Value::Boolean(value)) => Some(*value),
                _ => None,
            };
            Flag::Variable { name: name.clone(), default }
        }
        _ => return None,
    };
    Some(Condition { stays_if, value })
}

impl RootField {
    /// Whether the field runs with these variables; where that cannot be told, it does.
    pub fn runs(&self, variables: &Variables) -> bool {
        self.conditions.iter().all(|condition| {
            let value = match &condition.value {
                Flag::Known(value) => Some(*value),
                Flag::Variable { name, default } => match variables.get(name) {
                    Some(Value::Boolean(value)) => Some(*value),
                    Some(_) => None,
                    None => *default,
                },
            };
            value.is_none_or(|value| value == condition.stays_if)
        })
    }

    /// An error that this field met before it ran.
    pub fn refused(&self, error: Error) -> ServerError {
        let mut error = error.into_server_error(self.pos);
        error.path = vec![async_graphql::PathSegment::Field(self.key.to_string())];
        error
    }

    /// Whether the error is this field's refusal.
    pub fn is_at(&self, error: &ServerError) -> bool {
        matches!(error.path.as_slice(), [async_graphql::PathSegment::Field(key)] if self.key.as_str() == key)
    }
}

/// Writes out the fragments at the root of subscriptions: the library answers those with an empty stream.
pub fn inline_subscription_roots(document: &mut ExecutableDocument, root: &str) -> Result<(), Error> {
    let flat: Vec<_> = document
        .operations
        .iter()
        .filter(|(_, operation)| operation.node.ty == OperationType::Subscription)
        .filter(|(_, operation)| operation.node.selection_set.node.items.iter().any(|item| !matches!(item.node, Selection::Field(_))))
        .map(|(name, operation)| {
            let found = write_out(document, &operation.node, root)?;
            let items = found.iter().map(|found| {
                let mut field = found.field.clone();
                field.node.directives.splice(0..0, found.around.iter().map(|directive| (*directive).clone()));
                Positioned::new(Selection::Field(field), found.field.pos)
            });
            Ok((name.cloned(), items.collect::<Vec<_>>()))
        })
        .collect::<Result<_, Error>>()?;
    if flat.is_empty() {
        return Ok(());
    }
    let before = used_fragments(document);
    for (name, items) in flat {
        let operation = match (&mut document.operations, name) {
            (async_graphql::parser::types::DocumentOperations::Single(operation), _) => Some(operation),
            (async_graphql::parser::types::DocumentOperations::Multiple(operations), Some(name)) => operations.get_mut(&name),
            (async_graphql::parser::types::DocumentOperations::Multiple(_), None) => None,
        };
        if let Some(operation) = operation {
            operation.node.selection_set.node.items = items;
        }
    }
    // Those that were used and are not any more are no mistake of the client.
    let after = used_fragments(document);
    document.fragments.retain(|name, _| !before.contains(name) || after.contains(name));
    Ok(())
}

/// The fragments that the operations of a document use, directly or not.
pub(super) fn used_fragments(document: &ExecutableDocument) -> HashSet<Name> {
    fn collect(document: &ExecutableDocument, set: &SelectionSet, into: &mut HashSet<Name>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => collect(document, &field.node.selection_set.node, into),
                Selection::InlineFragment(fragment) => collect(document, &fragment.node.selection_set.node, into),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if into.insert(name.clone())
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        collect(document, &fragment.node.selection_set.node, into);
                    }
                }
            }
        }
    }
    let mut used = HashSet::new();
    for (_, operation) in document.operations.iter() {
        collect(document, &operation.node.selection_set.node, &mut used);
    }
    used
}
