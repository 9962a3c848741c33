//! What one operation may ask for: checked on the parsed document before anything runs, in linear time.
//!
//! Each fragment's cost is computed once and added at every spread, saturating, so that fragments over fragments cost nothing to refuse.
//! Every occurrence counts, because every occurrence is executed; `@skip` and `@include` are ignored.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Error, Name, Positioned, Value, Variables,
    parser::types::{
        Directive, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};
use async_graphql_value::Value as InputValue;

use super::{error, schema_facts::SchemaFacts};

/// The numbers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Fields inside fields.
    pub depth: u32,
    /// Selections with every fragment written out.
    pub selections: u32,
    /// Page sizes on one path, multiplied.
    pub page_product: u64,
    /// Aliases with every fragment written out.
    pub aliases: u32,
    /// Fragment definitions in a document.
    pub fragments: usize,
    /// Directives on one thing.
    pub directives: usize,
    /// Root fields of an operation.
    pub root_fields: usize,
    /// Tokens in a document.
    pub tokens: usize,
    /// Fields inside fields, in an introspection.
    pub introspection_depth: u32,
    /// Lists inside lists, in an introspection.
    pub introspection_lists: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 12,
            selections: 1000,
            page_product: 1000,
            aliases: 30,
            fragments: 20,
            directives: 5,
            root_fields: 5,
            tokens: 2000,
            introspection_depth: 20,
            introspection_lists: 3,
        }
    }
}

/// Selection sets inside selection sets with fragments written out; the library's own recursion stops a little later.
const MAX_LEVELS: u32 = 30;

/// What a selection costs.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    selections: u32,
    aliases: u32,
    depth: u32,
    levels: u32,
    pages: u64,
    introspection_depth: u32,
    introspection_lists: u32,
    /// A page size comes from a variable, so that `pages` holds for these variables alone.
    variable_pages: bool,
}

impl Cost {
    /// Of nothing.
    const NONE: Self = Self {
        selections: 0,
        aliases: 0,
        depth: 0,
        levels: 0,
        pages: 1,
        introspection_depth: 0,
        introspection_lists: 0,
        variable_pages: false,
    };

    /// Of both, side by side.
    fn beside(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            aliases: self.aliases.saturating_add(other.aliases),
            depth: self.depth.max(other.depth),
            levels: self.levels.max(other.levels),
            pages: self.pages.max(other.pages),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            variable_pages: self.variable_pages || other.variable_pages,
        }
    }

    /// Of a fragment, spread or inline, around it.
    fn inside_fragment(self) -> Self {
        Self { selections: self.selections.saturating_add(1), levels: self.levels.saturating_add(1), ..self }
    }
}

/// Walks selections with the types that the schema gives them.
struct Walk<'a> {
    facts: &'a SchemaFacts,
    limits: &'a Limits,
    fragments: HashMap<&'a str, Cost>,
    /// Page sizes that come from variables: none while they are not known.
    variables: Option<(&'a Variables, &'a OperationDefinition)>,
}

/// Everything below `__schema` and `__type`: the types of introspection are no part of the SDL.
const INTROSPECTION: &str = "__";

impl<'a> Walk<'a> {
    fn set(&self, set: &'a SelectionSet, parent: Option<&'a str>) -> Result<Cost, Error> {
        set.items.iter().try_fold(Cost::NONE, |sum, item| Ok(sum.beside(self.selection(&item.node, parent)?)))
    }

    fn selection(&self, selection: &'a Selection, parent: Option<&'a str>) -> Result<Cost, Error> {
        self.directives(selection.directives())?;
        match selection {
            Selection::Field(field) => self.field(&field.node, parent),
            Selection::FragmentSpread(spread) => {
                let name = spread.node.fragment_name.node.as_str();
                Ok(self.fragments.get(name).copied().unwrap_or(Cost::NONE).inside_fragment())
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(parent, |condition| Some(condition.node.on.node.as_str()));
                Ok(self.set(&fragment.node.selection_set.node, on)?.inside_fragment())
            }
        }
    }

    fn field(&self, field: &'a Field, parent: Option<&'a str>) -> Result<Cost, Error> {
        let name = field.name.node.as_str();
        let introspecting = parent.is_some_and(|parent| parent.starts_with(INTROSPECTION));
        let enters = matches!(name, "__schema" | "__type");
        let facts = parent.and_then(|parent| self.facts.field(parent, name));
        let below = if introspecting || enters { Some(INTROSPECTION) } else { facts.map(|facts| facts.named_type.as_str()) };
        let inner = self.set(&field.selection_set.node, below)?;
        let mut cost = Cost {
            selections: inner.selections.saturating_add(1),
            aliases: inner.aliases.saturating_add(u32::from(field.alias.is_some())),
            levels: inner.levels.saturating_add(1),
            ..inner
        };
        if introspecting || enters {
            cost.introspection_depth = inner.introspection_depth.saturating_add(1);
            cost.introspection_lists = inner.introspection_lists.saturating_add(u32::from(is_introspection_list(name)));
        } else {
            cost.depth = inner.depth.saturating_add(1);
        }
        if !introspecting {
            let page = self.page(field, facts.and_then(|facts| facts.default_page), &mut cost.variable_pages);
            cost.pages = inner.pages.saturating_mul(page);
        }
        Ok(cost)
    }

    /// How many items a field gives at most; at least one.
    fn page(&self, field: &Field, default: Option<u64>, from_variable: &mut bool) -> u64 {
        let mut page = None;
        for (name, value) in &field.arguments {
            if name.node != "first" && name.node != "last" {
                continue;
            }
            let size = match &value.node {
                InputValue::Number(number) => number.as_u64(),
                InputValue::Variable(name) => {
                    *from_variable = true;
                    self.variables.and_then(|(values, operation)| number(values, operation, name))
                }
                _ => None,
            };
            page = page.max(size);
        }
        page.or(default).unwrap_or(1).max(1)
    }

    fn directives(&self, directives: &[Positioned<Directive>]) -> Result<(), Error> {
        if directives.len() > self.limits.directives {
            return Err(error::too_complex(format!("At most {} directives may stand together.", self.limits.directives)));
        }
        Ok(())
    }

    fn check(&self, cost: Cost) -> Result<(), Error> {
        let limits = self.limits;
        let over = |is: bool, message: String| if is { Err(error::too_complex(message)) } else { Ok(()) };
        over(cost.selections > limits.selections, format!("The operation selects more than {} fields.", limits.selections))?;
        over(cost.depth > limits.depth, format!("The operation is nested more than {} fields deep.", limits.depth))?;
        over(cost.levels > MAX_LEVELS, format!("The operation is nested more than {MAX_LEVELS} levels deep."))?;
        over(cost.aliases > limits.aliases, format!("The operation has more than {} aliases.", limits.aliases))?;
        over(cost.pages > limits.page_product, format!("The pages of the operation come to more than {} items.", limits.page_product))?;
        over(
            cost.introspection_depth > limits.introspection_depth,
            format!("The introspection is nested more than {} fields deep.", limits.introspection_depth),
        )?;
        over(
            cost.introspection_lists > limits.introspection_lists,
            format!("The introspection has more than {} lists inside each other.", limits.introspection_lists),
        )
    }
}

/// What the limits learnt about an operation.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Page sizes come from variables: [`check_pages`] must see them.
    pub variable_pages: bool,
}

/// Checks every operation and fragment of a document, also those that will not run, because validation walks them all.
///
/// The verdicts are in the order of the document's own iteration.
pub fn check(document: &ExecutableDocument, facts: &SchemaFacts, limits: &Limits) -> Result<Vec<Verdict>, Error> {
    if document.fragments.len() > limits.fragments {
        return Err(error::too_complex(format!("A document may have {} fragments.", limits.fragments)));
    }
    let mut walk = Walk { facts, limits, fragments: HashMap::new(), variables: None };
    walk_fragments(document, &mut walk)?;
    let mut all = 0_u32;
    let mut verdicts = Vec::with_capacity(1);
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        walk.directives(&operation.directives)?;
        for variable in &operation.variable_definitions {
            walk.directives(&variable.node.directives)?;
        }
        let cost = walk.set(&operation.selection_set.node, facts.root(operation.ty))?;
        walk.check(cost)?;
        all = all.saturating_add(cost.selections);
        verdicts.push(Verdict { variable_pages: cost.variable_pages });
    }
    // Each operation has its own allowance; a document of very many must not cost as much to validate as they all have together.
    if all > limits.selections.saturating_mul(2) {
        return Err(error::too_complex("The operations of the document select too many fields together."));
    }
    Ok(verdicts)
}

/// Checks the page sizes of one operation with its variables.
pub fn check_pages(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    facts: &SchemaFacts,
    limits: &Limits,
) -> Result<(), Error> {
    let mut walk = Walk { facts, limits, fragments: HashMap::new(), variables: Some((variables, operation)) };
    walk_fragments(document, &mut walk)?;
    walk.check(walk.set(&operation.selection_set.node, facts.root(operation.ty))?)
}

/// Computes the cost of every fragment, those that others use first; refuses cycles.
fn walk_fragments<'a>(document: &'a ExecutableDocument, walk: &mut Walk<'a>) -> Result<(), Error> {
    for name in in_order_of_use(document)? {
        let Some(fragment) = document.fragments.get(name) else { continue };
        walk.directives(&fragment.node.directives)?;
        let on = fragment.node.type_condition.node.on.node.as_str();
        let cost = walk.set(&fragment.node.selection_set.node, Some(on))?;
        walk.check(cost)?;
        walk.fragments.insert(name, cost);
    }
    Ok(())
}

/// The names of all fragments, each after those that it spreads. Without recursion over fragments, so that a chain of them needs no stack.
fn in_order_of_use(document: &ExecutableDocument) -> Result<Vec<&str>, Error> {
    let uses: HashMap<&str, Vec<&str>> = document.fragments.iter().map(|(name, fragment)| (name.as_str(), spreads(fragment))).collect();
    let (mut done, mut open) = (HashSet::new(), HashSet::new());
    let mut order = Vec::with_capacity(uses.len());
    for start in uses.keys().copied() {
        let mut stack = vec![(start, 0)];
        while let Some((name, next)) = stack.pop() {
            if next == 0 && (done.contains(name) || !uses.contains_key(name)) {
                continue;
            }
            if next == 0 && !open.insert(name) {
                return Err(error::bad_request(format!("The fragment \"{name}\" spreads itself.")));
            }
            if let Some(used) = uses.get(name).and_then(|used| used.get(next)) {
                stack.push((name, next + 1));
                stack.push((used, 0));
            } else {
                open.remove(name);
                done.insert(name);
                order.push(name);
            }
        }
    }
    Ok(order)
}

fn spreads(fragment: &Positioned<FragmentDefinition>) -> Vec<&str> {
    fn collect<'a>(set: &'a SelectionSet, into: &mut Vec<&'a str>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => collect(&field.node.selection_set.node, into),
                Selection::FragmentSpread(spread) => into.push(spread.node.fragment_name.node.as_str()),
                Selection::InlineFragment(fragment) => collect(&fragment.node.selection_set.node, into),
            }
        }
    }
    let mut names = Vec::new();
    collect(&fragment.node.selection_set.node, &mut names);
    names.sort_unstable();
    names.dedup();
    names
}

fn number(values: &Variables, operation: &OperationDefinition, name: &Name) -> Option<u64> {
    let default = || {
        let definition = operation.variable_definitions.iter().find(|definition| definition.node.name.node == *name)?;
        definition.node.default_value.as_ref().map(|value| &value.node)
    };
    match values.get(name).or_else(default)? {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

fn is_introspection_list(field: &str) -> bool {
    matches!(field, "types" | "directives" | "fields" | "args" | "inputFields" | "interfaces" | "possibleTypes" | "enumValues")
}

/// Which operation this is, in words.
pub const fn kind_name(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}
