//! Formats of `crypt(3)` and its like: bcrypt, SHA-crypt, phpass.

use base64::{
    Engine,
    alphabet::{BCRYPT, CRYPT},
    engine::{GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use password_hash::PasswordVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::Unreadable;
use crate::crypto::keyed_hash::constant_time_eq;

/// 2¹⁴ rounds take about a second.
const DEAREST_BCRYPT: u32 = 14;
const MOST_SHA_CRYPT_ROUNDS: u32 = 500_000;
/// As a power of two.
const DEAREST_PHPASS: u32 = 18;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
    // The last letter carries bits that mean nothing.
    .with_decode_allow_trailing_bits(true);

/// What bcrypt is given instead of the password itself.
enum Before {
    Nothing,
    /// Django's `bcrypt_sha256`: SHA-256 in hexadecimal.
    Sha256,
    /// WordPress from 6.8 on: HMAC-SHA-384 in Base64 of the trimmed password.
    WordPress,
}

/// bcrypt: `$2a$`, `$2b$`, `$2y$`; Django's `bcrypt$` and `bcrypt_sha256$`; WordPress's `$wp`.
pub(super) struct Bcrypt {
    before: Before,
    cost: u32,
    salt: [u8; 16],
    hash: Vec<u8>,
}

impl Bcrypt {
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        let (before, crypt) = if let Some(rest) = stored.strip_prefix("bcrypt_sha256$") {
            (Before::Sha256, rest)
        } else if let Some(rest) = stored.strip_prefix("bcrypt$") {
            (Before::Nothing, rest)
        } else if let Some(rest) = stored.strip_prefix("$wp") {
            (Before::WordPress, rest)
        } else {
            (Before::Nothing, stored)
        };
        let parsed = Self::read(before, crypt).ok_or(Unreadable::NoFormat)?;
        if parsed.cost > DEAREST_BCRYPT { Err(Unreadable::TooExpensive) } else { Ok(parsed) }
    }

    fn read(before: Before, crypt: &str) -> Option<Self> {
        // `$2x$` marks hashes of a wrong implementation.
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|start| crypt.strip_prefix(start))?;
        let (cost, rest) = rest.split_once('$')?;
        let cost = cost.parse().ok().filter(|known| cost.len() == 2 && (4..=31).contains(known))?;
        let (salt, hash) = (rest.get(..22)?, rest.get(22..).filter(|hash| hash.len() == 31)?);
        let engine = GeneralPurpose::new(&BCRYPT, LENIENT);
        let salt = engine.decode(salt).ok()?.try_into().ok()?;
        Some(Self { before, cost, salt, hash: engine.decode(hash).ok()? })
    }

    pub fn is_right(&self, password: &[u8]) -> bool {
        let prepared = match self.before {
            Before::Nothing => Zeroizing::new(password.to_vec()),
            Before::Sha256 => Zeroizing::new(hex::encode(Sha256::digest(password)).into_bytes()),
            Before::WordPress => {
                let Ok(mut mac) = Hmac::<Sha384>::new_from_slice(b"wp-sha384") else { return false };
                mac.update(password.trim_ascii());
                Zeroizing::new(BASE64_STANDARD.encode(mac.finalize().into_bytes()).into_bytes())
            }
        };
        // As every implementation has it: a zero at the end, and 72 bytes of all that. The hash that replaces this one takes the whole password.
        let mut key = Zeroizing::new(Vec::with_capacity(prepared.len() + 1));
        key.extend_from_slice(&prepared);
        key.push(0);
        key.truncate(72);
        let computed = bcrypt::bcrypt(self.cost, self.salt, &key);
        // The last of its 24 bytes was never written down.
        constant_time_eq(computed.get(..self.hash.len()).unwrap_or_default(), &self.hash)
    }
}

/// `$5$` and `$6$` of glibc and others.
pub(super) struct ShaCrypt(String);

impl ShaCrypt {
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        let mut fields = stored.split('$').skip(2).peekable();
        if let Some(rounds) = fields.peek().and_then(|field| field.strip_prefix("rounds=")) {
            let rounds: u32 = rounds.parse().map_err(|_| Unreadable::NoFormat)?;
            if rounds > MOST_SHA_CRYPT_ROUNDS {
                return Err(Unreadable::TooExpensive);
            }
            fields.next();
        }
        let (salt, hash) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let length = if stored.starts_with("$5$") { 43 } else { 86 };
        if salt.is_empty() || hash.len() != length || fields.next().is_some() {
            return Err(Unreadable::NoFormat);
        }
        Ok(Self(stored.to_owned()))
    }

    pub fn is_right(&self, password: &[u8]) -> bool {
        sha_crypt::ShaCrypt::default().verify_password(password, self.0.as_str()).is_ok()
    }
}

/// `$P$` and `$H$`: MD5 over and over, of WordPress, phpBB and Drupal 6; `$S$`: SHA-512 over and over, of Drupal 7 to 10. `U` before it: of the
/// password's MD5, from when Drupal moved.
pub(super) struct Phpass {
    round: Round,
    of_md5: bool,
    log_rounds: u32,
    salt: Vec<u8>,
    hash: String,
}

#[derive(Clone, Copy)]
enum Round {
    Md5,
    Sha512,
}

const PHPASS_ALPHABET: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Phpass {
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        let parsed = Self::read(stored).ok_or(Unreadable::NoFormat)?;
        if parsed.log_rounds > DEAREST_PHPASS { Err(Unreadable::TooExpensive) } else { Ok(parsed) }
    }

    fn read(stored: &str) -> Option<Self> {
        let (of_md5, stored) = stored.strip_prefix('U').map_or((false, stored), |rest| (true, rest));
        // Drupal cuts the text of its hashes at 55 characters.
        let (round, length) = match stored.get(..3)? {
            "$P$" | "$H$" => (Round::Md5, 22),
            "$S$" => (Round::Sha512, 43),
            _ => return None,
        };
        let rounds = stored.get(3..4)?;
        let log_rounds = u32::try_from(PHPASS_ALPHABET.find(rounds)?).ok().filter(|log| (7..=30).contains(log))?;
        let salt = stored.get(4..12)?.as_bytes().to_vec();
        let hash = stored.get(12..).filter(|hash| hash.len() == length)?.to_owned();
        Some(Self { round, of_md5, log_rounds, salt, hash })
    }

    pub fn is_right(&self, password: &[u8]) -> bool {
        let md5 = Zeroizing::new(if self.of_md5 { hex::encode(Md5::digest(password)) } else { String::new() });
        let password = if self.of_md5 { md5.as_bytes() } else { password };
        let computed = match self.round {
            Round::Md5 => self.digest::<Md5>(password),
            Round::Sha512 => self.digest::<Sha512>(password),
        };
        constant_time_eq(computed.as_bytes().get(..self.hash.len()).unwrap_or_default(), self.hash.as_bytes())
    }

    fn digest<D: Digest>(&self, password: &[u8]) -> String {
        let mut digest = D::new().chain_update(&self.salt).chain_update(password).finalize();
        for _ in 0..1_u32 << self.log_rounds {
            digest = D::new().chain_update(digest).chain_update(password).finalize();
        }
        little_endian_base64(&digest)
    }
}

/// Base64 of `crypt(3)`: the lowest six bits of three bytes first.
fn little_endian_base64(bytes: &[u8]) -> String {
    let alphabet = CRYPT.as_str().as_bytes();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = group.iter().rev().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for _ in 0..=group.len() {
            text.push(char::from(alphabet.get((bits & 63) as usize).copied().unwrap_or_default()));
            bits >>= 6;
        }
    }
    text
}
