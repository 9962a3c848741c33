//! Password hashes (Argon2id, PHC strings), made and checked on threads of their own, so that they never hold up a request that needs none.

use std::{fmt, sync::Arc, thread, time::Duration};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use password_hash::phc::{Output, ParamsString, PasswordHash, Salt};

use super::{
    keyed_hash::constant_time_eq,
    work_pool::{Limits, Refused, WorkPool},
};
use crate::entropy::Entropy;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Stored hashes that ask for more (imported ones) are not computed: one sign-in must not take the machine.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_WORK_KIB: u64 = 2 * 1024 * 1024;

/// Argon2id's costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// How hashing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of the hashes that are made.
    pub costs: Costs,
    /// Threads; by default one for each processor.
    pub threads: Option<usize>,
    /// How many jobs may wait.
    pub queue: usize,
    /// How long a job may wait.
    pub queue_wait: Duration,
}

/// No room: the queue is full, or the job waited too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being hashed")]
pub struct Overloaded {
    /// When it may succeed.
    pub retry_after: Duration,
}

/// What a password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Right {
        /// The stored hash has other costs than the settings ask for: make it anew.
        rehash: bool,
    },
    /// It is not, or there is none to compare with.
    Wrong,
}

/// Hashing cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The costs are out of Argon2's range.
    #[error("the costs of password hashing are out of range: {0}")]
    Costs(argon2::Error),
    /// The threads did not start.
    #[error("the threads for password hashing did not start")]
    Threads(#[from] std::io::Error),
}

/// Makes and checks hashes. Clones share the threads, which end with the last one.
#[derive(Clone)]
pub struct PasswordHasher {
    pool: Arc<WorkPool<Memory>>,
    params: Params,
    retry_after: Duration,
    entropy: Entropy,
}

/// The blocks that Argon2 fills: kept by a thread, since asking the system for 19 MiB each time costs a tenth of the hash.
#[derive(Default)]
struct Memory(Vec<Block>);

impl PasswordHasher {
    /// Starts the threads.
    pub fn new(settings: Settings, entropy: Entropy) -> Result<Self, SetUpError> {
        let params = params(settings.costs).map_err(SetUpError::Costs)?;
        let threads = settings.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let pool = WorkPool::start(Limits { threads, queue: settings.queue, queue_wait: settings.queue_wait })?;
        let retry_after = settings.queue_wait.max(Duration::from_secs(1));
        Ok(Self { pool: Arc::new(pool), params, retry_after, entropy })
    }

    /// Hashes a new password, with a salt of its own: a PHC string.
    pub async fn hash(&self, password: impl AsRef<[u8]> + Send + 'static) -> Result<String, Overloaded> {
        let (params, salt) = (self.params.clone(), self.entropy.bytes::<SALT_BYTES>());
        let hashed = self.run(move |memory| hash(&params, password.as_ref(), &salt, memory)).await?;
        hashed.ok_or_else(|| {
            tracing::error!("a password could not be hashed");
            self.overloaded()
        })
    }

    /// Checks a password against a stored PHC string. `None` (an unknown account, or one without a password) is wrong, and takes the same time.
    pub async fn verify(&self, password: impl AsRef<[u8]> + Send + 'static, stored: Option<String>) -> Result<Verdict, Overloaded> {
        let params = self.params.clone();
        self.run(move |memory| verify(&params, password.as_ref(), stored.as_deref(), memory)).await
    }

    /// Judges a password on the same threads: how strong it is takes long to tell for some that were made for that.
    pub async fn judge<T: Send + 'static>(&self, rule: impl FnOnce() -> T + Send + 'static) -> Result<T, Overloaded> {
        self.run(move |_| rule()).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T, Overloaded> {
        self.pool.run(work).await.map_err(|Refused| self.overloaded())
    }

    const fn overloaded(&self) -> Overloaded {
        Overloaded { retry_after: self.retry_after }
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher").field("params", &self.params).finish_non_exhaustive()
    }
}

/// One plain Argon2id hash on this thread, with fresh memory: what the benchmarks compare the threads with. `None` if the costs are out of range.
#[must_use]
pub fn hash_alone(costs: Costs, password: &[u8], salt: &[u8; SALT_BYTES]) -> Option<String> {
    hash(&params(costs).ok()?, password, salt, &mut Memory::default())
}

fn params(costs: Costs) -> Result<Params, argon2::Error> {
    Params::new(costs.memory_kib, costs.passes, costs.lanes, Some(HASH_BYTES))
}

fn hash(params: &Params, password: &[u8], salt: &[u8; SALT_BYTES], memory: &mut Memory) -> Option<String> {
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

fn verify(ours: &Params, password: &[u8], stored: Option<&str>, memory: &mut Memory) -> Verdict {
    let Some(stored) = stored.and_then(Stored::parse) else {
        memory.burn(ours, password);
        return Verdict::Wrong;
    };
    let is_cheaper = work(stored.argon2.params()) < work(ours);
    if stored.is_right(password, memory) {
        return Verdict::Right { rehash: !stored.is_as_asked(ours) };
    }
    if is_cheaper {
        // Or else the time would tell this account from one that does not exist.
        memory.burn(ours, password);
    }
    Verdict::Wrong
}

/// A stored hash that can be computed.
struct Stored {
    argon2: Argon2<'static>,
    algorithm: Algorithm,
    version: Version,
    salt: Salt,
    hash: Output,
}

impl Stored {
    fn parse(phc: &str) -> Option<Self> {
        let parsed = Self::read(phc);
        if parsed.is_none() {
            tracing::error!("a stored password hash cannot be read, or asks for too much");
        }
        parsed
    }

    fn read(phc: &str) -> Option<Self> {
        let phc = PasswordHash::new(phc).ok()?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
        let params = Params::try_from(&phc).ok()?;
        if params.m_cost() > MOST_MEMORY_KIB || work(&params) > MOST_WORK_KIB {
            return None;
        }
        Some(Self { argon2: Argon2::new(algorithm, version, params), algorithm, version, salt: phc.salt?, hash: phc.hash? })
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
    fn burn(&mut self, params: &Params, password: &[u8]) {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut output = [0; HASH_BYTES];
        let burnt = self.fill(&argon2, password, &[0; SALT_BYTES], &mut output);
        std::hint::black_box((burnt, output)).0.ok();
    }
}
