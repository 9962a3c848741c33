//! What resolvers find in their context.
