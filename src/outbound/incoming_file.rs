//! A file while it comes in: on disk, under no name, so that many slow senders cost no memory, and nothing is left of a process that dies.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};

/// What came so far.
#[derive(Debug)]
pub struct IncomingFile {
    file: File,
    room: usize,
}

impl IncomingFile {
    /// Nothing yet, with room for so many bytes.
    pub async fn create(folder: &Path, room: usize) -> io::Result<Self> {
        let folder = PathBuf::from(folder);
        let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await.map_err(io::Error::other)?;
        Ok(Self { file: File::from_std(made?), room })
    }

    /// Adds bytes; false, and nothing is added, where there is no room for them.
    pub async fn append(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Some(room) = self.room.checked_sub(bytes.len()) else { return Ok(false) };
        self.file.write_all(bytes).await?;
        self.room = room;
        Ok(true)
    }

    /// All of it, to be read from its beginning.
    pub async fn finish(mut self) -> io::Result<fs::File> {
        self.file.flush().await?;
        self.file.rewind().await?;
        Ok(self.file.into_std().await)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn it_takes_what_there_is_room_for() {
        let mut file = IncomingFile::create(&std::env::temp_dir(), 5).await.unwrap();
        for (bytes, fits) in [(&b"abc"[..], true), (b"def", false), (b"de", true), (b"f", false), (b"", true)] {
            assert_eq!(file.append(bytes).await.unwrap(), fits);
        }
        let mut whole = String::new();
        file.finish().await.unwrap().read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "abcde");
        assert!(IncomingFile::create(Path::new("/nowhere"), 5).await.is_err());
    }
}
