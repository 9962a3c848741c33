//! GraphQL execution as the specification has it.
