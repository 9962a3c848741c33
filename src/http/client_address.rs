//! The address of the client, also behind trusted proxies.
