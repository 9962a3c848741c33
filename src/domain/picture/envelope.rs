//! Where the file of a picture ends: one that ends before its last mark is broken, and one that goes on after it is something else too.
//!
//! Behind a JPEG cameras and phones put things of their own: further JPEGs (MPF: previews, gain maps), the film of a motion photo, Samsung's
//! trailer. These are known by their structure, up to the last byte. Zeros at the end fill a block, and are nothing.

/// A whole file, and nothing else behind it.
pub(super) fn is_whole_jpeg(bytes: &[u8]) -> bool {
    end_of_jpeg(bytes).and_then(|end| bytes.get(end..)).is_some_and(is_camera_tail)
}

/// The same for a PNG.
pub(super) fn is_whole_png(bytes: &[u8]) -> bool {
    end_of_png(bytes).and_then(|end| bytes.get(end..)).is_some_and(is_padding)
}

/// The same for a GIF.
pub(super) fn is_whole_gif(bytes: &[u8]) -> bool {
    end_of_gif(bytes).and_then(|end| bytes.get(end..)).is_some_and(is_padding)
}

/// The same for a WebP.
pub(super) fn is_whole_webp(bytes: &[u8]) -> bool {
    end_of_webp(bytes).and_then(|end| bytes.get(end..)).is_some_and(is_padding)
}

fn is_padding(tail: &[u8]) -> bool {
    tail.iter().all(|byte| *byte == 0)
}

/// Behind the mark that ends the picture, which stands after at least one scan.
fn end_of_jpeg(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.starts_with(&[0xff, 0xd8]).then_some(2)?;
    let mut scans = 0_u32;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        match *bytes.get(at + 1)? {
            // A mark may be filled up before it.
            0xff => at += 1,
            0x01 | 0xd0..=0xd7 => at += 2,
            0xd9 => return (scans > 0).then_some(at + 2),
            0x00 | 0xd8 => return None,
            marker => {
                at += 2 + usize::from(be16(bytes, at + 2).filter(|length| *length >= 2)?);
                if marker == 0xda {
                    scans += 1;
                    at = end_of_scan(bytes, at)?;
                }
            }
        }
    }
}

/// The mark that ends the data of a scan: any but a stuffed byte or a restart.
fn end_of_scan(bytes: &[u8], from: usize) -> Option<usize> {
    let data = bytes.get(from..)?;
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    data.windows(2).position(ends).map(|length| from + length)
}

fn is_camera_tail(tail: &[u8]) -> bool {
    let mut rest = tail;
    loop {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        let Some(next) = rest.get(zeros..).filter(|next| !next.is_empty()) else { return true };
        let Some(behind) = end_of_jpeg(next).and_then(|end| next.get(end..)) else {
            // The length of its first box begins with zeros itself.
            let is_film = (0..=zeros.min(3)).any(|back| rest.get(zeros - back..).is_some_and(is_film));
            return is_film || is_samsung_trailer(rest);
        };
        rest = behind;
    }
}

/// Boxes of the ISO base media format, `ftyp` first, one after the other to the end.
fn is_film(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    if rest.get(4..8) != Some(b"ftyp".as_slice()) {
        return false;
    }
    while !is_padding(rest) {
        let Some(kind) = rest.get(4..8) else { return false };
        let length = match be32(rest, 0) {
            Some(1) => rest.get(8..16).and_then(|long| usize::try_from(u64::from_be_bytes(long.try_into().ok()?)).ok()),
            length => length.and_then(|length| usize::try_from(length).ok()),
        };
        let is_box = kind.iter().all(|letter| letter.is_ascii_graphic() || *letter == b' ');
        match length.filter(|length| is_box && *length >= 8).and_then(|length| rest.get(length..)) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
}

/// Samsung's: blocks, a directory (`SEFH`) that names all of them, and its length (`SEFT`).
fn is_samsung_trailer(bytes: &[u8]) -> bool {
    fn blocks_begin(bytes: &[u8]) -> Option<usize> {
        let end = bytes.len().checked_sub(8).filter(|end| bytes.get(end + 4..) == Some(b"SEFT".as_slice()))?;
        let directory = end.checked_sub(usize::try_from(le32(bytes, end)?).ok()?)?;
        if bytes.get(directory..directory + 4) != Some(b"SEFH".as_slice()) {
            return None;
        }
        let count = usize::try_from(le32(bytes, directory + 8)?).ok()?;
        if directory + 12 + count.checked_mul(12)? != end {
            return None;
        }
        let mut first = directory;
        let mut all = 0_usize;
        for number in 0..count {
            let entry = directory + 12 + 12 * number;
            let back = usize::try_from(le32(bytes, entry + 4)?).ok()?;
            let length = usize::try_from(le32(bytes, entry + 8)?).ok()?;
            first = first.min(directory.checked_sub(back)?);
            all = all.checked_add(length)?;
        }
        // They fill the whole of it.
        (directory - first == all).then_some(first)
    }
    blocks_begin(bytes).is_some_and(|begin| bytes.get(..begin).is_some_and(is_padding))
}

fn end_of_png(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.starts_with(b"\x89PNG\r\n\x1a\n").then_some(8)?;
    loop {
        let length = usize::try_from(be32(bytes, at)?).ok()?;
        let kind = bytes.get(at + 4..at + 8)?;
        at = at.checked_add(12)?.checked_add(length).filter(|end| *end <= bytes.len())?;
        if kind == b"IEND" {
            return (length == 0).then_some(at);
        }
    }
}

/// Behind the trailer, which stands after at least one frame.
fn end_of_gif(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"GIF87a") && !bytes.starts_with(b"GIF89a") {
        return None;
    }
    let mut at = 13 + colors(*bytes.get(10)?);
    let mut frames = 0_u32;
    loop {
        match *bytes.get(at)? {
            0x21 => at = end_of_blocks(bytes, at + 2)?,
            0x2c => {
                frames += 1;
                at = end_of_blocks(bytes, at + 11 + colors(*bytes.get(at + 9)?))?;
            }
            0x3b => return (frames > 0).then_some(at + 1),
            _ => return None,
        }
    }
}

/// Bytes of a table of colours, by the flags that announce it.
const fn colors(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 0x07) + 1) }
}

fn end_of_blocks(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            length => at += 1 + length,
        }
    }
}

fn end_of_webp(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"WEBP".as_slice()) {
        return None;
    }
    let end = usize::try_from(le32(bytes, 4)?).ok()?.checked_add(8).filter(|end| *end <= bytes.len())?;
    let mut at = 12_usize;
    while at < end {
        let length = usize::try_from(le32(bytes, at + 4)?).ok()?;
        // The last one may miss the byte that makes its length even.
        at = at.checked_add(8)?.checked_add(length).filter(|behind| *behind <= end)?;
        at += usize::from(length % 2 == 1 && at < end);
    }
    (at > 12).then_some(end)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least that ends like a JPEG: no decoder looks at it here.
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x04JF\xff\xda\0\x03x\x12\xff\0\x34\xff\xd3\x56\xff\xd9";

    fn film(boxes: &[(&[u8; 4], usize)]) -> Vec<u8> {
        let mut film = Vec::new();
        for (kind, length) in boxes {
            film.extend_from_slice(&u32::try_from(length + 8).unwrap().to_be_bytes());
            film.extend_from_slice(*kind);
            film.resize(film.len() + length, 7);
        }
        film
    }

    fn samsung(blocks: &[&[u8]]) -> Vec<u8> {
        let mut trailer = blocks.concat();
        let mut directory = b"SEFH\x6b\0\0\0".to_vec();
        directory.extend_from_slice(&u32::try_from(blocks.len()).unwrap().to_le_bytes());
        let mut back = trailer.len();
        for block in blocks {
            directory.extend_from_slice(&[0, 0, 1, 10]);
            directory.extend_from_slice(&u32::try_from(back).unwrap().to_le_bytes());
            directory.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
            back -= block.len();
        }
        let length = u32::try_from(directory.len()).unwrap();
        trailer.extend_from_slice(&directory);
        trailer.extend_from_slice(&length.to_le_bytes());
        trailer.extend_from_slice(b"SEFT");
        trailer
    }

    // What cameras and phones put behind their pictures.
    #[test]
    fn real_tails_of_jpegs_are_known() {
        let mut film_of_256 = film(&[(b"ftyp", 248), (b"mdat", 3000)]);
        let tails: [Vec<u8>; 8] = [
            Vec::new(),
            vec![0; 100],
            JPEG.to_vec(),
            [&[0; 9], JPEG, &[0; 5], JPEG, &[0; 7]].concat(),
            film(&[(b"ftyp", 16), (b"mdat", 3000), (b"moov", 300)]),
            film_of_256.clone(),
            [JPEG, &film(&[(b"ftyp", 16), (b"free", 0)])].concat(),
            samsung(&[b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1700000000000", b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Datafilm"]),
        ];
        for tail in tails {
            assert!(is_whole_jpeg(&[JPEG, &tail].concat()), "{}", tail.escape_ascii());
        }
        film_of_256.truncate(1000);
        let others: [Vec<u8>; 9] = [
            b"<html>".to_vec(),
            b"\0\0\0<html>".to_vec(),
            JPEG[..JPEG.len() - 1].to_vec(),
            [JPEG, b"<html>"].concat(),
            film_of_256,
            [&film(&[(b"ftyp", 16)])[..], b"<script>alert(1)</script>"].concat(),
            [b"<html>", &samsung(&[b"block"])[..]].concat(),
            [&samsung(&[b"block"])[..], b"<html>"].concat(),
            b"xxxxSEFT".to_vec(),
        ];
        for tail in others {
            assert!(!is_whole_jpeg(&[JPEG, &tail].concat()), "{}", tail.escape_ascii());
        }
        assert!(!is_whole_jpeg(b"\xff\xd8\xff\xd9"), "nothing was scanned");
        assert!(!is_whole_jpeg(b"\xff\xd8\xff\xda\0\x01") && !is_whole_jpeg(b"\xff\xd8\xff\xd8\xff\xd9"));
    }
}
