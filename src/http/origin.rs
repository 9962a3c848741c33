//! Which origins may ask: CORS and CSRF.
