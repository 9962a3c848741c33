//! PNGs: decoded row by row, interlaced ones too.

use std::io::Cursor;

use image::{RgbaImage, metadata::Orientation};
use png::{ColorType, Decoder, DecodingError, Limits, Transformations};

use super::{
    PictureRefusal,
    canvas::{Canvas, Columns, Pixels},
    dimensions,
};

/// Bytes that the decoder may take for rows and for what it keeps of other chunks.
const MEMORY: usize = 8 * 1024 * 1024;

/// The seven passes of Adam7: the first column and the distance to the next, and the same for rows.
const PASSES: [(Columns, u32, u32); 7] = [
    (Columns { first: 0, step: 8 }, 0, 8),
    (Columns { first: 4, step: 8 }, 0, 8),
    (Columns { first: 0, step: 4 }, 4, 8),
    (Columns { first: 2, step: 4 }, 0, 4),
    (Columns { first: 0, step: 2 }, 2, 4),
    (Columns { first: 1, step: 2 }, 0, 2),
    (Columns { first: 0, step: 1 }, 1, 2),
];

/// Decodes one.
pub(super) fn decode(bytes: &[u8]) -> Result<(RgbaImage, Orientation), PictureRefusal> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MEMORY });
    decoder.set_transformations(Transformations::normalize_to_color8());
    // Colours are taken as they are, so a profile need not be unpacked; nor need texts.
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    let (width, height) = decoder.read_header_info().map(png::Info::size).map_err(|error| refusal(&error))?;
    dimensions(width, height)?;
    let mut reader = decoder.read_info().map_err(|error| refusal(&error))?;
    let pixels = match reader.output_color_type().0 {
        ColorType::Grayscale => Pixels::Gray,
        ColorType::GrayscaleAlpha => Pixels::GrayAlpha,
        ColorType::Rgb => Pixels::Rgb,
        ColorType::Rgba => Pixels::Rgba,
        ColorType::Indexed => return Err(PictureRefusal::Type),
    };
    let every = [(Columns::ALL, 0, 1)];
    let passes = if reader.info().interlaced { PASSES.as_slice() } else { every.as_slice() };
    let mut canvas = Canvas::of(width, height);
    for (columns, first, step) in passes.iter().copied().filter(|(columns, _, _)| columns.first < width) {
        for row in (first..height).step_by(usize::try_from(step).unwrap_or(1)) {
            let line = reader.next_interlaced_row().map_err(|error| refusal(&error))?.ok_or(PictureRefusal::Type)?;
            canvas.lay(row, columns, pixels, line.data());
        }
    }
    reader.finish().map_err(|error| refusal(&error))?;
    let exif = reader.info().exif_metadata.as_deref();
    Ok((canvas.finish(), exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)))
}

const fn refusal(error: &DecodingError) -> PictureRefusal {
    match error {
        DecodingError::LimitsExceeded => PictureRefusal::TooLarge,
        DecodingError::IoError(_) | DecodingError::Format(_) | DecodingError::Parameter(_) => PictureRefusal::Type,
    }
}
