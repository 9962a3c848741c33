//! Files that are pictures, pretend to be, or cost much: also for the bench.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};

pub fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let row = |y: u32| (0..width).flat_map(move |x| [u8::try_from(x % 251).unwrap(), u8::try_from(y % 241).unwrap(), 90]);
    let pixels = RgbImage::from_raw(width, height, (0..height).flat_map(row).collect()).unwrap();
    written(&DynamicImage::ImageRgb8(pixels), format)
}

/// A PNG with something transparent.
pub fn glass(width: u32, height: u32) -> Vec<u8> {
    let pixels = RgbaImage::from_raw(width, height, [10, 20, 30, 90].repeat((width * height) as usize)).unwrap();
    written(&DynamicImage::ImageRgba8(pixels), ImageFormat::Png)
}

fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Zeros at its end, to so many bytes.
pub fn padded(mut file: Vec<u8>, bytes: usize) -> Vec<u8> {
    file.resize(bytes, 0);
    file
}

/// A PNG that says it has 30,000 × 30,000 pixels.
pub fn many_pixels() -> Vec<u8> {
    let mut bomb = picture(1, 1, ImageFormat::Png);
    bomb[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let checksum = !bomb[12..29].iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    });
    bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
    bomb
}

/// As a camera takes it, of one colour.
pub fn photograph(width: u16, height: u16) -> Vec<u8> {
    let mut file = Jpeg::begin(0xc0, (width, height));
    // Of each block the difference, and that nothing comes after it.
    file.scan(b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0", Jpeg::blocks(width, 16) * Jpeg::blocks(height, 16) * 6 * 2);
    file.end()
}

/// A progressive JPEG of one colour: the coefficients of all of it, and next to no bytes.
pub fn progressive(width: u16, height: u16) -> Vec<u8> {
    let mut file = Jpeg::begin(0xc2, (width, height));
    file.scan(b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\0\0", Jpeg::blocks(width, 16) * Jpeg::blocks(height, 16) * 6);
    file.scan(b"\xff\xda\0\x08\x01\x01\0\x01\x3f\0", Jpeg::blocks(width, 8) * Jpeg::blocks(height, 8));
    for component in [2, 3] {
        let header = [0xff, 0xda, 0, 8, 1, component, 0, 1, 0x3f, 0];
        file.scan(&header, Jpeg::blocks(width.div_ceil(2), 8) * Jpeg::blocks(height.div_ceil(2), 8));
    }
    file.end()
}

/// A JPEG whose every coefficient is zero, which takes one bit.
struct Jpeg(Vec<u8>);

impl Jpeg {
    fn begin(frame: u8, (width, height): (u16, u16)) -> Self {
        let mut bytes = b"\xff\xd8\xff\xdb\0\x43\0".to_vec();
        bytes.extend_from_slice(&[1; 64]);
        bytes.extend_from_slice(&[0xff, frame, 0, 0x11, 8]);
        bytes.extend_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
        // 4:2:0, as nearly all of them are.
        bytes.extend_from_slice(b"\x03\x01\x22\0\x02\x11\0\x03\x11\0");
        // One code of one bit for the difference zero; one for the end of a band.
        for class in [0x00, 0x10] {
            bytes.extend_from_slice(&[0xff, 0xc4, 0, 20, class, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        Self(bytes)
    }

    fn blocks(pixels: u16, of: usize) -> usize {
        usize::from(pixels).div_ceil(of)
    }

    fn scan(&mut self, header: &[u8], bits: usize) {
        self.0.extend_from_slice(header);
        self.0.resize(self.0.len() + bits / 8, 0);
        if !bits.is_multiple_of(8) {
            self.0.push(0xff >> (bits % 8));
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"\xff\xd9");
        self.0
    }
}

/// A WebP of four pixels for which 65,536 × 5 tables of 1,024 entries each are made.
pub fn many_tables() -> Vec<u8> {
    let mut bits = Bits::default();
    for (value, count) in [(0x2f, 8), (1, 14), (1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (1, 1), (0, 3)] {
        bits.put(value, count);
    }
    // The picture that says which group of tables is used where: a single pixel, of the last group.
    bits.put(0, 1);
    for symbol in [0xff, 0xff, 0, 0, 0] {
        bits.put(1, 1);
        bits.put(0, 1);
        bits.put(1, 1);
        bits.put(symbol, 8);
    }
    for _ in 0..65_536 * 5 {
        // Lengths of the codes for lengths, in their own order: those from 1 to 6 have three bits, those from 7 to 10 four.
        bits.put(0, 1);
        bits.put(10, 4);
        for length in [0, 0, 0, 3, 3, 3, 3, 3, 0, 3, 4, 4, 4, 4] {
            bits.put(length, 3);
        }
        bits.put(1, 1);
        bits.put(1, 3);
        bits.put(9, 4);
        for length in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10_u32] {
            let (code, count) = if length <= 6 { (length - 1, 3) } else { (12 + length - 7, 4) };
            // Codes begin with their highest bit.
            (0..count).rev().for_each(|bit| bits.put(code >> bit & 1, 1));
        }
    }
    bits.put(0, 24);
    let mut data = bits.bytes;
    data.resize(data.len().next_multiple_of(2), 0);
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    [b"RIFF", &length(data.len() + 12)[..], b"WEBPVP8L", &length(data.len()), &data].concat()
}

/// Bits, the lowest ones first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::try_from(value >> bit & 1).unwrap() << (self.used % 8);
            self.used += 1;
        }
    }
}
