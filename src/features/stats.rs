//! Weight statistics: seven numbers of each tensor, 56 for the reference net.
//!
//! In the order of the reference's notebook: minimum, 25 %, 50 % and 75 % quantile, maximum (NumPy's linear percentile),
//! standard deviation (the population's), mean. Tensors in the order of the flat vector: bias before kernel, layer by layer.
//! A column is named `layer.tensor.statistic`, layers from 1 as papers count them: `conv1.bias.min`, `conv1.bias.q25` …
//! `conv2.kernel.std` … `dense.kernel.mean`.

use crate::cnn::{Arch, layout};
use crate::kernels::{Isa, quantile, reduce};
use crate::table::Table;
use crate::zoo::Zoo;
use rayon::prelude::*;

/// The statistics of a tensor, in their order.
pub const STATISTICS: [&str; 7] = ["min", "q25", "median", "q75", "max", "std", "mean"];

/// Names of the columns for networks of one shape; see the module.
pub fn columns(arch: &Arch) -> Vec<String> {
    let layers = (1..=arch.convs.len()).map(|number| format!("conv{number}")).chain(["dense".into()]);
    let tensors = layers.flat_map(|layer| [format!("{layer}.bias"), format!("{layer}.kernel")]);
    tensors.flat_map(|tensor| STATISTICS.map(|statistic| format!("{tensor}.{statistic}"))).collect()
}

/// The statistics of one tensor; `scratch` as [`quantile::quartiles`] wants it.
///
/// All are NaN where a weight is NaN; standard deviation and mean are NaN where one is infinite.
///
/// # Panics
/// If `weights` is empty or `scratch` too short.
pub fn statistics(isa: Isa, weights: &[f32], scratch: &mut [f32]) -> [f32; 7] {
    let moments = reduce::moments(isa, weights);
    let [q25, median, q75] = quantile::quartiles(isa, weights, scratch);
    [moments.min, q25, median, q75, moments.max, moments.variance.sqrt() as f32, moments.mean as f32]
}

/// The statistics of the given rows of a zoo, computed in place on rayon's threads; target: test accuracy, group: run.
///
/// The same bits on every leg and for every number of threads.
///
/// # Panics
/// If there is no such row.
pub fn table(isa: Isa, zoo: &Zoo, rows: &[usize]) -> Table {
    let tensors = layout::tensors(&zoo.schema().arch);
    let columns = columns(&zoo.schema().arch);
    let longest = tensors.iter().map(|tensor| tensor.range().len()).max().unwrap_or(0);
    let mut x = vec![0.0; rows.len() * columns.len()];
    x.par_chunks_mut(columns.len()).zip(rows).for_each_init(
        || vec![0.0; quantile::scratch_len(longest)],
        |scratch, (features, &row)| {
            let weights = zoo.weights(row);
            for (tensor, seven) in tensors.iter().zip(features.as_chunks_mut().0) {
                *seven = statistics(isa, &weights[tensor.range()], scratch);
            }
        },
    );
    Table {
        columns,
        x,
        y: rows.iter().map(|&row| zoo.test_accuracy()[row]).collect(),
        group: rows.iter().map(|&row| u64::from(zoo.run()[row])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::par::with_threads;
    use crate::zoo::{Config, Metrics, Schema, Status, Writer};

    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next() * next()).collect()
    }

    #[test]
    fn columns_have_the_papers_order() {
        let columns = columns(&Arch::reference(28, 28, 10).unwrap());
        assert_eq!(columns.len(), 56);
        assert_eq!(columns[..7].join(" ").replace("conv1.bias.", ""), "min q25 median q75 max std mean");
        assert_eq!(
            (&*columns[7], &*columns[28], &*columns[55]),
            ("conv1.kernel.min", "conv3.bias.min", "dense.kernel.mean")
        );
    }

    #[test]
    fn a_zoo_becomes_its_table_on_every_leg_and_thread_count() {
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
            optimizer: vec!["sgd".into()],
            activation: vec!["relu".into()],
            w_init: vec!["he_normal".into()],
            program: String::new(),
        };
        let writer = Writer::create_or_open(&path, &schema, &[Config::default(); 20], false).unwrap();
        for run in 0..20 {
            let metrics = Metrics { test_accuracy: run as f32 / 20.0, ..Metrics::default() };
            writer.write(run, 1, &noise(4970, run as u64), &metrics, &[0.0; 10], Status::Done).unwrap();
        }
        let zoo = Zoo::open(&path).unwrap();
        let rows = zoo.final_rows();
        let first = table(Isa::detect(), &zoo, &rows);
        for isa in Isa::available() {
            for threads in [1, 2, 5] {
                let again = with_threads(threads, || table(isa, &zoo, &rows));
                assert!(again == first, "{} {threads}", isa.leg());
            }
        }
        assert_eq!((first.group[19], first.y[19], rows[19]), (19, 0.95, 39));
        for (tensor, range) in layout::tensors(&schema.arch).iter().map(layout::Tensor::range).enumerate() {
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
