//! Evaluations of a fleet's networks: a workgroup for each segment of the images of each network.

use super::abi::{self, Binding, Network, Segment};
use super::engine::Program;
use super::fleet::{Bindings, Fleet, Images};
use crate::Result;
use crate::gpu::{Dispatch, Pending, Readback};
use crate::train::rules::Evaluation;
use crate::train::run::Run;
use std::ops::Range;

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// The training images.
    Train,
    /// The test images.
    Test,
}

/// A network to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Its slot.
    pub slot: usize,
    /// Its hyperparameters.
    pub run: Run,
    /// Its training images, the first ones.
    pub images: usize,
}

/// What a network does, dropout off, losses without L2; and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// On its training images.
    pub train: Evaluation,
    /// On the test images.
    pub test: Evaluation,
    /// The flat vector.
    pub weights: Vec<f32>,
}

/// Segments that a dispatch evaluates: which network, which images.
type Chunk = (Subset, Vec<(usize, Range<usize>)>);

/// Measurements that were submitted.
pub struct PendingMeasures {
    work: Vec<Due>,
    chunks: Vec<Chunk>,
    pending: Pending,
}

impl Fleet {
    /// What some networks do on the first images of a subset, dropout off: slot, hyperparameters, number of images. The losses
    /// are without L2.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn evaluate(&self, subset: Subset, work: &[(usize, Run, usize)]) -> Result<Vec<Evaluation>> {
        let work: Vec<Due> = work.iter().map(|&(slot, run, images)| Due { slot, run, images }).collect();
        let counts: Vec<usize> = work.iter().map(|due| due.images).collect();
        let chunks = self.chunks(subset, &work, &counts);
        let mut readback = self.readback(self.bytes(&chunks));
        self.submit_chunks(&work, &chunks, &mut readback);
        let pending = self.gpu.recorder().submit(readback);
        let (words, readback) = pending.finish(&self.gpu, bytemuck::pod_collect_to_vec::<u8, u32>)?;
        self.give_back(readback);
        let sums = self.sums(&work, &chunks, &words, subset)?;
        Ok(sums
            .into_iter()
            .zip(counts)
            .map(|(sum, count)| sum.evaluation(&self.images(subset).labels[..count]))
            .collect())
    }

    /// Submits measurements of networks: what they do on training and test images, and their weights.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn submit_measures(&self, work: Vec<Due>) -> Result<PendingMeasures> {
        let train: Vec<usize> = work.iter().map(|due| due.images).collect();
        let test = vec![self.test.labels.len(); work.len()];
        let mut chunks = self.chunks(Subset::Train, &work, &train);
        chunks.extend(self.chunks(Subset::Test, &work, &test));
        let weights = (4 * self.engine.weights) as u64;
        let mut readback = self.readback(self.bytes(&chunks) + weights * work.len() as u64);
        self.submit_chunks(&work, &chunks, &mut readback);
        let mut recorder = self.gpu.recorder();
        work.iter().for_each(|due| recorder.read(&self.state, self.place(due.slot), weights, &mut readback));
        Ok(PendingMeasures { work, chunks, pending: recorder.submit(readback) })
    }

    /// Waits for measurements.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here, and a driver that did not do all of it.
    pub fn finish_measures(&self, measures: PendingMeasures) -> Result<Vec<Measured>> {
        use rayon::prelude::*;
        let PendingMeasures { work, chunks, pending } = measures;
        let (words, readback) = pending.finish(&self.gpu, bytemuck::pod_collect_to_vec::<u8, u32>)?;
        self.give_back(readback);
        let (results, weights) = words.split_at((self.bytes(&chunks) / 4) as usize);
        let train = self.sums(&work, &chunks, results, Subset::Train)?;
        let test = self.sums(&work, &chunks, results, Subset::Test)?;
        let networks = work.par_iter().zip(train).zip(test).zip(weights.par_chunks_exact(self.engine.weights));
        let measured = networks.map(|(((due, train), test), working)| {
            let mut weights = vec![0.0; self.engine.place.len()];
            self.engine.pack(bytemuck::cast_slice(working), &mut weights);
            let train = train.evaluation(&self.train.labels[..due.images]);
            Measured { train, test: test.evaluation(&self.test.labels), weights }
        });
        Ok(measured.collect())
    }

    fn images(&self, subset: Subset) -> &Images {
        match subset {
            Subset::Train => &self.train,
            Subset::Test => &self.test,
        }
    }

    /// Words of a segment's results.
    fn words(&self) -> usize {
        self.engine.classes + 2
    }

    /// Bytes of the chunks' results.
    fn bytes(&self, chunks: &[Chunk]) -> u64 {
        chunks.iter().map(|(_, segments)| (4 * self.words() * segments.len()) as u64).sum()
    }

    /// The segments of all networks, those of a program together, as many in a chunk as there is room for.
    fn chunks(&self, subset: Subset, work: &[Due], counts: &[usize]) -> Vec<Chunk> {
        // there is no more room for maps outside workgroup memory than training needs
        let room = (self.slots * self.engine.maps / super::shape::QUAD).checked_div(self.engine.evaluation_maps);
        let most = self.slots * self.images(subset).labels.len().div_ceil(self.engine.segment);
        let most = room.map_or(most, |room| room.min(most)).max(1);
        let of_program = |program| {
            let networks = work.iter().zip(counts).enumerate();
            let networks = networks.filter(move |(_, (due, _))| self.engine.evaluates(&due.run) == program);
            let all: Vec<(usize, Range<usize>)> = networks
                .flat_map(|(index, (_, &count))| {
                    let firsts = (0..count).step_by(self.engine.segment);
                    firsts.map(move |first| (index, first..count.min(first + self.engine.segment)))
                })
                .collect();
            all.chunks(most).map(|some| (subset, some.to_vec())).collect::<Vec<_>>()
        };
        (0..self.engine.evaluation.len()).flat_map(of_program).collect()
    }

    /// Submits one chunk after another.
    fn submit_chunks(&self, work: &[Due], chunks: &[Chunk], readback: &mut Readback) {
        let networks: Vec<Network> = work.iter().map(|due| self.network(due.slot, &due.run)).collect();
        self.gpu.write(&self.evaluated, 0, &networks);
        for (subset, segments) in chunks {
            let groups = self.write_segments(*subset, segments);
            let program = &self.engine.evaluation[self.engine.evaluates(&work[segments[0].0].run)];
            let bindings = self.evaluation_bindings(*subset, program);
            let mut recorder = self.gpu.recorder();
            recorder.dispatch(&Dispatch { pipeline: &program.pipeline, bindings: &bindings, groups });
            let bytes = (4 * self.words() * segments.len()) as u64;
            recorder.read(&self.images(*subset).results, 0, bytes, readback);
            recorder.send();
        }
    }

    /// Writes what a dispatch evaluates; returns its workgroups.
    fn write_segments(&self, subset: Subset, segments: &[(usize, Range<usize>)]) -> [usize; 2] {
        let segment = |(number, (network, images)): (usize, &(usize, Range<usize>))| Segment {
            network: *network as u32,
            first: images.start as u32,
            end: images.end as u32,
            maps: (number * self.engine.evaluation_maps) as u32,
        };
        let mut list: Vec<Segment> = segments.iter().enumerate().map(segment).collect();
        let rows = list.len().div_ceil(self.gpu.limits().groups);
        let columns = list.len().div_ceil(rows);
        // rows are equally long: some segments of no images fill them up
        list.resize(rows * columns, bytemuck::Zeroable::zeroed());
        self.gpu.write(&self.images(subset).segments, 0, &list);
        [columns, rows]
    }

    fn evaluation_bindings(&self, subset: Subset, program: &Program) -> Bindings<'_> {
        let images = self.images(subset);
        let common = [
            (Binding::Pixels, &images.pixels),
            (Binding::Networks, &self.evaluated),
            (Binding::Order, &images.order),
            (Binding::State, &self.state),
            (Binding::RatesOrSegments, &images.segments),
            (Binding::GradientsOrResults, &images.results),
        ];
        self.bound(program, &common)
    }

    /// An evaluation of training images by a pipeline that has one binding more; returns the number of its dispatches.
    #[cfg(test)]
    pub(super) fn evaluate_watched(
        &self,
        work: &[(usize, Run, usize)],
        pipeline: &crate::gpu::Pipeline,
        more: (u32, &crate::gpu::Buffer),
    ) -> usize {
        let work: Vec<Due> = work.iter().map(|&(slot, run, images)| Due { slot, run, images }).collect();
        let counts: Vec<usize> = work.iter().map(|due| due.images).collect();
        let chunks = self.chunks(Subset::Train, &work, &counts);
        let networks: Vec<Network> = work.iter().map(|due| self.network(due.slot, &due.run)).collect();
        self.gpu.write(&self.evaluated, 0, &networks);
        for (subset, segments) in &chunks {
            let groups = self.write_segments(*subset, segments);
            let mut bindings = self.evaluation_bindings(*subset, &self.engine.evaluation[0]);
            bindings.push(more);
            self.gpu.submit(&Dispatch { pipeline, bindings: &bindings, groups });
        }
        chunks.len()
    }

    /// The networks' sums on a subset, from the results of all chunks.
    fn sums(&self, work: &[Due], chunks: &[Chunk], results: &[u32], subset: Subset) -> Result<Vec<Sum>> {
        let mut sums = vec![Sum { loss: 0.0, right: vec![0; self.engine.classes] }; work.len()];
        let segments =
            chunks.iter().flat_map(|(subset, segments)| segments.iter().map(move |segment| (subset, segment)));
        for ((of, (network, images)), results) in segments.zip(results.chunks_exact(self.words())) {
            if *of == subset {
                let seen = sums[*network].add(results);
                self.complete(seen, images.len()..=images.len())?;
            }
        }
        Ok(sums)
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
        Evaluation::new(abi::finite(loss), &self.right, &all)
    }
}
