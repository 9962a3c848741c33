//! The small square that a picture is laid on, row by row, in any order: of the picture itself no more than a row need be in memory.

use image::{Rgba, RgbaImage};

use super::SIDE;

/// How a pixel is written: 8 bits for each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pixels {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// As JPEGs have it: 255 is no ink at all.
    Cmyk,
}

impl Pixels {
    /// Bytes of one.
    pub const fn size(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    fn rgba(self, pixel: &[u8]) -> [u8; 4] {
        let part = |number: usize| pixel.get(number).copied().unwrap_or_default();
        // The ink takes away from the white that is left by the black.
        let inked = |number: usize| u8::try_from((255 - u16::from(part(number))) * (255 - u16::from(part(3))) / 255).unwrap_or(u8::MAX);
        match self {
            Self::Gray => [part(0), part(0), part(0), u8::MAX],
            Self::GrayAlpha => [part(0), part(0), part(0), part(1)],
            Self::Rgb => [part(0), part(1), part(2), u8::MAX],
            Self::Rgba => [part(0), part(1), part(2), part(3)],
            Self::Cmyk => [inked(0), inked(1), inked(2), u8::MAX],
        }
    }
}

/// Columns of a row: from the first one on, every so many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub first: u32,
    pub step: u32,
}

impl Columns {
    /// Every one.
    pub const ALL: Self = Self { first: 0, step: 1 };
}

/// The square in the middle of a picture, each pixel of it the mean of those that lie on it. Where nothing is laid it is transparent.
pub(super) struct Canvas {
    /// The first column and row of the square.
    left: u32,
    top: u32,
    /// Sides of the square in the picture, and of the small one.
    side: u32,
    small: u32,
    /// Of each pixel: red, green and blue times alpha, and alpha.
    sums: Vec<[u32; 4]>,
}

impl Canvas {
    /// For a picture of this size, of which the caller has made sure that it is not without pixels.
    pub fn of(width: u32, height: u32) -> Self {
        let side = width.min(height);
        let small = side.min(SIDE);
        let pixels = usize::try_from(small * small).unwrap_or_default();
        Self { left: (width - side) / 2, top: (height - side) / 2, side, small, sums: vec![[0; 4]; pixels] }
    }

    /// Lays pixels of a row down.
    pub fn lay(&mut self, row: u32, columns: Columns, pixels: Pixels, bytes: &[u8]) {
        let Some(line) = self.place(row, self.top) else { return };
        let (small, left) = (self.small, self.left);
        let width = usize::try_from(small).unwrap_or_default();
        let from = usize::try_from(line).unwrap_or_default() * width;
        let Some(line) = self.sums.get_mut(from..from + width) else { return };
        // Where the next pixel falls, without a division for each: the place in `small`ths of a column of the square.
        let before = if columns.first < left { (left - columns.first).div_ceil(columns.step) } else { 0 };
        let start = columns.first + before * columns.step - left;
        let mut place = u64::from(start) * u64::from(small);
        let stride = u64::from(columns.step) * u64::from(small);
        let (mut at, mut reached) = (place / u64::from(self.side), place / u64::from(self.side) * u64::from(self.side));
        for pixel in bytes.chunks_exact(pixels.size()).skip(usize::try_from(before).unwrap_or(usize::MAX)) {
            while reached + u64::from(self.side) <= place {
                reached += u64::from(self.side);
                at += 1;
            }
            let Some(sum) = usize::try_from(at).ok().and_then(|at| line.get_mut(at)) else { return };
            let [red, green, blue, alpha] = pixels.rgba(pixel).map(u32::from);
            sum[0] += red * alpha;
            sum[1] += green * alpha;
            sum[2] += blue * alpha;
            sum[3] += alpha;
            place += stride;
        }
    }

    /// On which line of the square a row falls.
    fn place(&self, row: u32, first: u32) -> Option<u32> {
        let inside = row.checked_sub(first).filter(|inside| *inside < self.side)?;
        u32::try_from(u64::from(inside) * u64::from(self.small) / u64::from(self.side)).ok()
    }

    /// The small square.
    pub fn finish(self) -> RgbaImage {
        // How many columns or rows fall on each of its own.
        let share = |number: u32| {
            let edge = |number: u32| (u64::from(number) * u64::from(self.side)).div_ceil(u64::from(self.small));
            u32::try_from(edge(number + 1) - edge(number)).unwrap_or(1)
        };
        let mut small = RgbaImage::new(self.small, self.small);
        for ((x, y, pixel), [red, green, blue, alpha]) in small.enumerate_pixels_mut().zip(&self.sums) {
            let mean = |sum: &u32| u8::try_from((sum + alpha / 2).checked_div(*alpha).unwrap_or_default()).unwrap_or(u8::MAX);
            let count = share(x) * share(y);
            *pixel = Rgba([mean(red), mean(green), mean(blue), u8::try_from((alpha + count / 2) / count).unwrap_or(u8::MAX)]);
        }
        small
    }
}
