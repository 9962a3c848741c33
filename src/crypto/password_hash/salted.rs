//! One round of a fast hash with a salt before the password: Django's `sha1$salt$hash` and `md5$salt$hash`, of old.

use md5::Md5;
use sha1::Sha1;
use sha2::Digest;

use super::Unreadable;
use crate::crypto::keyed_hash::constant_time_eq;

enum Fast {
    Sha1,
    Md5,
}

/// Such a hash. The salt may be empty: Django's unsalted ones look like that.
pub(super) struct Salted {
    fast: Fast,
    salt: String,
    hash: Vec<u8>,
}

impl Salted {
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        Self::read(stored).ok_or(Unreadable::NoFormat)
    }

    fn read(stored: &str) -> Option<Self> {
        let mut fields = stored.split('$');
        let (fast, length) = match fields.next()? {
            "sha1" => (Fast::Sha1, 20),
            "md5" => (Fast::Md5, 16),
            _ => return None,
        };
        let (salt, hash) = (fields.next()?.to_owned(), hex::decode(fields.next()?).ok()?);
        (hash.len() == length && fields.next().is_none()).then_some(Self { fast, salt, hash })
    }

    pub fn is_right(&self, password: &[u8]) -> bool {
        match self.fast {
            Fast::Sha1 => constant_time_eq(&Sha1::new().chain_update(&self.salt).chain_update(password).finalize(), &self.hash),
            Fast::Md5 => constant_time_eq(&Md5::new().chain_update(&self.salt).chain_update(password).finalize(), &self.hash),
        }
    }
}
