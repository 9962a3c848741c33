//! Postern: a GraphQL auth gateway. This file is the table of contents.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod entropy;
pub mod ephemeral;
pub mod events;
pub mod flows;
pub mod graphql;
pub mod http;
pub mod jobs;
pub mod lately;
pub mod outbound;
pub mod storage;
pub mod supervise;
pub mod telemetry;
