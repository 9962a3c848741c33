//! The settings: defaults, then `postern.toml`, then the environment; every problem reported at once.
