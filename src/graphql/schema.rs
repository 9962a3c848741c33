//! Puts the schema together.

use std::sync::Arc;

use async_graphql::{
    Schema as Built, SchemaBuilder, ValidationMode,
    dataloader::DataLoader,
    runtime::{TokioSpawner, TokioTimer},
};

use super::{loaders::Loader, mutation::Mutation, query::Query, subscription::Subscription};
use crate::app::App;

/// The public API.
pub type Schema = Built<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Built::build(Query::default(), Mutation::default(), Subscription::default())
}

/// The schema of a running program; `trusting` skips most of the validation, for documents that were validated before.
pub fn build(app: &Arc<App>, mode: ValidationMode, introspection: bool) -> Schema {
    let loader = DataLoader::new(Loader(Arc::clone(app)), TokioSpawner::current(), TokioTimer::default());
    let builder = builder().data(Arc::clone(app)).data(loader).validation_mode(mode);
    if introspection { builder.finish() } else { builder.disable_introspection().disable_suggestions().finish() }
}

/// The public SDL.
pub fn sdl() -> String {
    builder().finish().sdl()
}
