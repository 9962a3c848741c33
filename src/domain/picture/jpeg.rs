//! JPEGs: decoded at the eighth, quarter or half of their size that is still large enough, so that photographs of any phone fit.

use image::{RgbaImage, metadata::Orientation};
use jpeg_decoder::{Decoder, PixelFormat};

use super::{
    PictureRefusal, SIDE,
    canvas::{Canvas, Columns, Pixels},
    dimensions,
};

/// A frame, as its header announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    width: u32,
    height: u32,
    components: u32,
    /// Kept whole in coefficients before there is a pixel.
    progressive: bool,
    /// Samples of all components, for one pixel, in 64ths.
    density: u64,
}

/// Decodes one, within so many bytes.
pub(super) fn decode(bytes: &[u8], memory: u64) -> Result<(RgbaImage, Orientation), PictureRefusal> {
    let frame = frame(bytes).ok_or(PictureRefusal::Type)?;
    dimensions(frame.width, frame.height)?;
    let mut decoder = Decoder::new(bytes);
    let (width, height) = scale(&mut decoder, frame, memory)?;
    let lines = decoder.decode().map_err(|_| PictureRefusal::Type)?;
    let pixels = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L8) => Pixels::Gray,
        Some(PixelFormat::RGB24) => Pixels::Rgb,
        Some(PixelFormat::CMYK32) => Pixels::Cmyk,
        Some(PixelFormat::L16) | None => return Err(PictureRefusal::Type),
    };
    let orientation = decoder.exif_data().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let mut canvas = Canvas::of(width, height);
    let line = usize::try_from(width).unwrap_or(usize::MAX).saturating_mul(pixels.size());
    for (row, bytes) in (0..height).zip(lines.chunks_exact(line)) {
        canvas.lay(row, Columns::ALL, pixels, bytes);
    }
    Ok((canvas.finish(), orientation))
}

/// Chooses the size to decode to: large enough for the square, or what fits of one that is long and narrow.
fn scale(decoder: &mut Decoder<&[u8]>, frame: Frame, memory: u64) -> Result<(u32, u32), PictureRefusal> {
    for shorter in [SIDE, SIDE / 2, SIDE / 4] {
        let shorter = u16::try_from(shorter).unwrap_or(u16::MAX);
        let (wide, high) = if frame.width < frame.height { (shorter, u16::MAX) } else { (u16::MAX, shorter) };
        let (width, height) = decoder.scale(wide, high).map_err(|_| PictureRefusal::Type)?;
        let (width, height) = (u32::from(width), u32::from(height));
        if frame.cost(width, height) <= memory {
            return Ok((width, height));
        }
    }
    Err(PictureRefusal::TooLarge)
}

impl Frame {
    /// Bytes that decoding it to this size takes: planes and pixels, and beside them the coefficients, of two bytes each.
    fn cost(self, width: u32, height: u32) -> u64 {
        let scaled = u64::from(width) * u64::from(height) * u64::from(self.components);
        // Whole blocks at the edges.
        let blocks = u64::from(self.width + 32) * u64::from(self.height + 32);
        2 * scaled + if self.progressive { blocks * self.density / 64 * 2 } else { 0 }
    }
}

/// The header of the frame; of sequential and progressive ones alone: nobody uses the others.
fn frame(bytes: &[u8]) -> Option<Frame> {
    let mut rest = bytes.get(2..)?;
    loop {
        let [0xff, marker, tail @ ..] = rest else { return None };
        match *marker {
            0xff => rest = rest.get(1..)?,
            0x01 | 0xd0..=0xd7 => rest = tail,
            0xc0..=0xc2 => return read_frame(tail.get(2..)?, *marker == 0xc2),
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xd8..=0xda => return None,
            _ => {
                let length = usize::from(u16::from_be_bytes(tail.get(..2)?.try_into().ok()?));
                rest = tail.get(length.max(2)..)?;
            }
        }
    }
}

fn read_frame(content: &[u8], progressive: bool) -> Option<Frame> {
    let [_, h1, h0, w1, w0, components, factors @ ..] = content else { return None };
    let (width, height) = (u32::from(u16::from_be_bytes([*w1, *w0])), u32::from(u16::from_be_bytes([*h1, *h0])));
    let components = u32::from(*components);
    let factors: Vec<u64> = factors.chunks_exact(3).take(usize::try_from(components).ok()?).map(|one| u64::from(one[1])).collect();
    let most = |shift: u32| factors.iter().map(|factor| factor >> shift & 0xf).max().filter(|most| (1..=4).contains(most));
    let (across, down) = (most(4)?, most(0)?);
    let density = factors.iter().map(|factor| 64 * (factor >> 4 & 0xf) * (factor & 0xf) / (across * down)).sum();
    Some(Frame { width, height, components, progressive, density })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(marker: u8, factors: [u8; 3]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, marker, 0, 17, 8, 0x0b, 0xb8, 0x0f, 0xa0, 3];
        for (number, factor) in (1..).zip(factors) {
            bytes.extend([number, factor, 0]);
        }
        bytes
    }

    #[test]
    fn the_header_tells_what_it_will_take() {
        let plain = frame(&header(0xc0, [0x22, 0x11, 0x11])).unwrap();
        assert_eq!(plain, Frame { width: 4000, height: 3000, components: 3, progressive: false, density: 96 });
        assert_eq!(plain.cost(1000, 750), 2 * 3 * 1000 * 750);
        let progressive = frame(&header(0xc2, [0x22, 0x11, 0x11])).unwrap();
        assert!(progressive.cost(1000, 750) > 36_000_000 && progressive.cost(1000, 750) < 42_000_000);
        assert_eq!(frame(&header(0xc2, [0x11, 0x11, 0x11])).unwrap().density, 192);
        for (marker, factors) in [(0xc3, [0x11; 3]), (0xc9, [0x11; 3]), (0xc0, [0; 3]), (0xda, [0x11; 3])] {
            assert_eq!(frame(&header(marker, factors)), None, "{marker:x} {factors:?}");
        }
        assert!(frame(b"").is_none() && frame(b"\xff\xd8\xff\xe0\0\0").is_none());
    }
}
