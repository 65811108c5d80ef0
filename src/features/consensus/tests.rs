//! Consensus: who is in it, who is left out of it, and what the images that are made do to those who made them.

use super::*;
use crate::features::{Fitted, Input};
use crate::par::{Stop, with_threads};
use crate::rng::Stream;

fn reference() -> Arch {
    Arch::reference(28, 28, 10).unwrap()
}

/// Random networks and their accuracies: the later the better.
fn zoo(arch: &Arch, count: usize) -> (Vec<f32>, Vec<f32>) {
    let mut stream = Stream::new(9, 0, 0);
    let weights = (0..count * arch.parameters()).map(|_| 0.25 * stream.normal() as f32).collect();
    (weights, (0..count).map(|n| n as f32 / count as f32).collect())
}

fn loose<'a>(arch: &'a Arch, weights: &'a [f32]) -> Networks<'a> {
    Networks::Loose { arch, weights, activation: Some(Activation::Tanh) }
}

fn fit(of: Images, networks: &Networks, accuracy: &[f32]) -> Consensus {
    Consensus::fit(&Context::default(), of, networks, accuracy).unwrap()
}

fn fitted(of: Images, consensus: &Consensus) -> Fitted {
    Fitted { input: of.key().parse::<Input>().unwrap(), found: vec![Some(consensus.clone())] }
}

#[test]
fn members_are_the_best_quarter_and_are_left_out_of_their_own_consensus() {
    let arch = reference();
    let (weights, accuracy) = zoo(&arch, 12);
    let networks = loose(&arch, &weights);
    let all = fit(Images::Drawn, &networks, &accuracy);
    let digests = |range: std::ops::Range<usize>| {
        let mut digests: Vec<u64> = range.map(|network| digest(networks.weights(network))).collect();
        digests.sort_unstable();
        digests
    };
    assert_eq!(all.members, digests(9..12));

    // without the last: what its consensus must be
    let others = &weights[..11 * arch.parameters()];
    let mut two = fit(Images::Drawn, &loose(&arch, &others[9 * arch.parameters()..]), &accuracy[9..11]);
    assert_eq!(two.members, digests(9..11));
    let table = |consensus: &Consensus| fitted(Images::Drawn, consensus).table(&Context::default(), &networks).unwrap();
    let (with, without) = (table(&all), table(&two));
    for (a, b) in with.row(11).iter().zip(without.row(11)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    // of a network that is no member there is nothing to leave out
    assert!(with.row(0).iter().zip(without.row(0)).any(|(a, b)| (a - b).abs() > 1e-3));
    // and a member that is not known as one agrees with itself
    two.members = digests(0..2);
    assert!(table(&two).row(10)[2] < without.row(10)[2]);
}

#[test]
fn images_that_are_made_are_taken_for_their_classes() {
    let arch = reference();
    let (weights, accuracy) = zoo(&arch, 16);
    let networks = loose(&arch, &weights);
    let made = with_threads(1, || fit(Images::Synthetic, &networks, &accuracy));
    assert_eq!(made, with_threads(3, || fit(Images::Synthetic, &networks, &accuracy)), "threads change the images");
    assert!(made.images.iter().all(|x| x.abs() <= 1.0));
    let given = |consensus: &Consensus, n: usize| f64::from(consensus.answers[n * 10 + n % 10]);
    let count = made.images.len() / (28 * 28);
    let drawn = fit(Images::Drawn, &networks, &accuracy);
    let mean = |consensus: &Consensus| (0..count).map(|n| given(consensus, n)).sum::<f64>() / count as f64;
    // these networks were never trained, so they agree on little
    assert!(mean(&made) > 3.0 * mean(&drawn), "{} {}", mean(&made), mean(&drawn));
    for answers in made.answers.chunks(10) {
        assert!((answers.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn who_cannot_be_compared_is_refused() {
    let arch = reference();
    let (weights, accuracy) = zoo(&arch, 8);
    let consensus = fit(Images::Drawn, &loose(&arch, &weights), &accuracy);
    let input = fitted(Images::Drawn, &consensus);
    let table = |arch: &Arch| {
        let weights = zoo(arch, 1).0;
        input.table(&Context::default(), &loose(arch, &weights))
    };
    // larger images and other layers, but the same classes: their networks see the images of the fit
    assert_eq!(table(&Arch::reference(32, 32, 10).unwrap()).unwrap().width(), numbers::NUMBERS.len());
    assert_eq!(table(&Arch::grey(28, 28, "8k5,max2,act,flatten,20,act", 10).unwrap()).unwrap().rows(), 1);
    for other in [
        Arch::reference(28, 28, 11).unwrap(),
        Arch::new(28, 28, 3, crate::cnn::layer::reference(), 10).unwrap(),
        Arch::grey(32, 32, "flatten,20,act", 10).unwrap(),
    ] {
        let error = table(&other).unwrap_err().to_string();
        assert!(error.contains("10 classes and images of 28×28×1"), "{error}");
    }
    let few = Consensus::fit(&Context::default(), Images::Drawn, &loose(&arch, &weights[..4970]), &[0.5]);
    assert!(few.unwrap_err().to_string().contains("at least 2"));
    let stop = Stop::new();
    stop.request();
    let stopped = Consensus::fit(&Context::new().stop(&stop), Images::Synthetic, &loose(&arch, &weights), &accuracy);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let unfitted = Fitted::without(&"wstats+synthetic".parse().unwrap()).unwrap_err().to_string();
    assert!(unfitted.contains("wstats+synthetic"), "{unfitted}");
}
