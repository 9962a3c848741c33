//! Argon2: what is made here, and what is checked whoever made it.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use password_hash::phc::{Output, ParamsString, PasswordHash, Salt};

use super::{Costs, Verdict, imported::without_django_name};
use crate::crypto::keyed_hash::constant_time_eq;

pub(super) const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Stored hashes that ask for more (imported ones) are not computed: one sign-in must not take the machine.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_WORK_KIB: u64 = 2 * 1024 * 1024;

/// The blocks that Argon2 fills: kept by a thread, since asking the system for 19 MiB each time costs a tenth of the hash.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

/// One plain Argon2id hash on this thread, with fresh memory: what the benchmarks compare the threads with. `None` if the costs are out of range.
#[must_use]
pub fn hash_alone(costs: Costs, password: &[u8], salt: &[u8; SALT_BYTES]) -> Option<String> {
    hash(&params(costs).ok()?, password, salt, &mut Memory::default())
}

pub(super) fn params(costs: Costs) -> Result<Params, argon2::Error> {
    Params::new(costs.memory_kib, costs.passes, costs.lanes, Some(HASH_BYTES))
}

pub(super) fn hash(params: &Params, password: &[u8], salt: &[u8; SALT_BYTES], memory: &mut Memory) -> Option<String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut output = [0; HASH_BYTES];
    memory.fill(&argon2, password, salt, &mut output).ok()?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(&output).ok()?),
    };
    Some(phc.to_string())
}

/// A stored hash that can be computed.
pub(super) struct Stored {
    argon2: Argon2<'static>,
    algorithm: Algorithm,
    version: Version,
    salt: Salt,
    hash: Output,
}

impl Stored {
    pub(super) fn parse(phc: &str) -> Option<Self> {
        let parsed = Self::read(without_django_name(phc));
        if parsed.is_none() {
            tracing::error!("a stored password hash cannot be read, or asks for too much");
        }
        parsed
    }

    pub(super) fn read(phc: &str) -> Option<Self> {
        let phc = PasswordHash::new(phc).ok()?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
        let params = Params::try_from(&phc).ok()?;
        if params.m_cost() > MOST_MEMORY_KIB || work(&params) > MOST_WORK_KIB {
            return None;
        }
        Some(Self { argon2: Argon2::new(algorithm, version, params), algorithm, version, salt: phc.salt?, hash: phc.hash? })
    }

    /// Whether the password is right; a wrong one costs as much as one that is compared with a hash of ours, or more.
    pub(super) fn verify(&self, ours: &Params, password: &[u8], memory: &mut Memory) -> Verdict {
        if self.is_right(password, memory) {
            return Verdict::Right { rehash: !self.is_as_asked(ours) };
        }
        if work(self.argon2.params()) < work(ours) {
            // Or else the time would tell this account from one that does not exist.
            memory.burn(ours, password);
        }
        Verdict::Wrong
    }

    fn is_right(&self, password: &[u8], memory: &mut Memory) -> bool {
        let mut output = [0; Output::MAX_LENGTH];
        let Some(output) = output.get_mut(..self.hash.len()) else { return false };
        memory.fill(&self.argon2, password, &self.salt, output).is_ok() && constant_time_eq(output, self.hash.as_bytes())
    }

    fn is_as_asked(&self, ours: &Params) -> bool {
        let params = self.argon2.params();
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && (params.m_cost(), params.t_cost(), params.p_cost()) == (ours.m_cost(), ours.t_cost(), ours.p_cost())
            && self.hash.len() == HASH_BYTES
            && self.salt.len() >= SALT_BYTES
    }
}

fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

impl Memory {
    fn fill(&mut self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), argon2::Error> {
        let blocks = argon2.params().block_count();
        if self.0.len() < blocks || self.0.len() / 2 > blocks {
            // Not resized: that would copy what is overwritten anyway.
            self.0 = Vec::new();
            self.0 = vec![Block::new(); blocks];
        }
        argon2.hash_password_into_with_memory(password, salt, output, &mut self.0)
    }

    /// Takes as long as a hash, for nothing.
    pub(super) fn burn(&mut self, params: &Params, password: &[u8]) {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut output = [0; HASH_BYTES];
        let burnt = self.fill(&argon2, password, &[0; SALT_BYTES], &mut output);
        std::hint::black_box((burnt, output)).0.ok();
    }
}
