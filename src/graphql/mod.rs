//! The GraphQL API: schema, guards, limits, and one folder per kind of thing.

pub mod answer;
mod audited_params;
pub mod auth_level;
pub mod connection;
pub mod context;
pub mod document_cache;
pub mod entry;
pub mod error;
pub mod guard;
pub mod limits;
pub mod loaders;
pub mod mutation;
pub mod object;
pub mod omitted_variables;
pub mod problem;
pub mod query;
pub mod response_cookies;
pub mod root_fields;
pub mod scalar;
pub mod scan;
pub mod schema;
pub mod schema_facts;
pub mod scopes;
pub mod subscription;
pub mod trusted_documents;
pub mod upload;
pub mod variables;
