//! Hashes that other programs made: which formats are known, and how much one may ask for.

use super::{
    crypt::{Bcrypt, Phpass, ShaCrypt},
    derived::{FirebaseScrypt, Pbkdf2, Scrypt},
    own::Stored,
    salted::Salted,
};

/// A hash of another program that can be computed.
pub(super) enum Imported {
    Bcrypt(Bcrypt),
    ShaCrypt(ShaCrypt),
    Phpass(Phpass),
    Salted(Salted),
    Scrypt(Scrypt),
    FirebaseScrypt(FirebaseScrypt),
    Pbkdf2(Pbkdf2),
}

/// Why a stored hash cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Of no format that is known, or broken.
    #[error("this is no password hash of a known format")]
    NoFormat,
    /// One sign-in must not take the machine.
    #[error("this password hash asks for too much memory or time")]
    TooExpensive,
}

/// The longest stored hash that is looked at.
const LONGEST: usize = 1024;

/// Whether a hash can be checked at a sign-in, whoever made it.
pub fn check_importable(stored: &str) -> Result<(), Unreadable> {
    match Imported::parse(stored) {
        Ok(_) => Ok(()),
        Err(Unreadable::NoFormat) => Stored::read(without_django_name(stored)).map(drop).ok_or(Unreadable::NoFormat),
        Err(too_expensive) => Err(too_expensive),
    }
}

/// Django writes `argon2$argon2id$v=…`.
pub(super) fn without_django_name(stored: &str) -> &str {
    stored.strip_prefix("argon2$").and_then(|_| stored.get("argon2".len()..)).unwrap_or(stored)
}

impl Imported {
    /// Reads a stored hash; Argon2 is no format of this list.
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        if stored.len() > LONGEST || !stored.is_ascii() {
            return Err(Unreadable::NoFormat);
        }
        let is = |starts: &[&str]| starts.iter().any(|start| stored.starts_with(start));
        if is(&["$2", "$wp$2", "bcrypt$", "bcrypt_sha256$"]) {
            Bcrypt::parse(stored).map(Self::Bcrypt)
        } else if is(&["$5$", "$6$"]) {
            ShaCrypt::parse(stored).map(Self::ShaCrypt)
        } else if is(&["sha1$", "md5$"]) {
            Salted::parse(stored).map(Self::Salted)
        } else if is(&["$P$", "$H$", "$S$", "U$"]) {
            Phpass::parse(stored).map(Self::Phpass)
        } else if is(&["$scrypt$", "scrypt$"]) {
            Scrypt::parse(stored).map(Self::Scrypt)
        } else if is(&["$fbscrypt$"]) {
            FirebaseScrypt::parse(stored).map(Self::FirebaseScrypt)
        } else if is(&["$pbkdf2", "pbkdf2_"]) {
            Pbkdf2::parse(stored).map(Self::Pbkdf2)
        } else {
            Err(Unreadable::NoFormat)
        }
    }

    /// Whether it is the password's.
    pub fn is_right(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.is_right(password),
            Self::ShaCrypt(hash) => hash.is_right(password),
            Self::Phpass(hash) => hash.is_right(password),
            Self::Salted(hash) => hash.is_right(password),
            Self::Scrypt(hash) => hash.is_right(password),
            Self::FirebaseScrypt(hash) => hash.is_right(password),
            Self::Pbkdf2(hash) => hash.is_right(password),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn too_expensive_ones_are_told_from_broken_ones() {
        for stored in [
            "$2b$20$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$6$rounds=999999999$salt$x",
            "$scrypt$ln=24,r=8,p=1$c2FsdHNhbHQ$RdescudvJCsgt3ub",
            "$pbkdf2-sha256$i=4294967295$c2FsdHNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
            "pbkdf2_sha256$90000000$salt$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
            "$fbscrypt$v=1,n=24,r=8,p=1,ss=Bw==,sk=AAAA$AAAA$AAAA",
        ] {
            assert_eq!(check_importable(stored), Err(Unreadable::TooExpensive), "{stored}");
        }
        for stored in [
            "",
            "plain",
            "$2b$",
            "$5$",
            "$6$$",
            "$P$",
            "$S$",
            "U$S$",
            "U$2b$04$R9h/cIPz0gi.URNNX3kh2Owx9bCyO4B6Ax30vqvpucN6uCHSum1/a",
            "sha1$",
            "sha1$$",
            "md5$salt$88a434c8",
            "$scrypt$",
            "scrypt$1$a$b$c$d",
            "$fbscrypt$$$",
            "pbkdf2_sha256$1$$",
            "bcrypt$",
            "$wp$2",
        ] {
            assert_eq!(check_importable(stored), Err(Unreadable::NoFormat), "{stored}");
        }
        let django = "argon2$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";
        assert_eq!(check_importable(django), Ok(()));
    }

    proptest! {
        // Whatever stands in the database is at worst a wrong password.
        #[test]
        fn no_stored_text_panics(
            start in "(\\$2[abxy]\\$|\\$wp|\\$[56]\\$|U?\\$[PHS]\\$|sha1\\$|md5\\$|\\$scrypt\\$|scrypt\\$|\\$fbscrypt\\$v=1,|\\$pbkdf2-sha(1|256|512)\\$|pbkdf2_sha(1|256)\\$|bcrypt_sha256\\$|bcrypt\\$)",
            rest in "[0-9a-zA-Z./+=,$]{0,60}",
            password in any::<Vec<u8>>(),
        ) {
            if let Ok(imported) = Imported::parse(&format!("{start}{rest}")) {
                let _ = imported.is_right(&password);
            }
        }

        #[test]
        fn no_text_at_all_panics(stored: String) {
            let _ = check_importable(&stored);
        }
    }
}
