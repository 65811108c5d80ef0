//! The one list of what is measured: every hot kernel at the shapes that networks and predictors have.
//!
//! `zoometry bench` and `cargo bench` walk it. Each line is a [`Case`]: operands, the call, its cost, and the plain `f64`
//! definition that the answer is compared with before anything is timed.

mod boost;
mod gemm;
#[cfg(feature = "gpu")]
pub mod gpu;
mod layers;
mod statistics;
mod step;
mod vectors;

use crate::bench::Case;
use crate::rng::Stream;

/// Every case, in the order of a training step and then of a prediction.
pub fn cases() -> Vec<Case> {
    [step::cases(), layers::cases(), vectors::cases(), gemm::cases(), statistics::cases(), boost::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Numbers in [−1, 1).
fn noise(n: usize) -> Vec<f32> {
    let mut stream = Stream::new(1, 0, n as u32);
    (0..n).map(|_| stream.range(-1.0, 1.0) as f32).collect()
}

/// The same numbers as `f64`.
fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_has_its_own_name() {
        let paths: BTreeSet<String> = cases().iter().map(Case::path).collect();
        assert_eq!(paths.len(), cases().len());
    }

    #[test]
    fn every_quick_answer_is_right_on_every_isa() {
        // fits of thousands of trees have tests of their own
        for case in cases().iter().filter(|case| case.name != "boost/fit") {
            for isa in Isa::available() {
                let error = case.error(isa);
                assert!(error <= case.tolerance, "{} on {}: {error:e} > {:e}", case.path(), isa.kind(), case.tolerance);
            }
        }
    }
}
