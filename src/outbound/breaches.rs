//! Passwords that are known from breaches: a local list, and a service that is told no more than the first five digits of a hash.

use std::{cmp::Ordering, fs::File, io, os::unix::fs::FileExt, sync::Arc, time::Duration};

use sha1::{Digest, Sha1};
use url::Url;

use crate::config::Passwords;

/// Hexadecimal digits of a SHA-1.
const DIGITS: usize = 40;
/// What the service is told of them.
const TOLD: usize = 5;
/// Longer than any line: digits, a colon and a count.
const LINE: usize = 128;
/// A padded answer has some 60 KiB.
const MOST_ANSWER: usize = 1024 * 1024;

/// The list cannot be used, or the client of the service not be made.
#[derive(Debug, thiserror::Error)]
pub enum BreachFault {
    /// The file.
    #[error("the list of breached passwords: {0}")]
    List(#[from] io::Error),
    /// The client.
    #[error("the service of breached passwords: {0}")]
    Service(#[from] reqwest::Error),
}

/// What is asked. Clones share it.
#[derive(Clone, Debug)]
pub struct Breaches {
    list: Option<Arc<List>>,
    service: Option<Service>,
}

#[derive(Clone, Debug)]
struct Service {
    client: reqwest::Client,
    url: Url,
}

/// A file of SHA-1 hashes in hexadecimal, one a line and sorted, each with or without a colon and a count (as Have I Been Pwned gives them out).
/// It is searched where it lies.
#[derive(Debug)]
struct List {
    file: File,
    length: u64,
}

impl Breaches {
    /// By the settings.
    pub fn open(settings: &Passwords) -> Result<Self, BreachFault> {
        let list = settings.breached_list.as_deref().map(|path| List::open(File::open(path)?)).transpose()?;
        let service = if settings.breached_api {
            let client = reqwest::Client::builder()
                .timeout(settings.breached_api_timeout)
                .connect_timeout(settings.breached_api_timeout.min(Duration::from_secs(2)))
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("postern/", env!("CARGO_PKG_VERSION")))
                .build()?;
            Some(Service { client, url: settings.breached_api_url.clone() })
        } else {
            None
        };
        Ok(Self { list: list.map(Arc::new), service })
    }

    /// Whether the local list has it. Reads some 35 pieces of the file: not for a thread that serves requests.
    #[must_use]
    pub fn is_listed(&self, password: &[u8]) -> bool {
        let Some(list) = &self.list else { return false };
        match list.contains(&digits(password)) {
            Ok(known) => {
                count("list", if known { "known" } else { "unknown" });
                known
            }
            Err(error) => {
                tracing::warn!(%error, "the list of breached passwords could not be searched: the password is allowed");
                count("list", "failed");
                false
            }
        }
    }

    /// Whether the service knows it. One that is away or slow knows nothing: nobody is kept from a password by that.
    pub async fn is_known_to_service(&self, password: &[u8]) -> bool {
        let Some(service) = &self.service else { return false };
        let digits = digits(password);
        match service.knows(&digits).await {
            Ok(known) => {
                count("service", if known { "known" } else { "unknown" });
                known
            }
            Err(why) => {
                tracing::warn!(why, "the service of breached passwords did not answer: the password is allowed");
                count("service", "failed");
                false
            }
        }
    }
}

fn count(source: &'static str, outcome: &'static str) {
    metrics::counter!("postern_breach_checks_total", "source" => source, "outcome" => outcome).increment(1);
}

fn digits(password: &[u8]) -> String {
    hex::encode_upper(Sha1::digest(password))
}

impl Service {
    async fn knows(&self, digits: &str) -> Result<bool, &'static str> {
        let (told, kept) = digits.split_at_checked(TOLD).ok_or("a hash is too short")?;
        let url = self.url.join(told).map_err(|_| "its address is none")?;
        let answer = self.client.get(url).header("Add-Padding", "true").send().await;
        let mut answer = answer.map_err(|error| if error.is_timeout() { "too slow" } else { "not reached" })?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err("another status than 200");
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| "broke off")? {
            text.extend_from_slice(&chunk);
            if text.len() > MOST_ANSWER {
                return Err("too long an answer");
            }
        }
        Ok(String::from_utf8_lossy(&text).lines().any(|line| {
            // What pads the answer has a count of 0.
            line.trim().split_once(':').is_some_and(|(suffix, count)| suffix.eq_ignore_ascii_case(kept) && count.trim() != "0")
        }))
    }
}

impl List {
    fn open(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let list = Self { file, length: metadata.len() };
        let looks_right = list.line(0)?.is_none_or(|(digits, _)| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if metadata.is_file() && looks_right { Ok(list) } else { Err(io::Error::other("its first line is no SHA-1 in hexadecimal")) }
    }

    fn contains(&self, wanted: &str) -> io::Result<bool> {
        // Lines that may be it begin at `low` or later, and before `high`.
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            let start = if middle == low { Some(low) } else { self.next_start(middle - 1)?.filter(|start| *start < high) };
            let Some(start) = start else {
                high = middle;
                continue;
            };
            let Some((digits, end)) = self.line(start)? else {
                high = middle;
                continue;
            };
            match digits.as_str().cmp(wanted) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => low = end,
                Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    /// Where the first line begins after the end of the one that `at` is in.
    fn next_start(&self, at: u64) -> io::Result<Option<u64>> {
        let bytes = self.read(at)?;
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => Ok(Some(at + end as u64 + 1)),
            None if bytes.len() < LINE => Ok(None),
            None => Err(io::Error::other("a line is too long")),
        }
    }

    /// The digits of the line that begins at `start`, in upper case, and where the next one begins; `None` at the end.
    fn line(&self, start: u64) -> io::Result<Option<(String, u64)>> {
        let bytes = self.read(start)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        let digits = bytes.get(..DIGITS).filter(|_| end >= DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.ok_or_else(|| io::Error::other("a line is too short"))?;
        Ok(Some((digits.to_ascii_uppercase(), start + end as u64)))
    }

    fn read(&self, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; LINE];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn list(name: &str, content: &str) -> io::Result<List> {
        let path = std::env::temp_dir().join(format!("postern-breaches-{}-{name}", std::process::id()));
        File::create(&path)?.write_all(content.as_bytes())?;
        let opened = List::open(File::open(&path)?);
        std::fs::remove_file(path)?;
        opened
    }

    #[test]
    fn every_hash_of_a_list_is_found_and_no_other() {
        let mut hashes: Vec<_> = (0..1000_u32).map(|number| digits(&number.to_be_bytes())).collect();
        hashes.sort();
        for count in [0, 1, 2, 3, 10, 999] {
            for (form, ending) in [("plain", "\n"), ("windows", "\r\n")] {
                let mut lines: Vec<_> = hashes.iter().take(count).map(|hash| format!("{hash}:{}", hash.len() * count)).collect();
                lines.push(String::new());
                let name = format!("{count}-{form}");
                let whole = list(&name, &lines.join(ending)).unwrap();
                let without_end = list(&name, lines.join(ending).trim_end()).unwrap();
                let bare = hashes.iter().take(count).map(|hash| hash.to_lowercase()).collect::<Vec<_>>().join(ending);
                let bare = list(&name, &bare).unwrap();
                for (index, hash) in hashes.iter().enumerate() {
                    for list in [&whole, &without_end, &bare] {
                        assert_eq!(list.contains(hash).unwrap(), index < count, "{name}: {index}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_list_is_not_opened() {
        for wrong in ["password\n", "password123456789012345678901234567890123456789\n"] {
            assert!(list("wrong", wrong).is_err(), "{wrong}");
        }
        assert!(list("broken", &format!("{}\nx\ny\n{}", "0".repeat(40), "z".repeat(300))).unwrap().contains(&"8".repeat(40)).is_err());
    }
}
