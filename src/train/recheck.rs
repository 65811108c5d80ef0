//! Networks of a zoo evaluated again on its images.

use super::network::Network;
use super::rules::Evaluation;
use super::run::Run;
use crate::cnn::choice::Choice;
use crate::cnn::packing::Packing;
use crate::dataset::Dataset;
use crate::kernels::activation::Activation;
use crate::zoo::Zoo;
use crate::{Context, Error, Result};
use rayon::prelude::*;

/// What was measured of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The row.
    pub row: usize,
    /// On the test images.
    pub test: Evaluation,
    /// On the network's own training images, where its share of them is known.
    pub train: Option<Evaluation>,
}

/// Evaluates rows of a zoo on a data set, which must be of the same shape.
///
/// The penalty of L2 is in the losses, as in training; where it is not known they are NaN.
///
/// # Errors
/// [`Error::Mismatch`] where the images are of another shape or, by their digest, others; [`Error::Unknown`] for an activation that
/// cannot be computed; [`Error::Cancelled`] when a stop was requested.
pub fn recheck(context: &Context, zoo: &Zoo, dataset: &Dataset, rows: &[usize]) -> Result<Vec<Measured>> {
    same(zoo, dataset)?;
    let packing = Packing::new(&zoo.schema().arch);
    let measure = |network: &mut Network, &row: &usize| -> Result<Measured> {
        if context.stop.requested() {
            return Err(Error::Cancelled);
        }
        let config = zoo.config(zoo.network(row));
        let activation = Activation::parse(zoo.schema().name("activation", &config))?;
        let number = |name| config.number(name);
        let run = Run {
            activation,
            l2reg: number("l2reg"),
            weight_decay: number("weight_decay"),
            train_fraction: number("train_fraction"),
            ..Run::default()
        };
        network.start(run, 1);
        network.load(zoo.weights(row));
        let images = run.train_images(dataset.train.len());
        let known = run.train_fraction.is_finite() && images > 0;
        Ok(Measured {
            row,
            test: network.evaluate(&dataset.test, dataset.test.len()),
            train: known.then(|| network.evaluate(&dataset.train, images)),
        })
    };
    rows.par_iter().map_init(|| Network::new(context.isa, &packing, Run::default()), measure).collect()
}

/// Refuses other images than those of the zoo, as far as the zoo tells.
fn same(zoo: &Zoo, dataset: &Dataset) -> Result<()> {
    let (schema, images) = (zoo.schema(), &dataset.test);
    let mismatch = |field: &str, expected: String, got: String| {
        Err(Error::Mismatch { path: zoo.path().into(), field: field.into(), expected, got })
    };
    if !schema.digest.is_empty() && schema.digest != dataset.digest {
        let described = |name: &str, digest: &str| format!("{name} (sha256 {digest:.12}…)");
        let expected = described(&dataset.name, &dataset.digest);
        return mismatch("data set", expected, described(&schema.dataset, &schema.digest));
    }
    let arch = &schema.arch;
    let shape = |[h, w, c, classes]: [usize; 4]| format!("{h}×{w}×{c}, {classes} classes");
    let (want, got) = (
        [images.height, images.width, images.channels, dataset.classes],
        [arch.height, arch.width, arch.channels, arch.classes],
    );
    if want == got { Ok(()) } else { mismatch("shape of the images", shape(want), shape(got)) }
}
