//! `@auth(requires:)`: who may use a field, enforced in one place.
