//! WebPs: decoded whole. What a lossless one takes beside its pixels is not told by its header; the process that decodes it is bounded.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, RgbaImage, codecs::webp::WebPDecoder, metadata::Orientation};

use super::{
    PictureRefusal,
    canvas::{Canvas, Columns, Pixels},
    dimensions,
};

/// Decodes one, within so many bytes.
pub(super) fn decode(bytes: &[u8], memory: u64) -> Result<(RgbaImage, Orientation), PictureRefusal> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|_| PictureRefusal::Type)?;
    let (width, height) = decoder.dimensions();
    dimensions(width, height)?;
    let length = decoder.total_bytes();
    // What it is decoded from, and with an animation the canvas too.
    let beside = if decoder.has_animation() { 8 } else { 4 };
    if length.saturating_add(u64::from(width) * u64::from(height) * beside) > memory {
        return Err(PictureRefusal::TooLarge);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let pixels = match decoder.color_type() {
        ColorType::Rgb8 => Pixels::Rgb,
        ColorType::Rgba8 => Pixels::Rgba,
        _ => return Err(PictureRefusal::Type),
    };
    let mut lines = vec![0; usize::try_from(length).map_err(|_| PictureRefusal::TooLarge)?];
    decoder.read_image(&mut lines).map_err(|_| PictureRefusal::Type)?;
    let line = usize::try_from(width).unwrap_or(usize::MAX).saturating_mul(pixels.size());
    let mut canvas = Canvas::of(width, height);
    for (row, bytes) in (0..height).zip(lines.chunks_exact(line)) {
        canvas.lay(row, Columns::ALL, pixels, bytes);
    }
    Ok((canvas.finish(), orientation))
}
