//! The rules of training that every device follows: learning rate, order of images, dropout, penalty, what an evaluation says.
//!
//! CPU, GPU and reference import them; none imports another.

use super::run::{Optimizer, Run, Schedule};
use crate::cnn::plan::{Plan, Role};
use crate::kernels::optimizer::{BETA_1, BETA_2};
use crate::kernels::random::DropoutKey;
use crate::rng::Stream;
use std::f64::consts::PI;

/// Purposes of the random numbers used in training; that of a dropout is `DROPOUT` + its number in the plan.
const SHUFFLE: u32 = u32::from_be_bytes(*b"shuf");
/// See `SHUFFLE`.
pub const DROPOUT: u32 = u32::from_be_bytes(*b"drp\0");

/// The learning rate of step `t` = 1, 2, … of `steps`, for Adam corrected for it.
///
/// With progress `x = (t − 1) / steps`: constant η; step η·{1, 0.1, 0.01} from x = 0, ½, ¾; cosine η·(1 + cos πx)/2; one-cycle
/// from η/25 up to η at x = 0.3 and down to 0, both along half a cosine.
pub fn rate(run: &Run, t: u32, steps: u32) -> f32 {
    let x = f64::from(t - 1) / f64::from(steps.max(1));
    let half_cosine = |x: f64| (1.0 + libm::cos(PI * x)) / 2.0;
    let factor = match run.schedule {
        Schedule::Constant => 1.0,
        Schedule::Step => [1.0, 1.0, 0.1, 0.01][((4.0 * x) as usize).min(3)],
        Schedule::Cosine => half_cosine(x),
        Schedule::OneCycle if x < 0.3 => 1.0 - 0.96 * half_cosine(x / 0.3),
        Schedule::OneCycle => half_cosine((x - 0.3) / 0.7),
    };
    let correction = match run.optimizer {
        Optimizer::Adam => {
            let power = |beta: f32| 1.0 - libm::pow(f64::from(beta), f64::from(t));
            power(BETA_2).sqrt() / power(BETA_1)
        }
        Optimizer::Sgd | Optimizer::Momentum | Optimizer::RmsProp => 1.0,
    };
    (f64::from(run.learning_rate) * factor * correction) as f32
}

/// The factor of a parameter that is added to its gradient: weight decay, and of kernels 2λ from the loss.
pub fn decay(run: &Run, role: Role) -> f32 {
    match role {
        Role::Bias => run.weight_decay,
        Role::Kernel => 2.0 * run.l2reg + run.weight_decay,
    }
}

/// The order in which a network sees its `images` training images in an epoch.
pub fn shuffle(run: &Run, images: usize, epoch: u32, order: &mut Vec<u32>) {
    order.clear();
    order.extend(0..images as u32);
    Stream::at_step(run.seed, SHUFFLE, 0, epoch).shuffle(order);
}

/// The 16-bit threshold of a run's dropout; 0 stands for none.
pub fn threshold(run: &Run) -> u32 {
    (f64::from(run.dropout) * 65536.0).round() as u32
}

/// The share of units that a threshold keeps.
pub fn keep(threshold: u32) -> f32 {
    1.0 - threshold as f32 / 65536.0
}

/// The decisions of dropout `number` of the plan in a training step (from 0).
pub fn dropout_key(run: &Run, step: u32, number: usize) -> DropoutKey {
    let key = [run.seed as u32, (run.seed >> 32) as u32];
    DropoutKey { key, counter: [step, DROPOUT + number as u32], threshold: threshold(run) }
}

/// `λ·Σw²` over all kernels of a flat vector.
pub fn penalty(plan: &Plan, run: &Run, flat: &[f32]) -> f64 {
    let kernels = plan.tensors.iter().filter(|tensor| tensor.role == Role::Kernel);
    let square = |&w: &f32| f64::from(w) * f64::from(w);
    let squares = kernels.map(|kernel| flat[kernel.range.clone()].iter().map(square).sum::<f64>());
    f64::from(run.l2reg) * squares.sum::<f64>()
}

/// What a network does on a set of images, dropout off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Share of images classified rightly.
    pub accuracy: f32,
    /// Mean cross-entropy plus `λ·Σw²`, what Keras reports.
    pub loss: f32,
    /// Share of each class's images classified rightly; NaN for a class without images.
    pub class_accuracy: Vec<f32>,
}

impl Evaluation {
    /// From the loss and each class's images, those that were classified rightly and all.
    pub fn new(loss: f32, right: &[u32], all: &[u32]) -> Evaluation {
        let share = |right: u32, all: u32| (f64::from(right) / f64::from(all)) as f32;
        Evaluation {
            accuracy: share(right.iter().sum(), all.iter().sum()),
            loss,
            class_accuracy: right.iter().zip(all).map(|(&right, &all)| share(right, all)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn schedules_begin_and_end_where_they_say() {
        let run = |schedule| Run { optimizer: Optimizer::Sgd, schedule, learning_rate: 0.5, ..Run::default() };
        let rates = |schedule| [1, 31, 51, 76, 100].map(|t| f64::from(rate(&run(schedule), t, 100)));
        assert_eq!(rates(Schedule::Constant), [0.5; 5]);
        for (schedule, want) in [
            (Schedule::Step, [0.5, 0.5, 0.05, 0.005, 0.005]),
            (Schedule::Cosine, [0.5, 0.396_946_3, 0.25, 0.073_223_3, 1.233_6e-4]),
            (Schedule::OneCycle, [0.02, 0.5, 0.405_872_47, 0.141_529_07, 2.517_33e-4]),
        ] {
            for (got, want) in rates(schedule).into_iter().zip(want) {
                assert_relative_eq!(got, want, max_relative = 1e-4);
            }
        }
    }
}
