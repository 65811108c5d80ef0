//! Drawn objects: images of a few bright ellipses and bars on dark ground, made by chance, the same for every zoo.

use crate::rng::Stream;

/// What these random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"draw");

/// The most ellipses and bars of an image.
const MOST: u32 = 3;

/// An ellipse or a bar; the image's longer side is 1.
struct Part {
    bar: bool,
    centre: [f64; 2],
    /// Half axes.
    size: [f64; 2],
    /// Sine and cosine of its direction.
    turned: (f64, f64),
    brightness: f64,
}

impl Part {
    fn draw(stream: &mut Stream) -> Part {
        let bar = stream.below(2) == 1;
        let centre = [stream.range(-0.25, 0.25), stream.range(-0.25, 0.25)];
        let length = stream.range(0.12, 0.45);
        let size = [length, length * stream.range(0.2, 1.0)];
        let turned = libm::sincos(stream.range(0.0, std::f64::consts::PI));
        Part { bar, centre, size, turned, brightness: stream.range(0.8, 2.0) }
    }

    /// About how far outside a point lies, negative inside.
    fn outside(&self, x: f64, y: f64) -> f64 {
        let ([cx, cy], [a, b], (sin, cos)) = (self.centre, self.size, self.turned);
        let (x, y) = (x - cx, y - cy);
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        match self.bar {
            true => (u.abs() - a).max(v.abs() - b),
            false => b * ((u * u / (a * a) + v * v / (b * b)).sqrt() - 1.0),
        }
    }
}

/// Image `number` of `height` × `width` pixels, row-major, values in −1 … 1.
pub fn image(number: u32, height: usize, width: usize) -> Vec<f32> {
    let mut stream = Stream::new(0, PURPOSE, number);
    let parts: Vec<Part> = (0..=stream.below(MOST)).map(|_| Part::draw(&mut stream)).collect();
    let side = height.max(width) as f64;
    let at = |index: usize, size: usize| (index as f64 + 0.5 - size as f64 / 2.0) / side;
    let pixel = |index: usize| {
        let (x, y) = (at(index % width, width), at(index / width, height));
        let light = |part: &Part| part.brightness * (0.5 - part.outside(x, y) * side).clamp(0.0, 1.0);
        (parts.iter().map(light).fold(0.0, f64::max) - 1.0) as f32
    };
    (0..height * width).map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_in_range_and_differ() {
        for (height, width) in [(28, 28), (32, 20), (1, 1)] {
            let images: Vec<Vec<f32>> = (0..64).map(|number| image(number, height, width)).collect();
            for (n, image) in images.iter().enumerate() {
                assert!(image.len() == height * width && image.iter().all(|x| (-1.0..=1.0).contains(x)), "{n}");
                assert!(height == 1 || !images[..n].contains(image), "{n} is there before");
                assert!(height == 1 || image.iter().any(|&x| x > -0.5), "{n} is dark");
            }
        }
    }
}
