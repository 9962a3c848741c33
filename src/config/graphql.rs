//! What the GraphQL surface offers, and how much of it at once.

use std::{path::PathBuf, time::Duration};

use super::{Mode, reader::Reader};

/// Settings of the GraphQL surface.
#[derive(Clone, Debug)]
pub struct Graphql {
    /// Whether the schema can be asked for.
    pub introspection: bool,
    /// Whether browsers get GraphiQL.
    pub graphiql: bool,
    /// Whether queries may come by GET.
    pub get_queries: bool,
    /// A folder with the only operations that run, where it is set.
    pub trusted_documents: Option<PathBuf>,
    /// Levels of selections.
    pub max_depth: u32,
    /// Selections of an operation, fragments expanded.
    pub max_selections: u32,
    /// Product of the page sizes on a path.
    pub max_page_product: u32,
    /// Aliases of an operation.
    pub max_aliases: u32,
    /// Fragments of a document.
    pub max_fragments: u32,
    /// Directives on a field.
    pub max_directives: u32,
    /// Root fields of an operation.
    pub max_root_fields: u32,
    /// Tokens of a document.
    pub max_tokens: u32,
    /// Bytes of a body and of a socket frame.
    pub max_body_bytes: usize,
    /// Live sockets of a user.
    pub sockets_per_user: u32,
    /// Sockets of an address that have not said who they are.
    pub uninitialised_sockets_per_ip: u32,
    /// Live subscriptions of a socket.
    pub subscriptions_per_socket: u32,
    /// How long a socket lives at most.
    pub socket_max_age: Duration,
}

impl Graphql {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let development = reader.mode == Mode::Development;
        let by_mode = (development, "true in development, false in production");
        let graphql = Self {
            introspection: reader.derived("graphql.introspection", by_mode, "Whether clients may ask for the schema."),
            graphiql: reader.derived("graphql.graphiql", by_mode, "Whether browsers get GraphiQL at /graphql."),
            get_queries: reader.value("graphql.get_queries", true, "Whether queries may come by GET."),
            trusted_documents: reader.optional(
                "graphql.trusted_documents",
                "A folder of operations known by their SHA-256; where it is set, nothing else runs.",
            ),
            max_depth: reader.count("graphql.max_depth", 12, "Levels of selections at most."),
            max_selections: reader.count("graphql.max_selections", 1000, "Selections of an operation at most, fragments expanded."),
            max_page_product: reader.count("graphql.max_page_product", 1000, "Product of the page sizes on a path at most."),
            max_aliases: reader.count("graphql.max_aliases", 30, "Aliases of an operation at most."),
            max_fragments: reader.count("graphql.max_fragments", 20, "Fragments of a document at most."),
            max_directives: reader.count("graphql.max_directives", 5, "Directives on a field at most."),
            max_root_fields: reader.count("graphql.max_root_fields", 5, "Root fields of an operation at most; a subscription has one."),
            max_tokens: reader.count("graphql.max_tokens", 2000, "Tokens of a document at most."),
            max_body_bytes: reader.value("graphql.max_body_bytes", 65_536, "Bytes of a body and of a socket frame at most."),
            sockets_per_user: reader.count("graphql.sockets_per_user", 20, "Live sockets of a user at most."),
            uninitialised_sockets_per_ip: reader.count(
                "graphql.uninitialised_sockets_per_ip",
                100,
                "Sockets of an address at most that have not said who they are.",
            ),
            subscriptions_per_socket: reader.count("graphql.subscriptions_per_socket", 10, "Live subscriptions of a socket at most."),
            socket_max_age: reader.duration("graphql.socket_max_age", Duration::from_hours(12), "How long a socket lives at most."),
        };
        if !(1024..=16 * 1024 * 1024).contains(&graphql.max_body_bytes) {
            reader.problem("graphql.max_body_bytes", "must be from 1024 to 16777216");
        }
        if graphql.trusted_documents.as_ref().is_some_and(|folder| !folder.is_dir()) {
            reader.problem("graphql.trusted_documents", "is not a folder that can be read");
        }
        graphql
    }
}
