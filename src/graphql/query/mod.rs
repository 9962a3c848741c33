//! Root fields of `Query`.

use async_graphql::MergedObject;

mod audit;
mod deployment;
mod operation;
mod person;
mod users;

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub struct Query(person::PersonQuery, deployment::DeploymentQuery, users::UserQuery, audit::AuditQuery, operation::OperationQuery);
