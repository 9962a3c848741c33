//! `postern schema`: prints the public SDL.
