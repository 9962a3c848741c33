//! graphql-transport-ws.
