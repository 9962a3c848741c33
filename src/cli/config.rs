//! `postern config`: checks, shows and documents the settings.
