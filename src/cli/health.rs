//! `postern health`: asks a running gateway how it is.
