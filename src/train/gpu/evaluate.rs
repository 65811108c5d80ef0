//! Evaluations of a fleet's networks: a workgroup for each segment of the images and each network.

use super::fleet::{Fleet, Images, Steps};
use crate::Result;
use crate::gpu::Dispatch;
use crate::train::cpu::Evaluation;
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
        let most = work.iter().map(|&(_, _, images)| images).max().unwrap_or(0).max(1);
        let together = (EVALUATED / most).clamp(1, self.slots);
        let mut segments = most.div_ceil(SEGMENT);
        if self.shape.outside {
            // there is no more room for maps than training needs
            segments = segments.min(self.slots * self.map_quads / self.shape.maps() / together);
        }
        let mut found = Vec::with_capacity(work.len());
        for work in work.chunks(together) {
            found.extend(self.evaluate_together(part, work, most.div_ceil(segments), segments)?);
        }
        Ok(found)
    }

    fn evaluate_together(
        &self,
        part: Part,
        work: &[(usize, Run, usize)],
        segment: usize,
        segments: usize,
    ) -> Result<Vec<Evaluation>> {
        let images = if part == Part::Train { &self.train } else { &self.test };
        let network = |&(slot, run, images): &(usize, Run, usize)| {
            let none = Steps { slot, run, first: 0, before: 0, count: 0 };
            self.network(&run, slot, 0, images, &none, 0)
        };
        let networks: Vec<[u32; 16]> = work.iter().map(network).collect();
        self.gpu.write(&self.networks, 0, networks.as_flattened());
        self.gpu.write(&self.evaluation_job, 0, &self.shape.job(self.batch, segment, segments));
        let buffers = [&self.evaluation_job, &images.pixels, &self.networks, &images.order, &self.state, &self.results];
        let mut bindings = [(8, &self.maps); 7];
        for (number, buffer) in buffers.into_iter().enumerate() {
            bindings[number] = (number as u32, buffer);
        }
        let groups = [segments, work.len()];
        self.gpu.submit(&Dispatch { pipeline: &self.evaluation, bindings: &bindings, groups });
        let width = self.shape.classes + 1;
        let results: Vec<u32> = self.gpu.download(&self.results, 0, work.len() * segments * width)?;
        let results = results.chunks_exact(segments * width);
        Ok(work.iter().zip(results).map(|(work, results)| self.sum(images, work.2, results)).collect())
    }

    /// One network's evaluation from its segments'.
    fn sum(&self, images: &Images, count: usize, results: &[u32]) -> Evaluation {
        let classes = self.shape.classes;
        let (mut loss, mut right, mut all) = (0.0, vec![0; classes], vec![0; classes]);
        for segment in results.chunks_exact(classes + 1) {
            loss += f64::from(f32::from_bits(segment[0]));
            right.iter_mut().zip(&segment[1..]).for_each(|(right, more)| *right += more);
        }
        images.labels[..count].iter().for_each(|&label| all[usize::from(label)] += 1);
        let loss = (loss / count as f64) as f32;
        // the shader's sign for a loss that is not finite
        Evaluation::new(if loss < 1e30 { loss } else { f32::NAN }, &right, &all)
    }
}
