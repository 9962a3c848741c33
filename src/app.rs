//! What the program is made of: the only composition root.

/// Everything that a request can reach.
#[derive(Debug)]
pub struct App {}
