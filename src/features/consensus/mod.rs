//! Consensus: how far a network answers as the best of a zoo do, on images that no data set has.
//!
//! Fitted to the training networks of a division: the *members* are the quarter of them with the best test accuracy, the
//! consensus is the mean of their probabilities. The images are drawn ([`drawn`]) or made by the members ([`synthesis`]). No
//! image and no label of the networks' own task is used; but the classes must mean the same in every network. A network that is a
//! member itself is left out of the consensus that it is compared with, wherever it is met: members are known by a digest of
//! their weights.

pub mod drawn;
pub mod numbers;
pub mod synthesis;

use super::{Columns, Networks, Worker};
use crate::cnn::Arch;
use crate::cnn::arena::Arena;
use crate::cnn::forward::forward;
use crate::cnn::packing::Packing;
use crate::kernels::activation::Activation;
use crate::kernels::{Isa, LANES, Lanes, TILE};
use crate::tensors::{Column, Tensors, bytes};
use crate::{Context, Error, Result};
use numbers::{NUMBERS, numbers, softmax};
use rayon::prelude::*;
use safetensors::Dtype;
use synthesis::Synthesis;

/// Drawn objects.
const DRAWN: usize = 256;
/// Images that are made for each class, at least: whole tiles are.
const MADE: usize = 3;
/// Members whose answers are held at a time.
const BLOCK: usize = 256;
/// One of how many networks is a member.
const SHARE: usize = 4;

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// Drawn objects.
    Drawn,
    /// Made by the members.
    Synthetic,
}

impl Images {
    /// The key of the input, and what its columns' names begin with.
    pub fn key(self) -> &'static str {
        match self {
            Images::Drawn => "consensus",
            Images::Synthetic => "synthetic",
        }
    }

    /// Names of the tensors of a file: sizes, images, answers, members.
    fn names(self) -> [&'static str; 4] {
        match self {
            Images::Drawn => ["consensus.size", "consensus.images", "consensus.answers", "consensus.members"],
            Images::Synthetic => ["synthetic.size", "synthetic.images", "synthetic.answers", "synthetic.members"],
        }
    }
}

/// The images, and what the members answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Consensus {
    /// Height, width and channels.
    pub size: [usize; 3],
    /// Classes of the networks.
    pub classes: usize,
    /// Row by row with channels side by side, one image after another.
    pub images: Vec<f32>,
    /// Mean probabilities of the members, images × classes.
    pub answers: Vec<f32>,
    /// Digests of the members' weights, ascending.
    pub members: Vec<u64>,
}

impl Consensus {
    /// Fits to networks of which `accuracy` says how good they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than two networks; where activations are not known; [`Error::Cancelled`] when a stop was
    /// requested.
    pub fn fit(context: &Context, of: Images, networks: &Networks, accuracy: &[f32]) -> Result<Consensus> {
        let count = networks.count();
        if count < 2 {
            return Err(Error::invalid(format!("networks for the input {}", of.key()), "at least 2", count));
        }
        let (arch, activations) = (networks.arch(), networks.activations(of.key())?);
        let mut best: Vec<usize> = (0..count).collect();
        best.sort_by(|&a, &b| accuracy[b].total_cmp(&accuracy[a]));
        best.truncate(count.div_ceil(SHARE).max(2));
        let packing = Packing::new(arch);
        let images = match of {
            Images::Drawn => drawn(arch),
            Images::Synthetic => {
                let count = (MADE * arch.classes).next_multiple_of(TILE);
                let (packing, activations, best) = (&packing, &activations, &best);
                Synthesis { isa: context.isa, packing, networks, activations, best }.images(context, count)?
            }
        };
        let (size, classes) = ([arch.height, arch.width, arch.channels], arch.classes);
        let gallery = Gallery::new(context.isa, packing, &images);
        let of_member = |bench: &mut Bench, &member: &usize| {
            softmax(classes, &gallery.logits(bench, networks.weights(member), activations[member]))
        };
        let mut sums = vec![0.0f64; gallery.count * classes];
        for some in best.chunks(BLOCK) {
            let all: Vec<Vec<f64>> = some.par_iter().map_init(|| gallery.bench(), of_member).collect();
            all.iter().for_each(|p| sums.iter_mut().zip(p).for_each(|(sum, p)| *sum += p));
            context.stop.go_on()?;
        }
        let answers = sums.iter().map(|sum| (sum / best.len() as f64) as f32).collect();
        let mut members: Vec<u64> = best.iter().map(|&member| digest(networks.weights(member))).collect();
        members.sort_unstable();
        Ok(Consensus { size, classes, images, answers, members })
    }

    /// What a file keeps: vectors, the images one after another.
    pub(super) fn tensors(&self, of: Images) -> Vec<Column> {
        let [size, images, answers, members] = of.names();
        let f32s = |x: &[f32]| bytes(x.iter().copied(), f32::to_le_bytes);
        let numbers = self.size.iter().chain([&self.classes]).map(|&n| n as u32);
        vec![
            (size.into(), Dtype::U32, bytes(numbers, u32::to_le_bytes)),
            (images.into(), Dtype::F32, f32s(&self.images)),
            (answers.into(), Dtype::F32, f32s(&self.answers)),
            (members.into(), Dtype::U64, bytes(self.members.iter().copied(), u64::to_le_bytes)),
        ]
    }

    /// Reads what [`Consensus::tensors`] wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(super) fn load(of: Images, tensors: &Tensors) -> Result<Consensus> {
        let [size, images, answers, members] = of.names();
        let sizes = tensors.u32s(size)?;
        let wrong = |what: &str, got: String| Err(tensors.malformed(format!("{what} of the input {}", of.key()), got));
        let &[height, width, channels, classes] = sizes.as_slice() else {
            return wrong("height, width, channels and classes", format!("{sizes:?}"));
        };
        let found = Consensus {
            size: [height, width, channels].map(|n| n as usize),
            classes: classes as usize,
            images: tensors.f32s(images)?,
            answers: tensors.f32s(answers)?,
            members: tensors.numbers(members, Dtype::U64, u64::from_le_bytes)?,
        };
        let pixels = sizes[..3].iter().try_fold(1usize, |product, &n| product.checked_mul(n as usize)).unwrap_or(0);
        let count = found.images.len().checked_div(pixels).unwrap_or(0);
        let fits = |values: &[f32], each: usize| values.len() == count.saturating_mul(each);
        let finite = found.images.iter().chain(&found.answers).all(|x| x.is_finite());
        let whole = fits(&found.images, pixels) && fits(&found.answers, found.classes);
        if count == 0 || found.classes < 2 || !whole || !finite {
            return wrong("images and answers", format!("others, {sizes:?}"));
        }
        match found.members.len() >= 2 && found.members.is_sorted() {
            true => Ok(found),
            false => wrong("members in ascending order", "others".into()),
        }
    }

    /// The consensus without a network that gives these probabilities.
    fn without(&self, p: Option<&[f64]>) -> Vec<f64> {
        let all = self.answers.iter().map(|&q| f64::from(q));
        let Some(p) = p else { return all.collect() };
        let members = self.members.len() as f64;
        // what is left of rounding is no probability below 0
        all.zip(p).map(|(q, p)| ((members * q - p) / (members - 1.0)).max(0.0)).collect()
    }
}

/// The drawn objects for networks of a shape, of colour every channel the same.
fn drawn(arch: &Arch) -> Vec<f32> {
    let grey = (0..DRAWN as u32).flat_map(|n| drawn::image(n, arch.height, arch.width));
    grey.flat_map(|x| std::iter::repeat_n(x, arch.channels)).collect()
}

/// What tells weights from others (FNV-1a over their bits).
fn digest(weights: &[f32]) -> u64 {
    let mix = |hash: u64, weight: &f32| (hash ^ u64::from(weight.to_bits())).wrapping_mul(0x0000_0100_0000_01b3);
    weights.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Images that networks are run on.
struct Gallery {
    isa: Isa,
    packing: Packing,
    tiles: Vec<Vec<[f32; TILE]>>,
    count: usize,
}

/// A thread's memory.
struct Bench {
    weights: Vec<Lanes>,
    arena: Arena,
}

impl Gallery {
    fn new(isa: Isa, packing: Packing, images: &[f32]) -> Gallery {
        let map = &packing.plan.maps[0];
        let images: Vec<&[f32]> = images.chunks_exact(map.height * map.width * map.channels).collect();
        let mut arena = Arena::new(&packing, false);
        let tile = |images: &[&[f32]]| {
            // places without an image have the last one
            arena.gather(isa, &packing, std::array::from_fn(|n| images[n.min(images.len() - 1)]));
            arena.image.clone()
        };
        let tiles = images.chunks(TILE).map(tile).collect();
        Gallery { isa, packing, tiles, count: images.len() }
    }

    fn bench(&self) -> Bench {
        Bench { weights: vec![Lanes::ZERO; self.packing.lanes], arena: Arena::new(&self.packing, false) }
    }

    /// Logits of a network, images × classes.
    fn logits(&self, bench: &mut Bench, weights: &[f32], own: Activation) -> Vec<f64> {
        let classes = self.packing.plan.classes;
        let mut logits = Vec::with_capacity(self.tiles.len() * TILE * classes);
        self.packing.unpack(weights, &mut bench.weights);
        for tile in &self.tiles {
            bench.arena.image.copy_from_slice(tile);
            forward(self.isa, &self.packing, own, &bench.weights, None, &mut bench.arena);
            let z = bench.arena.logits();
            for n in 0..TILE {
                logits.extend((0..classes).map(|k| f64::from(z[k / LANES][n].0[k % LANES])));
            }
        }
        logits.truncate(self.count * classes);
        logits
    }
}

/// The numbers of each network.
pub(super) struct Agreement<'n> {
    of: Images,
    consensus: &'n Consensus,
    networks: &'n Networks<'n>,
    activations: Vec<Activation>,
    gallery: Gallery,
}

impl<'n> Agreement<'n> {
    /// Takes the images for networks of this shape.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the networks have other classes or channels, cannot see images of this size, or their
    /// activation is not known.
    pub fn new(isa: Isa, of: Images, consensus: &'n Consensus, networks: &'n Networks<'n>) -> Result<Agreement<'n>> {
        let [height, width, channels] = consensus.size;
        let arch = networks.arch();
        let smaller = Arch { height, width, ..arch.clone() };
        let known = |arch: &Arch| (arch.channels, arch.classes) == (channels, consensus.classes);
        if !known(arch) || smaller.check().is_err() || smaller.parameters() != arch.parameters() {
            let expected = format!("{} classes and images of {height}×{width}×{channels}", consensus.classes);
            return Err(Error::invalid(format!("networks for the input {}", of.key()), expected, arch));
        }
        let gallery = Gallery::new(isa, Packing::new(&smaller), &consensus.images);
        Ok(Agreement { of, consensus, networks, activations: networks.activations(of.key())?, gallery })
    }
}

impl Columns for Agreement<'_> {
    fn columns(&self) -> Vec<String> {
        NUMBERS.iter().map(|number| format!("{}.{number}", self.of.key())).collect()
    }

    fn worker(&self) -> Worker<'_> {
        let classes = self.consensus.classes;
        let mut bench = self.gallery.bench();
        Box::new(move |network, values| {
            let weights = self.networks.weights(network);
            let logits = self.gallery.logits(&mut bench, weights, self.activations[network]);
            let own = self.consensus.members.binary_search(&digest(weights)).is_ok();
            let consensus = self.consensus.without(own.then(|| softmax(classes, &logits)).as_deref());
            let numbers = numbers(classes, &logits, &consensus);
            values.iter_mut().zip(numbers).for_each(|(value, number)| *value = number as f32);
        })
    }
}

#[cfg(test)]
mod tests;
