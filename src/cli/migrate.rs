//! `postern migrate`: steps the schema up and down and checks it.
