//! The secret that everything sealed hangs on: from the settings, or made on the first start of a development gateway.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    Mode,
    reader::{Problem, Reader},
};
use crate::entropy::Entropy;

const SHORTEST: usize = 32;
const FEWEST_DIFFERENT_BYTES: usize = 8;

pub(super) fn read(reader: &mut Reader<'_>) -> Vec<SecretString> {
    let mut secrets = reader.secrets(
        "secret",
        "development: made on the first start; production: needed",
        "Random text of 32 bytes or more that keys are derived from, or several separated by commas: the first seals, all open.",
    );
    let file: Option<PathBuf> = reader.optional("secret_file", "A file with the secrets instead, one a line.");
    if let Some(path) = file {
        if !secrets.is_empty() {
            reader.problem("secret_file", "must not be set together with secret");
        }
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(content) => secrets = content.lines().map(str::trim).filter(|line| !line.is_empty()).map(SecretString::from).collect(),
            Err(error) => reader.problem("secret_file", format!("cannot be read: {error}")),
        }
    }
    if secrets.is_empty() && reader.mode == Mode::Production {
        reader.problem("secret", "is needed in production: 32 random bytes or more, as from `openssl rand -base64 32`");
    }
    for (index, secret) in secrets.iter().enumerate() {
        if !is_strong(secret.expose_secret()) {
            reader.problem("secret", format!("is too weak: number {} has fewer than 32 bytes, or fewer than 8 different ones", index + 1));
        }
    }
    secrets
}

fn is_strong(secret: &str) -> bool {
    let mut seen = [false; 256];
    secret.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    secret.len() >= SHORTEST && seen.iter().filter(|seen| **seen).count() >= FEWEST_DIFFERENT_BYTES
}

/// Makes the data folder, for its owner alone.
pub(super) fn make_folder(folder: &Path) -> Result<(), Problem> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Problem::new(format!("data_dir: {} cannot be made: {error}", folder.display())))
}

/// The secret in the data folder. Processes that start at the same time end up with the same one.
pub(super) fn load_or_make(folder: &Path, entropy: &Entropy) -> Result<SecretString, Problem> {
    let path = folder.join("secret");
    match load(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &path, entropy).and_then(|()| load(&path)),
        loaded => loaded,
    }
    .map_err(|error| Problem::new(format!("secret: {}: {error}", path.display())))
}

fn load(path: &Path) -> io::Result<SecretString> {
    let content = Zeroizing::new(fs::read_to_string(path)?);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path)?.permissions());
        if mode & 0o077 != 0 {
            return Err(io::Error::other("others may read it; take that away with chmod 600, or remove the file to get a new secret"));
        }
    }
    let secret = content.trim();
    if is_strong(secret) { Ok(SecretString::from(secret)) } else { Err(io::Error::other("it is damaged or too short")) }
}

fn make(folder: &Path, path: &Path, entropy: &Entropy) -> io::Result<()> {
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()));
    let draft = folder.join(format!("secret.{}", hex::encode(entropy.bytes::<8>())));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    let linked = file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| {
        // A link never replaces: whoever comes second takes what the first one made, and nobody reads half a file.
        fs::hard_link(&draft, path)
    });
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}
