//! The file of a picture while it comes in.

use std::io;

use memmap2::MmapMut;

/// Bytes in memory of their own, which goes back to the system with them: an allocator would hold on to megabytes. What is promised costs nothing
/// until bytes come.
#[derive(Debug)]
pub struct PictureFile {
    memory: MmapMut,
    length: usize,
}

impl PictureFile {
    /// Nothing yet, with room for so many bytes.
    pub fn with_room(bytes: usize) -> io::Result<Self> {
        Ok(Self { memory: MmapMut::map_anon(bytes.max(1))?, length: 0 })
    }

    /// Adds bytes; false, and nothing is added, where there is no room for them.
    #[must_use]
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.memory.get_mut(self.length..).and_then(|rest| rest.get_mut(..bytes.len())) else { return false };
        room.copy_from_slice(bytes);
        self.length += bytes.len();
        true
    }
}

impl AsRef<[u8]> for PictureFile {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_there_is_room_for() {
        let mut file = PictureFile::with_room(5).unwrap();
        assert!(file.append(b"abc") && !file.append(b"def") && file.append(b"de") && !file.append(b"f") && file.append(b""));
        assert_eq!(file.as_ref(), b"abcde");
        assert!(PictureFile::with_room(0).unwrap().as_ref().is_empty());
    }
}
