//! Formats of key derivation functions: scrypt, Firebase's variant of it, PBKDF2.

use aes::{
    Aes256,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use pbkdf2::pbkdf2_hmac;
use scrypt::Params;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::Unreadable;
use crate::crypto::keyed_hash::constant_time_eq;

/// 128 MiB, as OWASP's dearest row asks for.
const MOST_SCRYPT_MEMORY: u64 = 128 << 20;
/// Twice that row's work.
const MOST_SCRYPT_WORK: u64 = 2 << 20;
/// Some seconds for a phone, half a second here; Django stood at 1.2 million when this was written.
const MOST_PBKDF2_ROUNDS: u32 = 2_000_000;
const HASH_LENGTHS: std::ops::RangeInclusive<usize> = 16..=128;

/// Base64 as it comes: with or without padding, in the alphabet of URLs too, and with `.` for `+` as passlib has it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
    let text = text.replace('.', "+");
    GeneralPurpose::new(&STANDARD, config).decode(&text).or_else(|_| GeneralPurpose::new(&URL_SAFE, config).decode(&text)).ok()
}

/// A hash that is long enough to mean something.
fn decode_hash(text: &str) -> Option<Vec<u8>> {
    decode(text).filter(|hash| HASH_LENGTHS.contains(&hash.len()))
}

/// `name=value` of a list that is separated by commas.
fn parameter<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.split(',').find_map(|part| part.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn number(list: &str, name: &str) -> Option<u32> {
    parameter(list, name)?.parse().ok()
}

fn scrypt_params(log_n: u32, r: u32, p: u32) -> Result<Params, Unreadable> {
    let (wide_r, wide_p) = (u64::from(r), u64::from(p));
    if log_n >= 32 || r == 0 || p == 0 {
        return Err(Unreadable::NoFormat);
    }
    let n = 1_u64 << log_n;
    let work = n.saturating_mul(wide_r).saturating_mul(wide_p);
    if n.saturating_mul(wide_r).saturating_mul(128) > MOST_SCRYPT_MEMORY || work > MOST_SCRYPT_WORK {
        return Err(Unreadable::TooExpensive);
    }
    let log_n = u8::try_from(log_n).map_err(|_| Unreadable::NoFormat)?;
    Params::new(log_n, r, p).map_err(|_| Unreadable::NoFormat)
}

/// scrypt: PHC strings (`$scrypt$ln=…,r=…,p=…$salt$hash`) and Django's (`scrypt$N$salt$r$p$hash` as `scrypt$16384$…`).
pub(super) struct Scrypt {
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Scrypt {
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        let ((log_n, r, p), salt, hash) = Self::phc(stored).or_else(|| Self::django(stored)).ok_or(Unreadable::NoFormat)?;
        Ok(Self { params: scrypt_params(log_n, r, p)?, salt, hash })
    }

    #[expect(clippy::type_complexity, reason = "parameters, salt and hash, for the one caller")]
    fn phc(stored: &str) -> Option<((u32, u32, u32), Vec<u8>, Vec<u8>)> {
        let mut fields = stored.strip_prefix("$scrypt$")?.split('$');
        let (list, salt, hash) = (fields.next()?, decode(fields.next()?)?, decode_hash_or_any(fields.next()?)?);
        fields.next().is_none().then_some(())?;
        Some(((number(list, "ln")?, number(list, "r")?, number(list, "p")?), salt, hash))
    }

    #[expect(clippy::type_complexity, reason = "as above")]
    fn django(stored: &str) -> Option<((u32, u32, u32), Vec<u8>, Vec<u8>)> {
        let mut fields = stored.strip_prefix("scrypt$")?.split('$');
        let n: u32 = fields.next()?.parse().ok()?;
        let salt = fields.next()?.as_bytes().to_vec();
        let (r, p) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let hash = decode_hash(fields.next()?)?;
        (n.is_power_of_two() && fields.next().is_none()).then_some(((n.trailing_zeros(), r, p), salt, hash))
    }

    pub fn is_right(&self, password: &[u8]) -> bool {
        let mut computed = Zeroizing::new(vec![0; self.hash.len()]);
        scrypt::scrypt(password, &self.salt, &self.params, &mut computed).is_ok() && constant_time_eq(&computed, &self.hash)
    }
}

/// Some keep short ones in this format; ten bytes are what it asks for.
fn decode_hash_or_any(text: &str) -> Option<Vec<u8>> {
    decode(text).filter(|hash| (10..=128).contains(&hash.len()))
}

/// Firebase's scrypt, in the notation of other servers that import it: `$fbscrypt$v=1,n=14,r=8,p=1,ss=<separator>,sk=<signer key>$<salt>$<hash>`.
/// The derived key encrypts the project's signer key (AES-256 in counter mode, from zero), and that is the hash.
pub(super) struct FirebaseScrypt {
    params: Params,
    salt: Vec<u8>,
    signer_key: Vec<u8>,
    hash: Vec<u8>,
}

impl FirebaseScrypt {
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        let (list, salt, hash) = Self::fields(stored).ok_or(Unreadable::NoFormat)?;
        let all = (|| Some((number(list, "n")?, number(list, "r")?, parameter(list, "p").map_or(Some(1), |p| p.parse().ok())?)))();
        let (log_n, r, p) = all.ok_or(Unreadable::NoFormat)?;
        let params = scrypt_params(log_n, r, p)?;
        let read = || {
            let mut salt = decode(salt)?;
            salt.extend(decode(parameter(list, "ss").unwrap_or_default())?);
            let signer_key = decode_hash(parameter(list, "sk")?)?;
            let hash = decode_hash(hash)?;
            (hash.len() == signer_key.len()).then_some(Self { params, salt, signer_key, hash })
        };
        read().ok_or(Unreadable::NoFormat)
    }

    fn fields(stored: &str) -> Option<(&str, &str, &str)> {
        let mut fields = stored.strip_prefix("$fbscrypt$")?.split('$');
        let all = (fields.next()?, fields.next()?, fields.next()?);
        fields.next().is_none().then_some(all)
    }

    pub fn is_right(&self, password: &[u8]) -> bool {
        let mut key = Zeroizing::new([0; 32]);
        if scrypt::scrypt(password, &self.salt, &self.params, key.as_mut_slice()).is_err() {
            return false;
        }
        let cipher = Aes256::new(&(*key).into());
        let mut computed = Zeroizing::new(self.signer_key.clone());
        for (counter, chunk) in (0_u128..).zip(computed.chunks_mut(16)) {
            let mut block = counter.to_be_bytes().into();
            cipher.encrypt_block(&mut block);
            for (byte, mask) in chunk.iter_mut().zip(block.iter()) {
                *byte ^= mask;
            }
        }
        constant_time_eq(&computed, &self.hash)
    }
}

#[derive(Clone, Copy)]
enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

/// PBKDF2: PHC strings (`$pbkdf2-sha256$i=…,l=…$salt$hash`), passlib's (`$pbkdf2-sha256$29000$salt$hash`) and Django's
/// (`pbkdf2_sha256$600000$salt$hash`).
pub(super) struct Pbkdf2 {
    prf: Prf,
    rounds: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    pub fn parse(stored: &str) -> Result<Self, Unreadable> {
        let parsed = Self::read(stored).filter(|parsed| parsed.rounds > 0).ok_or(Unreadable::NoFormat)?;
        if parsed.rounds > MOST_PBKDF2_ROUNDS { Err(Unreadable::TooExpensive) } else { Ok(parsed) }
    }

    fn read(stored: &str) -> Option<Self> {
        let is_django = !stored.starts_with('$');
        let mut fields = stored.trim_start_matches('$').split('$');
        let prf = match fields.next()? {
            "pbkdf2" | "pbkdf2-sha1" | "pbkdf2_sha1" => Prf::Sha1,
            "pbkdf2-sha256" | "pbkdf2_sha256" => Prf::Sha256,
            "pbkdf2-sha512" | "pbkdf2_sha512" => Prf::Sha512,
            _ => return None,
        };
        let list = fields.next()?;
        let rounds = number(list, "i").or_else(|| list.parse().ok())?;
        let salt = fields.next()?;
        let salt = if is_django { salt.as_bytes().to_vec() } else { decode(salt)? };
        let hash = decode_hash(fields.next()?)?;
        fields.next().is_none().then_some(Self { prf, rounds, salt, hash })
    }

    pub fn is_right(&self, password: &[u8]) -> bool {
        let mut computed = Zeroizing::new(vec![0; self.hash.len()]);
        match self.prf {
            Prf::Sha1 => pbkdf2_hmac::<Sha1>(password, &self.salt, self.rounds, &mut computed),
            Prf::Sha256 => pbkdf2_hmac::<Sha256>(password, &self.salt, self.rounds, &mut computed),
            Prf::Sha512 => pbkdf2_hmac::<Sha512>(password, &self.salt, self.rounds, &mut computed),
        }
        constant_time_eq(&computed, &self.hash)
    }
}
