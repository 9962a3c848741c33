//! Pictures of people: whatever is sent becomes a small square that is written anew, so that nothing of the file itself is ever served.
//!
//! 1. The first bytes say what it is; what they say elsewhere (a name, a content type) counts for nothing.
//! 2. It must end where a file of its kind ends: a broken one, and one that is something else too, is refused.
//! 3. The header says how large it is, and that decides, before a pixel is read, whether it may be decoded: by the memory that this takes.
//! 4. Decoded, laid on the small square, turned as its metadata asks, and written without any metadata.

mod canvas;
mod envelope;
mod gif;
mod jpeg;
mod png;
mod webp;

use image::{
    DynamicImage, ExtendedColorType, GenericImageView, ImageEncoder, ImageFormat,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
    metadata::Orientation,
};

/// Pixels on a side of what is kept.
pub const SIDE: u32 = 512;
/// Bytes that a decoder may take for a picture.
const MEMORY: u64 = 42 * 1024 * 1024;
/// Bytes that all of it may take, with the file itself, for whoever bounds the process.
pub const MOST_MEMORY: u64 = MEMORY + 17 * 1024 * 1024;
const LONGEST_SIDE: u32 = 20_000;
/// Photographs of phones have up to 50 megapixels, and some more.
const MOST_PIXELS: u64 = 52_000_000;
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

impl Picture {
    /// As one text of bytes.
    #[must_use]
    pub fn into_answer(made: Result<Self, PictureRefusal>) -> Vec<u8> {
        match made {
            Ok(Self { mut bytes, kind }) => {
                bytes.push(match kind {
                    PictureKind::Jpeg => b'j',
                    PictureKind::Png => b'p',
                });
                bytes
            }
            Err(PictureRefusal::Type) => b"t".to_vec(),
            Err(PictureRefusal::TooLarge) => b"l".to_vec(),
        }
    }

    /// The other way; `None` where it is no answer.
    #[must_use]
    pub fn of_answer(mut answer: Vec<u8>) -> Option<Result<Self, PictureRefusal>> {
        match (answer.pop(), answer.is_empty()) {
            (Some(b'j'), false) => Some(Ok(Self { bytes: answer, kind: PictureKind::Jpeg })),
            (Some(b'p'), false) => Some(Ok(Self { bytes: answer, kind: PictureKind::Png })),
            (Some(b't'), true) => Some(Err(PictureRefusal::Type)),
            (Some(b'l'), true) => Some(Err(PictureRefusal::TooLarge)),
            _ => None,
        }
    }
}

/// Makes the picture. Takes a processor for up to seconds, and memory that no header tells: for a process of its own, which is bounded.
pub fn square(file: &[u8]) -> Result<Picture, PictureRefusal> {
    let (small, orientation) = match image::guess_format(file) {
        Ok(ImageFormat::Jpeg) if envelope::is_whole_jpeg(file) => jpeg::decode(file, MEMORY)?,
        Ok(ImageFormat::Png) if envelope::is_whole_png(file) => png::decode(file)?,
        Ok(ImageFormat::Gif) if envelope::is_whole_gif(file) => (gif::decode(file, MEMORY)?, Orientation::NoTransforms),
        Ok(ImageFormat::WebP) if envelope::is_whole_webp(file) => webp::decode(file, MEMORY)?,
        _ => return Err(PictureRefusal::Type),
    };
    let mut small = DynamicImage::ImageRgba8(small);
    small.apply_orientation(orientation);
    encode(&small).ok_or(PictureRefusal::Type)
}

/// Whether a picture of this size is decoded at all.
fn dimensions(width: u32, height: u32) -> Result<(), PictureRefusal> {
    if width == 0 || height == 0 {
        return Err(PictureRefusal::Type);
    }
    if width > LONGEST_SIDE || height > LONGEST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(PictureRefusal::TooLarge);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::RgbaImage;
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
        let picture = square(&file(&glass, ImageFormat::Png)).unwrap();
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
        let picture = square(&upside_down()).unwrap();
        let text = String::from_utf8_lossy(&picture.bytes).into_owned();
        assert!(!text.contains("GPS") && !text.contains("Exif"));
        let left = image::load_from_memory(&picture.bytes).unwrap().get_pixel(5, 32).0;
        assert!(left[2] > 150 && left[0] < 60, "{left:?}");
    }

    // H17: what stands after the picture, or pretends to be one.
    #[test]
    fn what_is_something_else_too_is_refused() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
            let whole = file(&halves(32, 32), format);
            for tail in [&b"<html><script>alert(1)</script>"[..], b"*/=1;alert(1)//", b"PK\x03\x04", b"\0\0\0x", &whole[..20]] {
                assert_eq!(square(&[&whole, tail].concat()).err(), Some(PictureRefusal::Type), "{format:?} {tail:?}");
            }
            assert!(square(&[&whole[..], &[0; 3000]].concat()).is_ok(), "{format:?}: a block that was filled up");
        }
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
            assert_eq!(square(&png_header(width, height)).err(), Some(PictureRefusal::TooLarge), "{width} x {height}");
        }
        let mut gif = file(&halves(8, 8), ImageFormat::Gif);
        gif[6..10].copy_from_slice(&[0xff; 4]);
        assert!(square(&gif).is_err());
        let mut jpeg = file(&halves(8, 8), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
        assert!(square(&jpeg).is_err());
    }

    // A file that was cut anywhere is no picture, however much of it could be shown.
    #[test]
    fn truncated_files_are_refused() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
            let whole = file(&halves(200, 150), format);
            assert!(square(&whole).is_ok());
            for cut in (1..20).map(|part| whole.len() * part / 20).chain([whole.len() - 2, whole.len() - 1]) {
                assert_eq!(square(&whole[..cut]).err(), Some(PictureRefusal::Type), "{format:?} {cut} of {}", whole.len());
            }
        }
    }

    #[test]
    fn answers_come_back() {
        for refusal in [PictureRefusal::Type, PictureRefusal::TooLarge] {
            let back = Picture::of_answer(Picture::into_answer(Err(refusal)));
            assert_eq!(back.and_then(Result::err), Some(refusal));
        }
        for kind in [PictureKind::Jpeg, PictureKind::Png] {
            let back = Picture::of_answer(Picture::into_answer(Ok(Picture { bytes: vec![1, 2], kind }))).unwrap().unwrap();
            assert_eq!((back.bytes, back.kind), (vec![1, 2], kind));
        }
        for other in [&b""[..], b"j", b"x", b"xt", b"xl"] {
            assert!(Picture::of_answer(other.to_vec()).is_none(), "{other:?}");
        }
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
            let _ = square(&changed);
        }
    }
}
