//! Evaluations of a fleet's networks: a workgroup for each segment of the images and each network.

use super::fleet::{Fleet, Images, Steps};
use crate::Result;
use crate::gpu::Dispatch;
use crate::train::rules::Evaluation;
use crate::train::run::Run;

/// Images that a workgroup evaluates.
pub(super) const SEGMENT: usize = 512;
/// Images of a dispatch, about: half a TFLOP of the reference net.
const EVALUATED: usize = 1 << 21;

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The training images.
    Train,
    /// The test images.
    Test,
}

impl Fleet {
    /// What some networks do on the first images of a part, dropout off: slot, hyperparameters, number of images. The losses
    /// are without L2.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn evaluate(&self, part: Part, work: &[(usize, Run, usize)]) -> Result<Vec<Evaluation>> {
        let most = work.iter().map(|&(_, _, images)| images).max().unwrap_or(0);
        let together = (EVALUATED / most.max(1)).clamp(1, self.slots);
        let mut segments = most.div_ceil(self.segment);
        if self.shape.outside {
            // there is no more room for maps than training needs
            segments = segments.min(self.slots * self.map_quads / self.shape.maps() / together);
        }
        let mut found = Vec::with_capacity(work.len());
        for work in work.chunks(together) {
            let mut sums = vec![Sum { loss: 0.0, right: vec![0; self.shape.classes] }; work.len()];
            for first in (0..most).step_by(self.segment * segments.max(1)) {
                self.evaluate_together(part, work, first, segments, &mut sums)?;
            }
            let images = self.images(part);
            found.extend(work.iter().zip(sums).map(|(work, sum)| sum.evaluation(&images.labels[..work.2])));
        }
        Ok(found)
    }

    fn images(&self, part: Part) -> &Images {
        match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
        }
    }

    /// Adds what some networks do on some segments of the images from `first` on.
    fn evaluate_together(
        &self,
        part: Part,
        work: &[(usize, Run, usize)],
        first: usize,
        segments: usize,
        sums: &mut [Sum],
    ) -> Result<()> {
        let images = self.images(part);
        let left = |count: usize| count.saturating_sub(first).min(segments * self.segment);
        let network = |&(slot, run, count): &(usize, Run, usize)| {
            let none = Steps { slot, run, first: 0, before: 0, count: 0, all: 0 };
            self.network(&none, first as u32, 0..left(count), 0)
        };
        let networks: Vec<[u32; 16]> = work.iter().map(network).collect();
        self.gpu.write(&self.networks, 0, networks.as_flattened());
        self.gpu.write(&self.evaluation_job, 0, &self.shape.job(self.batch, self.segment, segments));
        let buffers = [&self.evaluation_job, &images.pixels, &self.networks, &images.order, &self.state, &self.results];
        let mut bindings = [(8, &self.maps); 7];
        for (number, buffer) in buffers.into_iter().enumerate() {
            bindings[number] = (number as u32, buffer);
        }
        let groups = [segments, work.len()];
        self.gpu.submit(&Dispatch { pipeline: &self.evaluation, bindings: &bindings, groups });
        let width = self.shape.classes + 2;
        let results: Vec<u32> = self.gpu.download(&self.results, 0, work.len() * segments * width)?;
        for ((work, sum), results) in work.iter().zip(sums).zip(results.chunks_exact(segments * width)) {
            let seen = results.chunks_exact(width).map(|segment| sum.add(segment)).sum::<usize>();
            self.complete(seen, left(work.2)..=left(work.2))?;
        }
        Ok(())
    }
}

/// A network's results so far.
#[derive(Clone)]
struct Sum {
    loss: f64,
    right: Vec<u32>,
}

impl Sum {
    /// Adds a workgroup's results and returns how many images it looked at.
    fn add(&mut self, results: &[u32]) -> usize {
        let [loss, seen, right @ ..] = results else { return 0 };
        self.loss += f64::from(f32::from_bits(*loss));
        self.right.iter_mut().zip(right).for_each(|(right, more)| *right += more);
        *seen as usize
    }

    /// The whole, for images of these labels.
    fn evaluation(self, labels: &[u8]) -> Evaluation {
        let mut all = vec![0; self.right.len()];
        labels.iter().for_each(|&label| all[usize::from(label)] += 1);
        let loss = (self.loss / labels.len() as f64) as f32;
        // the shader's sign for a loss that is not finite
        Evaluation::new(if loss < 1e30 { loss } else { f32::NAN }, &self.right, &all)
    }
}
