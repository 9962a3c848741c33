//! The one way in for HTTP, WebSocket and SSE: parse, check, execute.
