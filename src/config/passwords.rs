//! What a password must be, and what it costs to check one.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{Mode, reader::Reader, value::is_loopback};

/// Settings of passwords.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// Memory of an Argon2id hash, in KiB.
    pub memory_kib: u32,
    /// Passes of an Argon2id hash.
    pub passes: u32,
    /// Lanes of an Argon2id hash.
    pub lanes: u32,
    /// Code points at least.
    pub min_length: usize,
    /// Code points at most.
    pub max_length: usize,
    /// Score of zxcvbn at least, 0 to 4.
    pub min_strength: u8,
    /// Hashes that may wait.
    pub queue: usize,
    /// How long a hash may wait.
    pub queue_wait: Duration,
    /// A sorted file of SHA-1 hashes of breached passwords.
    pub breached_list: Option<PathBuf>,
    /// Whether a service is asked for breached passwords, too.
    pub breached_api: bool,
    /// Where it is.
    pub breached_api_url: Url,
    /// How long it may take.
    pub breached_api_timeout: Duration,
    /// No wrong password is answered sooner.
    pub imported_floor: Duration,
    /// Threads that hash; none: as many as there are cores.
    pub threads: Option<usize>,
}

/// Passes and the memory that they need at least, by OWASP's password storage cheat sheet.
const ENOUGH_MEMORY: [(u32, u32); 5] = [(1, 47_104), (2, 19_456), (3, 12_288), (4, 9_216), (5, 7_168)];

#[expect(clippy::expect_used, reason = "it is constant")]
fn default_service() -> Url {
    Url::parse("https://api.pwnedpasswords.com/range/").expect("a URL of a fixed form")
}

impl Passwords {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let passwords = Self {
            memory_kib: reader.count("passwords.memory_kib", 19_456, "Memory of an Argon2id hash in KiB."),
            passes: reader.count("passwords.passes", 2, "Passes of an Argon2id hash."),
            lanes: reader.count("passwords.lanes", 1, "Lanes of an Argon2id hash."),
            min_length: reader.count(
                "passwords.min_length",
                8,
                "Code points of a password at least; 15 follows NIST where the password is the only factor.",
            ),
            max_length: reader.count("passwords.max_length", 128, "Code points of a password at most."),
            min_strength: reader.value("passwords.min_strength", 3, "Score that zxcvbn must give a password at least, 0 to 4."),
            queue: reader.count("passwords.queue", 256, "Hashes that may wait; more are refused as OVERLOADED."),
            queue_wait: reader.duration("passwords.queue_wait", Duration::from_secs(3), "How long a hash may wait."),
            breached_list: reader.optional(
                "passwords.breached_list",
                "A file of SHA-1 hashes of breached passwords, sorted, in the format of Have I Been Pwned; what is in it is refused.",
            ),
            breached_api: reader.value(
                "passwords.breached_api",
                false,
                "Whether a service like Have I Been Pwned is asked too: it learns five digits of a hash. One that is away or slow refuses nothing.",
            ),
            breached_api_url: reader.value("passwords.breached_api_url", default_service(), "Where that service is."),
            breached_api_timeout: reader.duration("passwords.breached_api_timeout", Duration::from_secs(1), "How long it may take."),
            imported_floor: reader.value(
                "passwords.imported_floor",
                Duration::from_millis(500),
                "No wrong password is answered sooner. It must be more than the slowest imported hash takes here, or its time tells who was imported; 0s where nobody is.",
            ),
            threads: reader.optional("passwords.threads", "Threads that hash. None: as many as there are cores."),
        };
        passwords.check(reader);
        passwords.check_breached(reader);
        passwords
    }

    fn check_breached(&self, reader: &mut Reader<'_>) {
        if self.breached_list.as_ref().is_some_and(|file| !file.is_file()) {
            reader.problem("passwords.breached_list", "is not a file that can be read");
        }
        let url = &self.breached_api_url;
        if url.scheme() != "https" && !url.host_str().is_some_and(is_loopback) || !url.path().ends_with('/') {
            reader.problem("passwords.breached_api_url", "must begin with https:// and end with a slash");
        }
        if self.breached_api_timeout > Duration::from_secs(3) {
            reader.problem("passwords.breached_api_timeout", "must be at most 3s");
        }
    }

    fn check(&self, reader: &mut Reader<'_>) {
        // RFC 9106: at least 8 KiB a lane; the upper bounds keep a typing error from taking the machine down.
        if self.lanes > 64 {
            reader.problem("passwords.lanes", "must be at most 64");
        }
        if self.passes > 100 {
            reader.problem("passwords.passes", "must be at most 100");
        }
        if self.memory_kib < self.lanes.saturating_mul(8) || self.memory_kib > 4_194_304 {
            reader.problem("passwords.memory_kib", "must be at least 8 for each lane and at most 4194304");
        }
        let needed = ENOUGH_MEMORY.iter().rev().find(|(passes, _)| self.passes >= *passes).map_or(u32::MAX, |(_, memory)| *memory);
        if reader.mode == Mode::Production && self.memory_kib < needed {
            reader.problem("passwords.memory_kib", format!("must be at least {needed} with {} passes in production", self.passes));
        }
        if reader.mode == Mode::Production && self.min_length < 8 {
            reader.problem("passwords.min_length", "must be at least 8 in production");
        }
        if self.max_length < self.min_length || !(64..=1024).contains(&self.max_length) {
            reader.problem("passwords.max_length", "must be from 64 to 1024, and no less than passwords.min_length");
        }
        if self.imported_floor > Duration::from_secs(3) {
            reader.problem("passwords.imported_floor", "must be at most 3s");
        }
        if self.min_strength > 4 {
            reader.problem("passwords.min_strength", "must be from 0 to 4");
        }
        if self.threads.is_some_and(|threads| threads == 0 || threads > 1024) {
            reader.problem("passwords.threads", "must be from 1 to 1024");
        }
    }
}
