//! Images that the best networks of a zoo take for its classes: activation maximisation (Erhan et al. 2009; Simonyan et al.
//! 2013), also called model inversion, over an ensemble.
//!
//! The pixels are `x = tanh θ`. From a drawn object on, Adam moves θ for `STEPS` steps towards a small
//! `Σ_m max(−ln p_m[class], FLOOR) / M + SMOOTH · TV(x)`, where the M networks of a step are drawn anew from the best, and TV is the
//! mean absolute difference of neighbours in a row plus that in a column. An image's class is its number modulo the classes.

use super::drawn;
use crate::cnn::arena::Arena;
use crate::cnn::backward::{Transposed, Wanted, backward};
use crate::cnn::forward::forward;
use crate::cnn::packing::Packing;
use crate::features::Networks;
use crate::kernels::activation::Activation;
use crate::kernels::optimizer::{self, BETA_1, BETA_2, Rule};
use crate::kernels::simd::Simd;
use crate::kernels::{Isa, Kernel, LANES, Lanes, TILE, loss, math};
use crate::rng::Stream;
use crate::{Context, Error, Result};
use rayon::prelude::*;

/// Steps of Adam.
const STEPS: u32 = 90;
/// Their rate.
const RATE: f64 = 0.08;
/// Networks of a step.
const MEMBERS: usize = 8;
/// A loss below this pushes no further.
const FLOOR: f32 = 0.05;
/// Weight of the total variation.
const SMOOTH: f32 = 2.0;
/// Pixels of the drawn object that are as bright or dark as can be start here, where tanh is not flat.
const START: f64 = 0.9;
/// What these random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"made");

/// The networks that images are made with.
pub struct Synthesis<'a> {
    /// The ISA of the kernels.
    pub isa: Isa,
    /// Their shape.
    pub packing: &'a Packing,
    /// The networks.
    pub networks: &'a Networks<'a>,
    /// Their activations.
    pub activations: &'a [Activation],
    /// Those that are maximised.
    pub best: &'a [usize],
}

impl Synthesis<'_> {
    /// `count` images, row by row with channels side by side, on rayon's threads; the same bits for every number of threads.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when a stop was requested.
    pub fn images(&self, context: &Context, count: usize) -> Result<Vec<f32>> {
        let tiles: Result<Vec<Vec<f32>>> =
            (0..count.div_ceil(TILE)).into_par_iter().map(|tile| self.tile(context, tile)).collect();
        let mut images = tiles?.concat();
        images.truncate(count * self.pixels());
        Ok(images)
    }

    /// Values of an image.
    fn pixels(&self) -> usize {
        let map = &self.packing.plan.maps[0];
        map.height * map.width * map.channels
    }

    /// The images of a tile, one after another.
    fn tile(&self, context: &Context, tile: usize) -> Result<Vec<f32>> {
        let classes = self.packing.plan.classes;
        let labels: [u8; TILE] = std::array::from_fn(|n| ((tile * TILE + n) % classes) as u8);
        let mut canvas = Canvas::new(self.packing, tile);
        let mut bench = Bench::new(self.packing);
        for step in 1..=STEPS {
            if context.stop.requested() {
                return Err(Error::Cancelled);
            }
            canvas.squash(self.isa);
            let members = self.draw(tile, step);
            canvas.gradient.fill(Lanes::ZERO);
            for &member in &members {
                bench.add(self, member, &labels, 1.0 / members.len() as f32, &mut canvas);
            }
            canvas.step(self.isa, step);
        }
        canvas.squash(self.isa);
        let pixels = self.pixels();
        let image = |n: usize| (0..pixels).map(move |k| (k, n));
        let x = canvas.x();
        Ok((0..TILE).flat_map(image).map(|(k, n)| x[k][n]).collect())
    }

    /// The networks of a tile's step.
    fn draw(&self, tile: usize, step: u32) -> Vec<usize> {
        let mut stream = Stream::at_step(0, PURPOSE, tile as u32, step);
        let mut best = self.best.to_vec();
        let count = MEMBERS.min(best.len());
        for k in 0..count {
            let rest = (best.len() - k) as u32;
            best.swap(k, k + stream.below(rest) as usize);
        }
        best.truncate(count);
        best
    }
}

/// A network's memory.
struct Bench {
    weights: Vec<Lanes>,
    transposed: Transposed,
    arena: Arena,
    /// Of the padded image.
    gradient: Vec<[f32; TILE]>,
}

impl Bench {
    fn new(packing: &Packing) -> Bench {
        let arena = Arena::new(packing, false);
        let gradient = vec![[0.0; TILE]; arena.image.len()];
        let weights = vec![Lanes::ZERO; packing.lanes];
        Bench { weights, transposed: Transposed::new(packing, true), arena, gradient }
    }

    /// Adds the gradient of `scale` times the loss of a network to the canvas'.
    fn add(&mut self, of: &Synthesis, member: usize, labels: &[u8; TILE], scale: f32, canvas: &mut Canvas) {
        let (isa, packing, own) = (of.isa, of.packing, of.activations[member]);
        packing.unpack(of.networks.weights(member), &mut self.weights);
        self.transposed.fill(packing, &self.weights);
        for (pixel, padded) in places(packing) {
            self.arena.image[padded] = canvas.x()[pixel];
        }
        forward(isa, packing, own, &self.weights, None, &mut self.arena);
        let logits = packing.plan.logits();
        let logits = &mut self.arena.maps[logits];
        let outcome = loss::softmax(isa, packing.plan.classes, labels, scale, logits);
        for (n, &loss) in outcome.loss.iter().enumerate() {
            // also of a network that has no finite answer
            if !(loss > FLOOR && loss.is_finite()) {
                logits.iter_mut().for_each(|z| z[n] = Lanes::ZERO);
            }
        }
        self.gradient.fill([0.0; TILE]);
        backward(isa, packing, own, &self.transposed, None, &mut self.arena, Wanted::Image(&mut self.gradient));
        let (sum, _) = Lanes::flat_mut(&mut canvas.gradient).as_chunks_mut::<TILE>();
        for (pixel, padded) in places(packing) {
            for n in 0..TILE {
                sum[pixel][n] += self.gradient[padded][n];
            }
        }
    }
}

/// Where the values that are read lie in the image and in the padded one.
fn places(packing: &Packing) -> impl Iterator<Item = (usize, usize)> {
    let image = packing.image;
    let ([rows, columns], [top, left], channels) = (image.read, image.border, image.channels);
    (0..rows * columns * channels).map(move |index| {
        let (row, rest) = (index / (columns * channels), index % (columns * channels));
        let pixel = row * image.width * channels + rest;
        (pixel, ((row + top) * image.padded[1] + left) * channels + rest)
    })
}

/// A tile of images in the making, `[position][channel][image]` in lanes.
struct Canvas {
    height: usize,
    width: usize,
    channels: usize,
    theta: Vec<Lanes>,
    x: Vec<Lanes>,
    gradient: Vec<Lanes>,
    first_moment: Vec<Lanes>,
    second_moment: Vec<Lanes>,
}

impl Canvas {
    /// Drawn objects, of colour every channel the same.
    fn new(packing: &Packing, tile: usize) -> Canvas {
        let map = &packing.plan.maps[0];
        let (height, width, channels) = (map.height, map.width, map.channels);
        let lanes = || vec![Lanes::ZERO; (height * width * channels * TILE).div_ceil(LANES)];
        let mut theta = lanes();
        let (start, _) = Lanes::flat_mut(&mut theta).as_chunks_mut::<TILE>();
        for n in 0..TILE {
            let image = drawn::image((tile * TILE + n) as u32, height, width);
            for (k, start) in start.iter_mut().enumerate().take(height * width * channels) {
                start[n] = libm::atanh(START * f64::from(image[k / channels])) as f32;
            }
        }
        let [x, gradient, first_moment, second_moment] = [lanes(), lanes(), lanes(), lanes()];
        Canvas { height, width, channels, theta, x, gradient, first_moment, second_moment }
    }

    fn x(&self) -> &[[f32; TILE]] {
        Lanes::flat(&self.x).as_chunks().0
    }

    /// `x ← tanh θ`
    fn squash(&mut self, isa: Isa) {
        isa.run(Squash { theta: &self.theta, x: &mut self.x });
    }

    /// Adds the total variation to the gradient, takes it through the tanh, and moves θ.
    fn step(&mut self, isa: Isa, step: u32) {
        let Canvas { height, width, channels, theta, x, gradient, first_moment, second_moment } = self;
        isa.run(Smooth { size: [*height, *width, *channels], x: Lanes::flat(x), gradient: Lanes::flat_mut(gradient) });
        let power = |beta: f32| 1.0 - f64::from(beta).powi(step as i32);
        let corrected = (RATE * power(BETA_2).sqrt() / power(BETA_1)) as f32;
        optimizer::step(isa, Rule::Adam { corrected }, 0.0, gradient, theta, first_moment, second_moment);
    }
}

struct Squash<'a> {
    theta: &'a [Lanes],
    x: &'a mut [Lanes],
}

impl Kernel for Squash<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, theta) in self.x.iter_mut().zip(self.theta) {
            s.store(math::tanh(s, s.load(theta)), x);
        }
    }
}

/// `g ← (g + SMOOTH · ∂TV/∂x) · (1 − x²)`
struct Smooth<'a> {
    size: [usize; 3],
    x: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for Smooth<'_> {
    type Output = ();
    /// Plain loops, compiled for each ISA.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let [height, width, channels] = self.size;
        let ((x, _), (g, _)) = (self.x.as_chunks::<TILE>(), self.gradient.as_chunks_mut::<TILE>());
        let row = width * channels;
        // one weight for each neighbour in a row, one for each in a column
        let weight = |pairs: usize| SMOOTH / pairs.max(1) as f32;
        let (across, down) = (weight(height * (width - 1) * channels), weight((height - 1) * row));
        for k in 0..height * row {
            if k % row + channels < row {
                pull(x, g, k, k + channels, across);
            }
            if k + row < height * row {
                pull(x, g, k, k + row, down);
            }
        }
        for (g, x) in g.iter_mut().zip(x) {
            for n in 0..TILE {
                g[n] *= 1.0 - x[n] * x[n];
            }
        }
    }
}

/// Adds the gradient of `weight · |x[b] − x[a]|`.
#[inline(always)]
fn pull(x: &[[f32; TILE]], g: &mut [[f32; TILE]], a: usize, b: usize, weight: f32) {
    for n in 0..TILE {
        let difference = x[b][n] - x[a][n];
        let slope = if difference > 0.0 { weight } else { 0.0 } - if difference < 0.0 { weight } else { 0.0 };
        g[b][n] += slope;
        g[a][n] -= slope;
    }
}
