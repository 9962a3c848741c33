//! `/graphql`: queries and mutations over HTTP.
