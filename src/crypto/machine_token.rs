//! Machine tokens: an opaque token behind a prefix by which people, and scanners of sources for secrets, know it.

use zeroize::Zeroizing;

use super::opaque_token::OpaqueToken;
use crate::entropy::Entropy;

/// What every machine token begins with. No access token does: those are JWTs.
pub const PREFIX: &str = "postern_mt_";

/// A new machine token. It has no `Debug`, and is wiped when it goes.
pub struct MachineToken(OpaqueToken);

impl MachineToken {
    /// A new one, of 32 random bytes.
    #[must_use]
    pub fn generate(entropy: &Entropy) -> Self {
        Self(OpaqueToken::generate(entropy))
    }

    /// What is given out, once.
    #[must_use]
    pub fn raw(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", self.0.raw()))
    }

    /// What is kept: the SHA-256 of the 32 bytes.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.0.hash()
    }
}

/// What a text claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// A machine token, whose hash is this; whether it is one of ours is to be looked up.
    Machine([u8; 32]),
    /// A machine token that is not whole.
    Broken,
    /// Something else.
    Other,
}

/// Reads a bearer token.
#[must_use]
pub fn claimed(token: &str) -> Claimed {
    token.strip_prefix(PREFIX).map_or(Claimed::Other, |rest| OpaqueToken::parse(rest).map_or(Claimed::Broken, Claimed::Machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    // D1: a token that was cut or extended is none.
    #[test]
    fn only_the_whole_token_counts() {
        let token = MachineToken::generate(&Entropy::seeded(3));
        let raw = token.raw();
        assert_eq!(raw.len(), PREFIX.len() + 43);
        assert_eq!(claimed(&raw), Claimed::Machine(token.hash()));
        for broken in [&raw[..raw.len() - 1], &format!("{}A", *raw), &format!("{} ", *raw), PREFIX] {
            assert_eq!(claimed(broken), Claimed::Broken, "{broken:?}");
        }
        for other in ["", "postern_", &raw[PREFIX.len()..], "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", &raw.to_uppercase()] {
            assert_eq!(claimed(other), Claimed::Other, "{other:?}");
        }
    }
}
