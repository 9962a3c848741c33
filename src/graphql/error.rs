//! GraphQL errors with their codes.
