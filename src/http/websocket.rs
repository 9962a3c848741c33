//! `/graphql/ws`: subscriptions by `graphql-transport-ws`.
