//! Root fields of `Mutation`, one file per area.
