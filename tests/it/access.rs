//! Who may use which field.
