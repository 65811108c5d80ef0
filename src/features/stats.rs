//! Weight statistics: seven numbers of each tensor, 56 for the reference net; or with other percentiles.
//!
//! In the order of the reference's notebook: minimum, 25 %, 50 % and 75 % quantile, maximum (NumPy's linear percentile),
//! standard deviation (the population's), mean. Tensors in the order of the flat vector: bias before kernel, layer by layer.
//! A column is named `layer.tensor.statistic`, layers from 1 as papers count them: `conv1.bias.min`, `conv1.bias.q25` …
//! `conv2.kernel.std` … `dense.kernel.mean`; another percentile is `q2.5`.

#[cfg(feature = "gpu")]
use super::on_gpu::{self, Computed};
use super::window::quantile;
use super::{Columns, Networks, Worker, tensors};
use crate::cnn::plan::Role;
use crate::kernels::quantile::scratch_len;
use crate::kernels::summary::summary;
use crate::kernels::{Isa, reduce};
use std::ops::Range;

/// The percentiles of the reference.
pub const PERCENTILES: [f64; 5] = [0.0, 25.0, 50.0, 75.0, 100.0];

/// What a percentile's column is called.
fn percentile_name(percentile: f64) -> String {
    match percentile {
        0.0 => "min".into(),
        50.0 => "median".into(),
        100.0 => "max".into(),
        other => format!("q{other}"),
    }
}

/// Some percentiles, the standard deviation and the mean of sets of weights.
pub(super) struct Stats<'n> {
    isa: Isa,
    networks: &'n Networks<'n>,
    /// Name and windows of each set; of several windows the statistics are averaged, of none they are NaN.
    sets: Vec<(String, Vec<Range<usize>>)>,
    percentiles: Vec<f64>,
}

impl<'n> Stats<'n> {
    /// The statistics of each tensor of the given layers, which count from 0.
    pub fn of_layers(isa: Isa, networks: &'n Networks<'n>, layers: &[usize], percentiles: &[f64]) -> Stats<'n> {
        let tensors = tensors::tensors(networks.arch(), layers);
        let sets = tensors.into_iter().map(|tensor| (tensor.name, vec![tensor.range])).collect();
        Stats { isa, networks, sets, percentiles: percentiles.into() }
    }

    /// The statistics of the whole flat vector.
    pub fn global(isa: Isa, networks: &'n Networks<'n>) -> Stats<'n> {
        let whole = 0..networks.arch().parameters();
        let sets = vec![("all".into(), vec![whole])];
        Stats { isa, networks, sets, percentiles: PERCENTILES.into() }
    }

    /// The statistics of the first and the last layer, and the mean of those of the layers between: 42 columns for every
    /// shape.
    pub fn pooled(isa: Isa, networks: &'n Networks<'n>) -> Stats<'n> {
        let arch = networks.arch();
        let last = tensors::layers(arch) - 1;
        let mut sets = Vec::new();
        for (name, layers) in [("first", 0..1), ("middle", 1..last), ("last", last..last + 1)] {
            let tensors = tensors::tensors(arch, &layers.collect::<Vec<_>>());
            for role in [Role::Bias, Role::Kernel] {
                let of_role = tensors.iter().filter(|tensor| tensor.role == role);
                sets.push((format!("{name}.{}", role.name()), of_role.map(|tensor| tensor.range.clone()).collect()));
            }
        }
        Stats { isa, networks, sets, percentiles: PERCENTILES.into() }
    }

    /// The statistics of one set of weights.
    fn fill(&self, weights: &[f32], scratch: &mut [f32], values: &mut [f32]) {
        if self.percentiles == PERCENTILES {
            values.copy_from_slice(&summary(self.isa, weights, scratch));
            return;
        }
        let moments = reduce::moments(self.isa, weights);
        let (quantiles, rest) = values.split_at_mut(self.percentiles.len());
        rest.copy_from_slice(&[moments.variance.sqrt() as f32, moments.mean as f32]);
        let sorted = &mut scratch[..weights.len()];
        sorted.copy_from_slice(weights);
        sorted.sort_unstable_by(f32::total_cmp);
        for (value, &p) in quantiles.iter_mut().zip(&self.percentiles) {
            *value = if moments.min.is_nan() { f32::NAN } else { quantile(sorted, p / 100.0) as f32 };
        }
    }
}

/// Fills `values` for each of `windows` and leaves their mean there.
fn average<W>(windows: &[W], values: &mut [f32], mut fill: impl FnMut(&W, &mut [f32])) {
    if let [window] = windows {
        return fill(window, values);
    }
    let mut sums = vec![0.0; values.len()];
    for window in windows {
        fill(window, values);
        sums.iter_mut().zip(values.iter()).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    // no window: 0/0 is NaN, a missing value
    values.iter_mut().zip(sums).for_each(|(value, sum)| *value = (sum / windows.len() as f64) as f32);
}

impl Columns for Stats<'_> {
    fn columns(&self) -> Vec<String> {
        let statistics = || self.percentiles.iter().map(|&p| percentile_name(p)).chain(["std".into(), "mean".into()]);
        self.sets.iter().flat_map(|(set, _)| statistics().map(move |statistic| format!("{set}.{statistic}"))).collect()
    }

    fn worker(&self) -> Worker<'_> {
        let longest = self.sets.iter().flat_map(|(_, windows)| windows).map(Range::len).max().unwrap_or(0);
        let mut scratch = vec![0.0; scratch_len(longest)];
        Box::new(move |network, values| {
            let weights = self.networks.weights(network);
            for ((_, windows), values) in self.sets.iter().zip(values.chunks_exact_mut(self.percentiles.len() + 2)) {
                average(windows, values, |window, values| self.fill(&weights[window.clone()], &mut scratch, values));
            }
        })
    }

    #[cfg(feature = "gpu")]
    fn on_gpu(&self, gpu: &crate::gpu::Gpu) -> crate::Result<Option<Computed>> {
        if self.percentiles != PERCENTILES {
            return Ok(None);
        }
        let windows: Vec<Range<usize>> = self.sets.iter().flat_map(|(_, windows)| windows).cloned().collect();
        let found = on_gpu::statistics_of(gpu, self.isa, self.networks, &windows)?;
        let mut values = Vec::with_capacity(self.networks.count() * 7 * self.sets.len());
        for mut network in found.chunks(windows.len().max(1)) {
            for (_, windows) in &self.sets {
                let (own, rest) = network.split_at(windows.len());
                let mut set = [0.0; 7];
                average(own, &mut set, |found, values| values.copy_from_slice(found));
                values.extend(set);
                network = rest;
            }
        }
        Ok(Some(Computed { columns: self.columns(), values }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::Arch;
    use crate::features::Input;
    use crate::kernels::reference;
    use crate::out::{FileKind, OutPath};
    use crate::par::with_threads;
    use crate::rng::Stream;
    use crate::zoo::{Config, Metrics, Schema, Status, Writer, Zoo};

    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut stream = Stream::new(seed, 0, 0);
        (0..n).map(|_| (stream.range(-1.0, 1.0) * stream.range(-1.0, 1.0)) as f32).collect()
    }

    #[test]
    fn columns_have_the_papers_order() {
        let arch = Arch::reference(28, 28, 10).unwrap();
        let networks = Networks::Loose { arch: &arch, weights: &[], activation: None };
        let columns = Input::default().table(Isa::detect(), &networks).unwrap().columns;
        assert_eq!(columns.len(), 56);
        assert_eq!(columns[..7].join(" ").replace("conv1.bias.", ""), "min q25 median q75 max std mean");
        assert_eq!(
            (&*columns[7], &*columns[28], &*columns[55]),
            ("conv1.kernel.min", "conv3.bias.min", "dense.kernel.mean")
        );
    }

    #[test]
    fn a_zoo_becomes_its_table_on_every_isa_and_thread_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zoo");
        let schema = Schema {
            arch: Arch::reference(28, 28, 10).unwrap(),
            runs: 20,
            checkpoints: vec![0, 3],
            dataset: String::new(),
            digest: String::new(),
            recipe: serde_json::Value::Null,
            seed: 0,
            names: crate::train::run::names_of_format_1(),
            optional: Vec::new(),
            shard: None,
            rounding: Vec::new(),
            dataset_notes: Vec::new(),
            program: String::new(),
        };
        let writer =
            Writer::create_or_open(&OutPath::new(&path, FileKind::Zoo).unwrap(), &schema, &[Config::default(); 20])
                .unwrap();
        for run in 0..20 {
            let metrics = Metrics { test_accuracy: run as f32 / 20.0, ..Metrics::default() };
            writer.write(run, 1, &noise(4970, run as u64), &metrics, &[0.0; 10], Status::Done).unwrap();
        }
        let zoo = Zoo::open(&path).unwrap();
        let rows = zoo.final_rows();
        let table = |isa| Input::default().table(isa, &Networks::Zoo { zoo: &zoo, rows: &rows }).unwrap();
        let first = table(Isa::detect());
        for isa in Isa::available() {
            for threads in [1, 2, 5] {
                let again = with_threads(threads, || table(isa));
                assert!(again == first, "{} {threads}", isa.kind());
            }
        }
        assert_eq!((first.group[19], first.y[19], rows[19]), (19, 0.95, 39));
        for (tensor, range) in schema.arch.plan().tensors.into_iter().map(|tensor| tensor.range).enumerate() {
            let weights = noise(4970, 7);
            let moments = reference::reduce::moments(&weights[range.clone()]);
            let [q25, median, q75] = reference::quantile::quartiles(&weights[range]);
            let want =
                [moments.min.into(), q25, median, q75, moments.max.into(), moments.variance.sqrt(), moments.mean];
            for (got, want) in first.row(7)[7 * tensor..].iter().zip(want) {
                assert!((f64::from(*got) - want).abs() <= 1e-7 * want.abs(), "{got} {want}");
            }
        }
    }
}
