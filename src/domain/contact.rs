//! E-mail addresses and phone numbers in canonical form.
