//! What an operation may cost, checked in linear time before it runs.
