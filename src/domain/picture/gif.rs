//! GIFs: the first frame, where it lies on its screen.

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};
use image::RgbaImage;

use super::{
    PictureRefusal,
    canvas::{Canvas, Columns, Pixels},
    dimensions,
};

/// Decodes one, within so many bytes.
pub(super) fn decode(bytes: &[u8], memory: u64) -> Result<RgbaImage, PictureRefusal> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(MemoryLimit::Bytes(std::num::NonZeroU64::new(memory).unwrap_or(std::num::NonZeroU64::MIN)));
    // A frame lies within its screen.
    options.check_frame_consistency(true);
    let mut decoder = options.read_info(bytes).map_err(|error| refusal(&error))?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    dimensions(width, height)?;
    let frame = decoder.next_frame_info().map_err(|error| refusal(&error))?.ok_or(PictureRefusal::Type)?;
    let (left, top, line) = (u32::from(frame.left), u32::from(frame.top), usize::from(frame.width));
    let transparent = frame.transparent.map(usize::from);
    let length = decoder.buffer_size();
    if length == 0 || u64::try_from(length).is_ok_and(|length| length > memory) {
        return Err(if length == 0 { PictureRefusal::Type } else { PictureRefusal::TooLarge });
    }
    let mut indices = vec![0; length];
    decoder.read_into_buffer(&mut indices).map_err(|error| refusal(&error))?;
    let palette: Vec<[u8; 4]> = decoder
        .palette()
        .map_err(|error| refusal(&error))?
        .chunks_exact(3)
        .enumerate()
        .map(|(index, color)| [color[0], color[1], color[2], if transparent == Some(index) { 0 } else { u8::MAX }])
        .collect();
    let mut canvas = Canvas::of(width, height);
    let columns = Columns { first: left, step: 1 };
    for (row, indices) in (top..).zip(indices.chunks_exact(line)) {
        let pixels: Vec<[u8; 4]> = indices.iter().map(|index| palette.get(usize::from(*index)).copied().unwrap_or_default()).collect();
        canvas.lay(row, columns, Pixels::Rgba, pixels.as_flattened());
    }
    Ok(canvas.finish())
}

const fn refusal(error: &DecodingError) -> PictureRefusal {
    match error {
        DecodingError::OutOfMemory | DecodingError::MemoryLimit => PictureRefusal::TooLarge,
        _ => PictureRefusal::Type,
    }
}
