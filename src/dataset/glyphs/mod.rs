//! Glyphs: ten invented letters, drawn by the program itself, so that the whole pipeline runs without a download.
//!
//! An image is a letter of the `alphabet`, bent by `warp`, inked on a `canvas` among stray strokes, partly covered, sometimes
//! with its polarity inverted, and noisy. Each image is a pure function of the seed and of its number, and is drawn in `f64`
//! with nothing but additions, multiplications, divisions, square roots and the crate `libm`: the bytes are the same on every
//! machine and with any number of threads. A larger set begins with the images of a smaller one.
//!
//! The difficulty is tuned to the reference net (4,970 weights, ReLU, batch 512, Adam, all 10,000 images): with learning rate
//! 0.003 its test accuracy was .81 / .84 / .89 / .94 after 8 / 10 / 15 / 30 epochs, with 0.01 .94 / .95 after 10 / 15.

mod alphabet;
mod canvas;
mod warp;

use super::{Dataset, Decoded, Images, transform};
use crate::Result;
use crate::rng::Stream;
use alphabet::LETTERS;
use canvas::{Canvas, Pen, SIDE};
use rayon::prelude::*;
use warp::Warp;

/// The streams of this module.
const PURPOSE: u32 = u32::from_be_bytes(*b"glyf");
/// The number of the first test image: whatever the sizes of the parts, none of their images coincide.
const FIRST_TEST: u32 = 1 << 31;

/// Which glyphs are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Glyphs {
    /// Another seed gives another set of the same kind.
    pub seed: u64,
    /// Number of training images, 1 to 2³¹.
    pub train: usize,
    /// Number of test images, 1 to 2³¹.
    pub test: usize,
}

impl Default for Glyphs {
    fn default() -> Glyphs {
        Glyphs { seed: 20_191_219, train: 10_000, test: 2_000 }
    }
}

/// Draws a data set of 28×28 pixels and ten classes, prepared as usual.
///
/// # Panics
/// If a part is empty or has more than 2³¹ images.
pub fn generate(glyphs: &Glyphs) -> Dataset {
    prepared(glyphs, Images::default()).expect("grey drawings in the usual preparation")
}

/// [`generate`] with images as they are wanted.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) where grey drawings cannot be prepared so.
pub(super) fn prepared(glyphs: &Glyphs, images: Images) -> Result<Dataset> {
    let classes = LETTERS.len();
    transform::dataset(
        "glyphs",
        part(glyphs.seed, 0, glyphs.train),
        part(glyphs.seed, FIRST_TEST, glyphs.test),
        classes,
        images,
    )
}

fn part(seed: u64, first: u32, count: usize) -> Decoded {
    assert!((1..=1 << 31).contains(&count), "glyphs: 1 to 2^31 images in a part");
    let mut pixels = vec![0; count * SIDE * SIDE];
    let labels = (pixels.par_chunks_mut(SIDE * SIDE).enumerate())
        .map(|(n, image)| draw(&mut Stream::new(seed, PURPOSE, first + n as u32), image))
        .collect();
    Decoded { pixels, labels, channels: 1, height: SIDE, width: SIDE }
}

/// Draws one image and returns its label.
fn draw(random: &mut Stream, image: &mut [u8]) -> u8 {
    let label = random.below(LETTERS.len() as u32) as u8;
    let mut canvas = Canvas::new();
    if random.uniform() < 0.15 {
        stray(random, &mut canvas);
    }
    let pen = Pen { radius: random.range(0.8, 1.4), edge: random.range(1.0, 1.6), ink: random.range(0.75, 1.0) };
    let warp = Warp::new(random);
    for stroke in LETTERS[usize::from(label)] {
        canvas.stroke(&pen, &warp.bend(&stroke.path()));
    }
    if random.uniform() < 0.15 {
        stray(random, &mut canvas);
    }
    if random.uniform() < 0.12 {
        cover(random, &mut canvas);
    }
    develop(random, &canvas, image);
    label
}

/// A short line that belongs to no letter.
fn stray(random: &mut Stream, canvas: &mut Canvas) {
    let pen = Pen { radius: random.range(0.4, 1.0), edge: 1.2, ink: random.range(0.3, 0.8) };
    let (angle, length) = (random.range(0.0, std::f64::consts::TAU), random.range(4.0, 11.0));
    let (sin, cos) = libm::sincos(angle);
    let start = [random.range(2.0, 26.0), random.range(2.0, 26.0)];
    let sag = 0.2 * length * random.normal();
    let middle = [start[0] + 0.5 * length * cos - sag * sin, start[1] + 0.5 * length * sin + sag * cos];
    let end = [start[0] + length * cos, start[1] + length * sin];
    canvas.stroke(&pen, &alphabet::Stroke::Curve(&[start, middle, end]).path());
}

/// A bar of background over the letter.
fn cover(random: &mut Stream, canvas: &mut Canvas) {
    let pen = Pen { radius: random.range(0.8, 2.0), edge: 1.2, ink: 0.0 };
    let (sin, cos) = libm::sincos(random.range(0.0, std::f64::consts::TAU));
    let centre = [random.range(7.0, 21.0), random.range(7.0, 21.0)];
    let half = random.range(2.0, 6.0);
    let end = |side: f64| [centre[0] + side * half * cos, centre[1] + side * half * sin];
    canvas.stroke(&pen, &[end(-1.0), end(1.0)]);
}

/// From ink to pixels: background, contrast, polarity, noise.
fn develop(random: &mut Stream, canvas: &Canvas, image: &mut [u8]) {
    let (background, contrast) = (random.range(0.0, 0.1), random.range(0.65, 0.9));
    let inverted = random.uniform() < 0.02;
    // one word gives a pixel's noise: the sum of four bytes is near enough to normal, with mean 510 and deviation 147.8
    let noise = random.range(0.01, 0.06) / 147.8;
    for (pixel, ink) in image.iter_mut().zip(canvas.ink()) {
        let level = background + contrast * ink;
        let level = if inverted { 1.0 - level } else { level };
        let bytes: u32 = random.next_u32().to_le_bytes().map(u32::from).iter().sum();
        // the conversion saturates at 0 and 255
        *pixel = (255.0 * (level + noise * (f64::from(bytes) - 510.0)) + 0.5) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::with_threads;

    const SMALL: Glyphs = Glyphs { seed: 1, train: 300, test: 50 };

    /// The bytes of the default set never change, on no machine: zoos and published figures refer to them. Nothing in this
    /// module depends on the processor, the system's mathematical functions, the number of threads or the optimiser (Rust
    /// never fuses a multiplication and an addition by itself), so one digest serves all.
    #[test]
    fn the_default_set_has_its_golden_digest() {
        let default = generate(&Glyphs::default());
        assert_eq!(default.digest, "3e6ac10b1670fd0959512e6e8a70081362675b0ca72712371211f8da3c76f438");
        assert_eq!((default.train.len(), default.test.len(), default.classes), (10_000, 2_000, 10));
        assert_eq!((default.train.height, default.train.width, default.train.images.len()), (28, 28, 7_840_000));
        let mut counts = [0usize; 10];
        default.train.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        assert!(counts.iter().all(|&count| count.abs_diff(1000) < 150), "{counts:?}");
    }

    #[test]
    fn threads_do_not_matter_and_the_seed_does() {
        let (one, three) = (with_threads(1, || generate(&SMALL)), with_threads(3, || generate(&SMALL)));
        assert_eq!(one, three);
        assert_ne!(one.train.images, generate(&Glyphs { seed: 2, ..SMALL }).train.images);
    }

    #[test]
    fn a_larger_set_begins_with_a_smaller_one_and_parts_differ() {
        let (small, large) = (generate(&SMALL), generate(&Glyphs { train: 400, test: 60, ..SMALL }));
        assert_eq!(small.train.images, large.train.images[..300 * SIDE * SIDE]);
        assert_eq!(small.test.labels, large.test.labels[..50]);
        assert_ne!(small.train.image(0), small.test.image(0));
    }

    #[test]
    fn images_show_ink_on_a_background() {
        let glyphs = generate(&SMALL);
        for n in 0..glyphs.train.len() {
            let mut levels = glyphs.train.image(n).to_vec();
            levels.sort_by(f32::total_cmp);
            let contrast = levels[SIDE * SIDE - 20] - levels[20];
            assert!(contrast > 0.5, "image {n}: {contrast} between the darkest and the brightest pixels");
        }
    }
}
