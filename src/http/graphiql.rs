//! GraphiQL, from assets embedded at build time.
