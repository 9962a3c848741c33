//! Pictures of people: whatever is sent becomes a small square that is written anew, so that nothing of the file itself is ever served.
//!
//! 1. The first bytes say what it is; what they say elsewhere (a name, a content type) counts for nothing.
//! 2. The header says how large it is, and that decides, before a pixel is read, whether it may be decoded: by the memory that this takes.
//! 3. Decoded, cut to the square in its middle, shrunk, turned as its metadata asks, and written without any metadata.

use std::io::Cursor;

use image::{
    ColorType, DynamicImage, ExtendedColorType, GenericImageView, ImageBuffer, ImageDecoder, ImageEncoder, ImageFormat, Limits, Luma,
    LumaA, Rgb, Rgba, RgbaImage,
    codecs::{
        gif::GifDecoder,
        jpeg::{JpegDecoder, JpegEncoder},
        png::{CompressionType, FilterType, PngDecoder, PngEncoder},
        webp::WebPDecoder,
    },
    imageops,
    metadata::Orientation,
};
use memmap2::MmapMut;

/// Pixels on a side of what is kept.
pub const SIDE: u32 = 512;
/// Bytes that a decoder may take: a photograph of 12 megapixels (JPEG, not progressive) fits.
pub const MOST_DECODED: u64 = 36 * 1024 * 1024;
const LONGEST_SIDE: u32 = 20_000;
const JPEG_QUALITY: u8 = 85;

/// A picture as it is kept.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it is.
    pub kind: PictureKind,
}

/// What a kept picture is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// Nothing of it is transparent.
    Jpeg,
    /// Something is.
    Png,
}

impl PictureKind {
    /// For `Content-Type`.
    #[must_use]
    pub const fn mime_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// How names of such files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// Read back from the end of a name.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|kind| kind.extension() == extension)
    }
}

/// Why a file cannot become a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureRefusal {
    /// Not a JPEG, PNG, WebP or GIF, or a broken one.
    Type,
    /// It has too many pixels.
    TooLarge,
}

/// Makes the picture. Takes a processor for up to half a second: not for a thread that serves requests.
pub fn square(file: impl AsRef<[u8]>) -> Result<Picture, PictureRefusal> {
    let bytes = file.as_ref();
    let decoded = match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => {
            let per_pixel = if is_plain_jpeg(bytes) { 0 } else { 6 };
            // The decoder copies the file, and needs this one no more.
            decode(JpegDecoder::new(Cursor::new(file)), |decoder| of_pixels(decoder, per_pixel))
        }
        Ok(ImageFormat::Png) => decode(PngDecoder::with_limits(Cursor::new(bytes), limits()), |decoder| of_pixels(decoder, 0)),
        // The frame and the canvas beneath it.
        Ok(ImageFormat::Gif) => decode(GifDecoder::new(Cursor::new(bytes)), |decoder| of_pixels(decoder, 4)),
        // What it is decoded from, and with an animation the canvas too.
        Ok(ImageFormat::WebP) => {
            decode(WebPDecoder::new(Cursor::new(bytes)), |decoder| of_pixels(decoder, if decoder.has_animation() { 8 } else { 4 }))
        }
        _ => Err(PictureRefusal::Type),
    };
    let (small, orientation) = decoded?;
    let mut small = DynamicImage::ImageRgba8(small);
    small.apply_orientation(orientation);
    encode(&small).ok_or(PictureRefusal::Type)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_DECODED + 8 * 1024 * 1024);
    limits
}

/// The pixels as they are read, and what the decoder needs beside them.
fn of_pixels(decoder: &impl ImageDecoder, beside: u64) -> u64 {
    let (width, height) = decoder.dimensions();
    decoder.total_bytes().saturating_add((u64::from(width) * u64::from(height)).saturating_mul(beside))
}

/// The square in the middle of these pixels, no larger than [`SIDE`].
macro_rules! shrink {
    ($pixel:ty, $sample:ty, $pixels:expr, $width:expr, $height:expr) => {
        bytemuck::try_cast_slice::<u8, $sample>($pixels)
            .ok()
            .and_then(|samples| ImageBuffer::<$pixel, _>::from_raw($width, $height, samples))
            .map(|picture| {
                let side = $width.min($height);
                let square = picture.view(($width - side) / 2, ($height - side) / 2, side, side);
                let small = side.min(SIDE);
                DynamicImage::from(imageops::thumbnail(&*square, small, small)).into_rgba8()
            })
    };
}

fn decode<D: ImageDecoder>(
    opened: image::ImageResult<D>,
    cost: impl FnOnce(&D) -> u64,
) -> Result<(RgbaImage, Orientation), PictureRefusal> {
    let mut decoder = opened.map_err(|error| refusal(&error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PictureRefusal::Type);
    }
    if width > LONGEST_SIDE || height > LONGEST_SIDE || cost(&decoder) > MOST_DECODED {
        return Err(PictureRefusal::TooLarge);
    }
    decoder.set_limits(limits()).map_err(|error| refusal(&error))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let color = decoder.color_type();
    let length = usize::try_from(decoder.total_bytes()).map_err(|_| PictureRefusal::TooLarge)?;
    // Memory of its own, which goes back to the system at once: an allocator would hold on to it.
    let mut pixels = MmapMut::map_anon(length).map_err(|_| PictureRefusal::TooLarge)?;
    decoder.read_image(&mut pixels).map_err(|error| refusal(&error))?;
    let small = match color {
        ColorType::L8 => shrink!(Luma<u8>, u8, &pixels, width, height),
        ColorType::La8 => shrink!(LumaA<u8>, u8, &pixels, width, height),
        ColorType::Rgb8 => shrink!(Rgb<u8>, u8, &pixels, width, height),
        ColorType::Rgba8 => shrink!(Rgba<u8>, u8, &pixels, width, height),
        ColorType::L16 => shrink!(Luma<u16>, u16, &pixels, width, height),
        ColorType::La16 => shrink!(LumaA<u16>, u16, &pixels, width, height),
        ColorType::Rgb16 => shrink!(Rgb<u16>, u16, &pixels, width, height),
        ColorType::Rgba16 => shrink!(Rgba<u16>, u16, &pixels, width, height),
        _ => None,
    };
    Ok((small.ok_or(PictureRefusal::Type)?, orientation))
}

const fn refusal(error: &image::ImageError) -> PictureRefusal {
    match error {
        image::ImageError::Limits(_) => PictureRefusal::TooLarge,
        _ => PictureRefusal::Type,
    }
}

fn encode(picture: &DynamicImage) -> Option<Picture> {
    let (width, height) = picture.dimensions();
    let mut bytes = Vec::new();
    let opaque = picture.as_rgba8().is_none_or(|pixels| pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX));
    let kind = if opaque {
        let pixels = picture.to_rgb8();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        encoder.write_image(&pixels, width, height, ExtendedColorType::Rgb8).ok()?;
        PictureKind::Jpeg
    } else {
        let pixels = picture.to_rgba8();
        let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
        encoder.write_image(&pixels, width, height, ExtendedColorType::Rgba8).ok()?;
        PictureKind::Png
    };
    Some(Picture { bytes, kind })
}

/// Whether a JPEG is decoded line by line: one pass over all of its components. A progressive one is kept whole in coefficients first.
fn is_plain_jpeg(bytes: &[u8]) -> bool {
    let mut components = None;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, tail @ ..] = rest {
        match *marker {
            // Fill bytes, and markers that stand alone.
            0xff => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            0x01 | 0xd0..=0xd8 => {
                rest = tail;
                continue;
            }
            _ => {}
        }
        let [high, low, content @ ..] = tail else { return false };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match *marker {
            0xc0 | 0xc1 => components = content.get(5).copied(),
            // Progressive, lossless, arithmetic: all the others; these three are no frames.
            0xc2..=0xcf if !matches!(*marker, 0xc4 | 0xc8 | 0xcc) => return false,
            0xda => return components.is_some() && content.first().copied() == components,
            _ => {}
        }
        let Some(next) = length.checked_sub(2).and_then(|length| content.get(length..)) else { return false };
        rest = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Red on the left, blue on the right.
    fn halves(width: u32, height: u32) -> DynamicImage {
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, |x, _| {
            image::Rgb(if x < width / 2 { [200, 0, 0] } else { [0, 0, 200] })
        }))
    }

    fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn made(bytes: &[u8]) -> DynamicImage {
        image::load_from_memory(&square(bytes).unwrap().bytes).unwrap()
    }

    #[test]
    fn every_type_becomes_a_small_square() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
            let small = made(&file(&halves(900, 600), format));
            assert_eq!(small.dimensions(), (512, 512), "{format:?}");
            let (left, right) = (small.get_pixel(20, 256).0, small.get_pixel(490, 256).0);
            assert!(left[0] > 150 && left[2] < 60 && right[2] > 150 && right[0] < 60, "{format:?}: {left:?} {right:?}");
        }
        assert_eq!(made(&file(&halves(40, 30), ImageFormat::Png)).dimensions(), (30, 30), "nothing is blown up");
    }

    #[test]
    fn what_is_transparent_stays_so() {
        let glass = DynamicImage::ImageRgba8(RgbaImage::from_pixel(64, 64, image::Rgba([10, 20, 30, 90])));
        let picture = square(file(&glass, ImageFormat::Png)).unwrap();
        assert_eq!(picture.kind, PictureKind::Png);
        assert_eq!(image::load_from_memory(&picture.bytes).unwrap().get_pixel(3, 3).0, [10, 20, 30, 90]);
    }

    /// A JPEG with an EXIF block that asks for a turn by 180 degrees, and carries a place.
    fn upside_down() -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0".to_vec();
        exif.extend_from_slice(b"GPS 13.7563 N");
        let plain = file(&halves(64, 64), ImageFormat::Jpeg);
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1];
        bytes.extend_from_slice(&u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        bytes.extend_from_slice(&exif);
        bytes.extend_from_slice(&plain[2..]);
        bytes
    }

    #[test]
    fn metadata_turns_the_picture_and_goes() {
        let picture = square(upside_down()).unwrap();
        let text = String::from_utf8_lossy(&picture.bytes).into_owned();
        assert!(!text.contains("GPS") && !text.contains("Exif"));
        let left = image::load_from_memory(&picture.bytes).unwrap().get_pixel(5, 32).0;
        assert!(left[2] > 150 && left[0] < 60, "{left:?}");
    }

    // H17: what stands after the picture, or pretends to be one.
    #[test]
    fn nothing_else_of_the_file_survives() {
        let mut tailed = file(&halves(32, 32), ImageFormat::Png);
        tailed.extend_from_slice(b"<html><script>alert(1)</script>");
        let picture = square(tailed).unwrap();
        assert!(!String::from_utf8_lossy(&picture.bytes).contains("script"));
        let mut polyglot = file(&halves(32, 32), ImageFormat::Gif);
        polyglot.extend_from_slice(b"*/=1;alert(1)//");
        assert!(!String::from_utf8_lossy(&square(polyglot).unwrap().bytes).contains("alert"));
        for other in [
            &b""[..],
            b"GIF89a/*",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            b"%PDF-1.7",
            b"BM\x3a\0\0\0",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"RIFF\0\0\0\0WEBP",
        ] {
            assert_eq!(square(other).err(), Some(PictureRefusal::Type), "{other:?}");
        }
    }

    /// A PNG of nothing but its header.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = file(&halves(1, 1), ImageFormat::Png);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }

    // H17: a bomb is known by its header.
    #[test]
    fn bombs_are_not_decoded() {
        for (width, height) in [(30_000, 30_000), (u32::MAX >> 1, 1), (1, 20_001), (10_000, 10_000)] {
            assert_eq!(square(png_header(width, height)).err(), Some(PictureRefusal::TooLarge), "{width} x {height}");
        }
        let mut gif = file(&halves(8, 8), ImageFormat::Gif);
        gif[6..10].copy_from_slice(&[0xff; 4]);
        assert!(square(gif).is_err());
        let mut jpeg = file(&halves(8, 8), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
        assert!(square(jpeg).is_err());
    }

    #[test]
    fn progressive_pictures_are_told_from_plain_ones() {
        let plain = file(&halves(8, 8), ImageFormat::Jpeg);
        assert!(is_plain_jpeg(&plain));
        let frame = plain.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        let mut progressive = plain.clone();
        progressive[frame + 1] = 0xc2;
        assert!(!is_plain_jpeg(&progressive));
        assert!(!is_plain_jpeg(b"\xff\xd8\xff\xda") && !is_plain_jpeg(b"") && !is_plain_jpeg(b"\xff\xd8\xff\xe0\0\0"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        // A file that is cut short or changed anywhere is refused or becomes a picture, and nothing else.
        #[test]
        fn broken_files_do_no_harm(format in 0..4_usize, cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
            let format = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif][format];
            let whole = file(&halves(24, 16), format);
            let _ = square(&whole[..cut.index(whole.len())]);
            let mut changed = whole;
            let at = at.index(changed.len());
            changed[at] = byte;
            let _ = square(changed);
        }
    }
}
