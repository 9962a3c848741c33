//! Root fields of `Query`.
