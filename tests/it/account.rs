//! An account: profile queries, activity, paging.
