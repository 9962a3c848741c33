//! The only source of randomness: the operating system's, or a seeded one that makes tests repeatable.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use entity::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::Uuid;

/// Where random bytes come from. Clones share the same source.
#[derive(Clone)]
pub struct Entropy(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Entropy {
    /// The generator of this thread, seeded by the operating system (a CSPRNG).
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The same bytes at every run, for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the thread's generator")]
            Source::System => rand::rng().fill_bytes(bytes),
            Source::Seeded(generator) => generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes),
        }
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A time-ordered id (UUIDv7, RFC 9562) of the given instant.
    #[must_use]
    pub fn uuid(&self, now: Timestamp) -> Uuid {
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.millis()).unwrap_or(0), &self.bytes()).into_uuid()
    }

    /// A number below `bound`, every one equally likely.
    #[must_use]
    pub fn below(&self, bound: u32) -> u32 {
        let bound = bound.max(1);
        let unbiased = u32::MAX - u32::MAX % bound;
        loop {
            let draw = u32::from_le_bytes(self.bytes());
            if draw < unbiased {
                return draw % bound;
            }
        }
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}
