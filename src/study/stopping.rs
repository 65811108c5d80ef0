//! What early stopping of hopeless runs would have cost.

use super::plan::Job;
use super::{Stopping, StoppingPoint, ZooEntry};

/// Shares of the runs that are stopped.
const SHARES: [f64; 19] =
    [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// The curve of a job of the experiment `early` that sees a checkpoint between the first and the last.
pub(super) fn curve(zoo: &ZooEntry, job: &Job, predicted: &[f32], last: &[f32]) -> Option<Stopping> {
    let epochs = zoo.checkpoints.last().copied()?;
    let epoch = job.epoch.filter(|&epoch| job.experiment == "early" && epoch > 0 && epoch < epochs)?;
    let points = SHARES.iter().filter_map(|&share| point(share, predicted, last, f64::from(epoch) / f64::from(epochs)));
    Some(Stopping { zoo: zoo.name.clone(), input: job.input.clone(), epoch, epochs, points: points.collect() })
}

/// What happens if a share of the runs, those with the lowest predictions, stops after `spent` of its epochs.
fn point(share: f64, predicted: &[f32], last: &[f32], spent: f64) -> Option<StoppingPoint> {
    let n = last.len();
    let stop = (share * n as f64).round() as usize;
    if stop == 0 || stop >= n {
        return None;
    }
    let order = |by: &[f32]| {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| by[a].total_cmp(&by[b]));
        order
    };
    let (stopped, going) = {
        let order = order(predicted);
        (order[..stop].to_vec(), order[stop..].to_vec())
    };
    let by_end = order(last);
    let mut place = vec![0; n];
    by_end.iter().enumerate().for_each(|(rank, &run)| place[run] = rank);
    let among =
        |runs: &[usize], from: usize, to: usize| runs.iter().filter(|&&run| (from..to).contains(&place[run])).count();
    let best = (n / 10).max(1);
    let top = |runs: &[usize]| runs.iter().map(|&run| last[run]).fold(f32::NEG_INFINITY, f32::max);
    Some(StoppingPoint {
        stopped: stop as f64 / n as f64,
        saved: stop as f64 / n as f64 * (1.0 - spent),
        hopeless: among(&stopped, 0, n / 2) as f64 / stop as f64,
        best_lost: among(&stopped, n - best, n) as f64 / best as f64,
        regret: f64::from(last[by_end[n - 1]] - top(&going)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_prediction_loses_nothing_and_a_turned_one_all() {
        let last: Vec<f32> = (0..100).map(|run| run as f32 / 100.0).collect();
        let right = point(0.5, &last, &last, 0.2).unwrap();
        assert_eq!((right.stopped, right.saved, right.hopeless), (0.5, 0.4, 1.0));
        assert_eq!((right.best_lost, right.regret), (0.0, 0.0));
        let turned: Vec<f32> = last.iter().map(|y| -y).collect();
        let wrong = point(0.5, &turned, &last, 0.2).unwrap();
        assert_eq!((wrong.hopeless, wrong.best_lost), (0.0, 1.0));
        assert!((wrong.regret - 0.5).abs() < 1e-6);
        assert!(point(0.05, &last[..3], &last[..3], 0.1).is_none());
    }
}
