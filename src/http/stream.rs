//! `/graphql/stream`: subscriptions as server-sent events.
