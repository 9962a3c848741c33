//! `postern schema`: prints the public SDL.

use std::process::ExitCode;

use super::say;
use crate::graphql::schema::sdl;

/// Prints the schema that this binary serves.
pub fn run() -> ExitCode {
    say(sdl().trim_end());
    ExitCode::SUCCESS
}
