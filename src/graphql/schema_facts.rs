//! What the limits, the variables and the authorisation must know of a schema, read from its own SDL.

use std::collections::{HashMap, HashSet};

use async_graphql::Positioned;
use async_graphql::{
    Name, Value,
    parser::{
        Error as SdlError, parse_schema,
        types::{
            BaseType, ConstDirective, FieldDefinition, InputObjectType, InputValueDefinition, OperationType, SchemaDefinition, Type,
            TypeKind, TypeSystemDefinition,
        },
    },
};

use super::auth_level::AuthLevel;

/// The types of a schema, by name.
#[derive(Debug)]
pub struct SchemaFacts {
    types: HashMap<String, TypeFacts>,
    query: String,
    mutation: Option<String>,
    subscription: Option<String>,
}

/// One type.
#[derive(Debug)]
pub enum TypeFacts {
    /// An object or an interface: its fields.
    Composite(HashMap<String, FieldFacts>),
    /// A union.
    Union,
    /// An enum: its values.
    Enum(HashSet<String>),
    /// An input object.
    Input(InputFacts),
    /// A scalar of the schema's own.
    Scalar,
}

/// A field of an object or interface.
#[derive(Debug)]
pub struct FieldFacts {
    /// Its type, without lists and non-nulls.
    pub named_type: String,
    /// The page it gives where none is asked for, if it takes `first` or `last`.
    pub default_page: Option<u64>,
    /// The argument of `@auth`; none: open to everyone.
    pub requires: Option<AuthLevel>,
    /// Its arguments with a default.
    pub defaulted: HashSet<String>,
}

/// An input object.
#[derive(Debug)]
pub struct InputFacts {
    /// Its fields.
    pub fields: HashMap<String, InputFieldFacts>,
    /// Whether exactly one of them must be given (`@oneOf`).
    pub one_of: bool,
}

/// A field of an input object.
#[derive(Debug)]
pub struct InputFieldFacts {
    /// Its type.
    pub ty: Type,
    /// Whether it may be left out although its type is not nullable.
    pub has_default: bool,
}

/// A page where the schema names no default.
const DEFAULT_PAGE: u64 = 20;

/// Why an SDL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// It is not SDL.
    #[error("the schema's SDL cannot be read: {0}")]
    Sdl(#[from] SdlError),
    /// An `@auth` that says nothing known: nothing may be guessed here.
    #[error("`@auth` of {0}.{1} has no known `requires`")]
    Auth(String, String),
}

impl SchemaFacts {
    /// Reads an SDL.
    pub fn from_sdl(sdl: &str) -> Result<Self, FactsError> {
        let mut facts = Self {
            types: ["Int", "Float", "String", "Boolean", "ID"].map(|name| (name.to_owned(), TypeFacts::Scalar)).into(),
            query: "Query".to_owned(),
            mutation: Some("Mutation".to_owned()),
            subscription: Some("Subscription".to_owned()),
        };
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => facts.set_roots(&schema.node),
                TypeSystemDefinition::Type(definition) => {
                    let name = definition.node.name.node.to_string();
                    let known = match definition.node.kind {
                        TypeKind::Scalar => TypeFacts::Scalar,
                        TypeKind::Object(object) => TypeFacts::Composite(fields_of(&name, &object.fields)?),
                        TypeKind::Interface(interface) => TypeFacts::Composite(fields_of(&name, &interface.fields)?),
                        TypeKind::Union(_) => TypeFacts::Union,
                        TypeKind::Enum(values) => {
                            TypeFacts::Enum(values.values.iter().map(|value| value.node.value.node.to_string()).collect())
                        }
                        TypeKind::InputObject(input) => TypeFacts::Input(input_of(&input, &definition.node.directives)),
                    };
                    facts.types.insert(name, known);
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Ok(facts)
    }

    fn set_roots(&mut self, schema: &SchemaDefinition) {
        let name = |name: &Option<Positioned<Name>>| name.as_ref().map(|name| name.node.to_string());
        if let Some(query) = name(&schema.query) {
            self.query = query;
        }
        self.mutation = name(&schema.mutation);
        self.subscription = name(&schema.subscription);
    }

    /// The name of a root type.
    pub fn root(&self, kind: OperationType) -> Option<&str> {
        match kind {
            OperationType::Query => Some(&self.query),
            OperationType::Mutation => self.mutation.as_deref(),
            OperationType::Subscription => self.subscription.as_deref(),
        }
    }

    /// A field of an object or interface.
    pub fn field(&self, parent: &str, name: &str) -> Option<&FieldFacts> {
        match self.types.get(parent)? {
            TypeFacts::Composite(fields) => fields.get(name),
            TypeFacts::Union | TypeFacts::Enum(_) | TypeFacts::Input(_) | TypeFacts::Scalar => None,
        }
    }

    /// A type.
    pub fn type_named(&self, name: &str) -> Option<&TypeFacts> {
        self.types.get(name)
    }
}

fn fields_of(parent: &str, fields: &[Positioned<FieldDefinition>]) -> Result<HashMap<String, FieldFacts>, FactsError> {
    fields
        .iter()
        .map(|field| {
            let field = &field.node;
            let name = field.name.node.to_string();
            let requires = match field.directives.iter().find(|directive| directive.node.name.node == "auth") {
                None => None,
                Some(directive) => Some(level(&directive.node).ok_or_else(|| FactsError::Auth(parent.to_owned(), name.clone()))?),
            };
            let facts = FieldFacts {
                named_type: named(&field.ty.node).to_owned(),
                default_page: default_page(&field.arguments),
                requires,
                defaulted: field
                    .arguments
                    .iter()
                    .filter(|argument| argument.node.default_value.is_some())
                    .map(|argument| argument.node.name.node.to_string())
                    .collect(),
            };
            Ok((name, facts))
        })
        .collect()
}

fn level(directive: &ConstDirective) -> Option<AuthLevel> {
    match &directive.get_argument("requires")?.node {
        Value::Enum(name) => AuthLevel::from_name(name),
        _ => None,
    }
}

fn default_page(arguments: &[Positioned<InputValueDefinition>]) -> Option<u64> {
    let paging = |argument: &&Positioned<InputValueDefinition>| argument.node.name.node == "first" || argument.node.name.node == "last";
    let argument = arguments.iter().find(paging)?;
    match argument.node.default_value.as_ref().map(|value| &value.node) {
        Some(Value::Number(number)) => Some(number.as_u64().unwrap_or(DEFAULT_PAGE)),
        _ => Some(DEFAULT_PAGE),
    }
}

fn input_of(input: &InputObjectType, directives: &[Positioned<ConstDirective>]) -> InputFacts {
    let field = |field: &Positioned<InputValueDefinition>| {
        let facts = InputFieldFacts { ty: field.node.ty.node.clone(), has_default: field.node.default_value.is_some() };
        (field.node.name.node.to_string(), facts)
    };
    InputFacts {
        fields: input.fields.iter().map(field).collect(),
        one_of: directives.iter().any(|directive| directive.node.name.node == "oneOf"),
    }
}

/// The name inside the lists and non-nulls of a type.
fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_pages_and_levels_are_read() {
        let facts = SchemaFacts::from_sdl(
            "directive @auth(requires: Int!) on FIELD_DEFINITION
             type Root { a(first: Int = 50): [Int!]! b(last: Int): X @auth(requires: ADMIN) c: Int }
             type X { d: Int } input One @oneOf { a: Int b: Int! = 3 } schema { query: Root }",
        )
        .unwrap();
        assert_eq!(facts.root(OperationType::Query), Some("Root"));
        assert_eq!(facts.root(OperationType::Mutation), None);
        assert_eq!(facts.field("Root", "a").unwrap().default_page, Some(50));
        assert_eq!(facts.field("Root", "b").unwrap().default_page, Some(20));
        assert_eq!(facts.field("Root", "b").unwrap().requires, Some(AuthLevel::Admin));
        assert_eq!(facts.field("Root", "c").unwrap().requires, None);
        let Some(TypeFacts::Input(one)) = facts.type_named("One") else { panic!("an input") };
        assert!(one.one_of && one.fields["b"].has_default);
    }

    #[test]
    fn an_unknown_level_is_no_schema() {
        assert!(SchemaFacts::from_sdl("type Query { a: Int @auth(requires: NOBODY) }").is_err());
        assert!(SchemaFacts::from_sdl("type Query { a: Int @auth }").is_err());
    }
}
