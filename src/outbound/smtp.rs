//! E-mail by SMTP.
