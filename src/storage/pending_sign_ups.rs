//! Sign-ups before their contact is proved.
