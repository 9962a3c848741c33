//! Pictures of people: how large they may be, and where they lie.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use url::Url;

use super::{Mode, reader::Reader, value::is_loopback};

/// Settings of avatars.
#[derive(Clone, Debug)]
pub struct Avatars {
    /// Bytes of a file that is sent.
    pub max_bytes: usize,
    /// Where pictures lie, unless a bucket is given.
    pub folder: PathBuf,
    /// A bucket of an S3-compatible storage.
    pub s3: Option<S3>,
    /// Where files lie while they come in.
    pub incoming_folder: PathBuf,
    /// What makes pictures of files: this very program. No setting; tests name another one.
    pub program: PathBuf,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// What names in it begin with.
    pub prefix: String,
    /// Its region.
    pub region: String,
    /// Of a storage other than Amazon's.
    pub endpoint: Option<Url>,
    /// Both parts of the key; without, the environment's own (an instance role, for example).
    pub key: Option<(String, SecretString)>,
}

impl Avatars {
    pub(super) fn read(reader: &mut Reader<'_>, data_dir: &Path) -> Self {
        let max_bytes = reader.value("avatars.max_bytes", 5 * 1024 * 1024, "Bytes of an avatar's file at most, 8388608 at most.");
        let folder = reader.derived(
            "avatars.folder",
            (data_dir.join("avatars"), "`avatars` in data_dir"),
            "Where avatars lie. Several instances share it, or use a bucket.",
        );
        let bucket: Option<String> = reader.optional("avatars.s3_bucket", "A bucket of an S3-compatible storage, instead of the folder.");
        let prefix = reader.value(
            "avatars.s3_prefix",
            "avatars".to_owned(),
            "What the names of avatars in the bucket begin with. Deployments that share a bucket need one each: they sweep away what is not theirs.",
        );
        let region = reader.value("avatars.s3_region", "us-east-1".to_owned(), "The bucket's region.");
        let endpoint: Option<Url> =
            reader.optional("avatars.s3_endpoint", "Where the storage is, if it is not Amazon's: https://storage.example.com.");
        let id: Option<String> =
            reader.optional("avatars.s3_access_key_id", "The key's id. None: what the machine is given (an instance role, for example).");
        let secret: Option<SecretString> = reader.optional("avatars.s3_secret_access_key", "The key's secret.");
        let incoming_folder = reader.derived(
            "avatars.incoming_folder",
            (std::env::temp_dir(), "the system's folder for temporary files"),
            "Where files lie while they come in; better on a disk than in memory.",
        );
        if !is_prefix(&prefix) {
            reader.problem("avatars.s3_prefix", "must be names of letters, digits, `-`, `_` and `.`, with `/` between them");
        }
        if bucket.as_deref().is_some_and(|bucket| !is_bucket(bucket)) {
            reader.problem("avatars.s3_bucket", "must be 3 to 63 lower-case letters, digits, `-` and `.`, as S3 names buckets");
        }
        if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            reader.problem("avatars.s3_region", "must be letters, digits and `-`");
        }
        if !(64 * 1024..=8 * 1024 * 1024).contains(&max_bytes) {
            reader.problem("avatars.max_bytes", "must be from 65536 to 8388608");
        }
        if id.is_some() != secret.is_some() {
            reader.problem("avatars.s3_secret_access_key", "and avatars.s3_access_key_id go together");
        }
        if endpoint.as_ref().is_some_and(|url| !is_safe(url, reader.mode)) {
            reader.problem("avatars.s3_endpoint", "must begin with https:// (http:// on loopback, or in development)");
        }
        let s3 = bucket.map(|bucket| S3 { bucket, prefix, region, endpoint, key: id.zip(secret) });
        Self { max_bytes, folder, s3, incoming_folder, program: this_program() }
    }
}

/// Also where its file was replaced by a newer one since it started.
fn this_program() -> PathBuf {
    if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { std::env::current_exe().unwrap_or_else(|_| "postern".into()) }
}

fn is_bucket(text: &str) -> bool {
    (3..=63).contains(&text.len())
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
}

fn is_prefix(text: &str) -> bool {
    text.split('/').all(|name| {
        !matches!(name, "" | "." | "..") && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    })
}

fn is_safe(url: &Url, mode: Mode) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && (mode == Mode::Development || url.host_str().is_some_and(is_loopback))
}
