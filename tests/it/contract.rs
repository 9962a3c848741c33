//! The SDL: drift, directives, contract.
