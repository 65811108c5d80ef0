//! Which fits an experiment consists of.

use super::subject::{MEASURED, Subject};
use crate::features::hyper;
use crate::predictor::process::MOST_ROWS;
use crate::predictor::{boost, perceptron};
use std::collections::BTreeSet;

/// The percentiles of the reference's keys.
const QUARTILES: &str = "qts:0,25,50,75,100";

/// What needs no more than the networks themselves.
pub const PLAIN: &str = "wstats+probes";

/// That and the agreement with the best networks of the zoo.
pub const WHOLE: &str = "wstats+probes+consensus+synthetic";

/// The inputs that are compared where the reference's fourteen are too many.
const INPUTS: [&str; 4] = ["wstats", "probes", PLAIN, WHOLE];

/// [`PLAIN`] for networks of different shapes.
pub const POOLED_PLAIN: &str = "wstats-pooled+probes";

/// [`WHOLE`] for networks of different shapes.
pub const POOLED_WHOLE: &str = "wstats-pooled+probes+consensus+synthetic";

/// What is compared where networks are of different shapes.
const POOLED: [&str; 4] = ["wstats-pooled", "probes", POOLED_PLAIN, POOLED_WHOLE];

/// The predictor of experiments that have but one.
pub const PREDICTOR: &str = boost::KIND.name;

/// The reference's kinds of predictors.
const KINDS: [&str; 3] = [PREDICTOR, perceptron::LINEAR.name, perceptron::MLP.name];

/// The mean of boosting and a Gaussian process.
const MEAN: &str = "mean(gbm,gp)";

/// The predictors that are compared where all are too many.
const PREDICTORS: [&str; 2] = [PREDICTOR, perceptron::MLP.name];

/// One fit, or several to subsets of one size, and the zoos it is scored on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The experiment.
    pub experiment: &'static str,
    /// The zoo it is fitted to.
    pub fitted: usize,
    /// The zoos on whose test parts it is scored.
    pub tested: Vec<usize>,
    /// What it sees.
    pub input: String,
    /// Whether the input is fitted anew in each other zoo, to its training networks and what [`PLAIN`] predicts of them.
    pub anew: bool,
    /// The kind of predictor.
    pub predictor: &'static str,
    /// The checkpoint it sees; none: the last.
    pub epoch: Option<u32>,
    /// Networks it is fitted to; none: all of the part.
    pub size: Option<usize>,
}

impl Job {
    fn own(experiment: &'static str, zoo: usize, input: impl Into<String>, predictor: &'static str) -> Job {
        let (input, tested) = (input.into(), vec![zoo]);
        Job { experiment, fitted: zoo, tested, input, anew: false, predictor, epoch: None, size: None }
    }

    /// Why its predictor does not take so many networks, if it does not.
    pub fn refuses(&self, networks: usize) -> Option<String> {
        (self.predictor == MEAN && networks > MOST_ROWS)
            .then(|| format!("a Gaussian process is fitted to {MOST_ROWS} networks at most, and not to {networks}"))
    }
}

/// The jobs of an experiment on some zoos; `train` is the number of train networks in each.
pub fn jobs(experiment: &str, zoos: &[Subject], train: &[usize]) -> Vec<Job> {
    let all = 0..zoos.len();
    match experiment {
        "table" => all.flat_map(|zoo| table(zoo, &zoos[zoo])).collect(),
        "transfer" => all.flat_map(|zoo| transfer(zoo, zoos)).collect(),
        "transductive" => all.flat_map(|zoo| transductive(zoo, zoos)).collect(),
        "architectures" => all.flat_map(|zoo| architectures(zoo, zoos)).collect(),
        "learning-curve" => all.filter(|&z| zoos[z].entry.reference).flat_map(|z| curve(z, train[z])).collect(),
        "early" => all.flat_map(|zoo| early(zoo, &zoos[zoo])).collect(),
        "ablation" => all.filter(|&z| zoos[z].entry.reference).flat_map(|z| ablation(z, &zoos[z])).collect(),
        "seeds" => all.flat_map(|zoo| seeds(zoo, zoos, train)).collect(),
        _ => Vec::new(),
    }
}

/// `a,b,c` of numbers.
fn list(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

/// The reference's inputs for a zoo of as many layers, and ours.
fn inputs(layers: usize) -> Vec<String> {
    let (all, last) = (list(0..layers), layers - 1);
    let mut inputs = vec!["weights".to_owned()];
    inputs.extend((0..layers).map(|layer| format!("weights.{layer}")));
    inputs.extend([
        format!("wstats-layers:{all}-{QUARTILES}"),
        format!("wstats-layers:0,{last}-{QUARTILES}"),
        format!("wstats-layers:{last}-{QUARTILES}"),
        "wstats-glob".into(),
        format!("wnorm-layers:{all}-l1"),
        format!("wnorm-layers:{all}-l2"),
        "hyper".into(),
        "hyper+weights".into(),
        "hyper.learning_rate".into(),
        "probes".into(),
        PLAIN.into(),
        "consensus".into(),
        "synthetic".into(),
        WHOLE.into(),
    ]);
    inputs
}

fn table(zoo: usize, subject: &Subject) -> Vec<Job> {
    let pairs = inputs(subject.layers()).into_iter().flat_map(|input| KINDS.map(|kind| (input.clone(), kind)));
    pairs.chain(means()).map(|(input, kind)| Job::own("table", zoo, input, kind)).collect()
}

/// The mean of two kinds on the inputs that matter most.
fn means() -> impl Iterator<Item = (String, &'static str)> {
    [PLAIN, WHOLE].into_iter().map(|input| (input.to_owned(), MEAN))
}

/// The inputs that matter most, with the best predictor and the plainest: fits of deep perceptrons would take longer than all else.
pub fn brief(zoo: usize) -> Vec<Job> {
    let pairs =
        INPUTS.iter().flat_map(|&input| [PREDICTOR, perceptron::LINEAR.name].map(|kind| (input.to_owned(), kind)));
    pairs.chain(means()).map(|(input, kind)| Job::own("table", zoo, input, kind)).collect()
}

/// Whether a zoo of one seed stands beside one of own seeds on the same data: then the latter speaks for the data.
fn doubled(zoo: usize, zoos: &[Subject]) -> bool {
    let same = |other: &Subject| other.entry.data() == zoos[zoo].entry.data() && other.same_shape(&zoos[zoo]);
    zoos[zoo].entry.shared_seed && zoos.iter().any(|other| !other.entry.shared_seed && same(other))
}

/// The zoos of networks of the same shape, where they are of several data sets.
fn same_shape(zoo: usize, zoos: &[Subject]) -> Option<Vec<usize>> {
    let comparable = |other: usize| zoos[other].same_shape(&zoos[zoo]) && !doubled(other, zoos);
    let tested: Vec<usize> = (0..zoos.len()).filter(|&other| comparable(other)).collect();
    let data: BTreeSet<&str> = tested.iter().map(|&other| zoos[other].entry.data()).collect();
    (data.len() > 1 && !doubled(zoo, zoos)).then_some(tested)
}

/// To every data set with networks of the same shape.
fn transfer(zoo: usize, zoos: &[Subject]) -> Vec<Job> {
    let Some(tested) = same_shape(zoo, zoos) else { return Vec::new() };
    let pairs = INPUTS.iter().flat_map(|&input| PREDICTORS.map(|kind| (input, kind)));
    pairs.map(|(input, kind)| Job { tested: tested.clone(), ..Job::own("transfer", zoo, input, kind) }).collect()
}

/// The same, with images and consensus of the zoo that is tested.
fn transductive(zoo: usize, zoos: &[Subject]) -> Vec<Job> {
    let Some(tested) = same_shape(zoo, zoos) else { return Vec::new() };
    let pairs = [(WHOLE, PREDICTOR), (WHOLE, MEAN)];
    let job = |(input, kind)| Job { tested: tested.clone(), anew: true, ..Job::own("transductive", zoo, input, kind) };
    pairs.map(job).into()
}

/// From the reference's shape to others on the same data, and each other one on itself.
fn architectures(zoo: usize, zoos: &[Subject]) -> Vec<Job> {
    let same_data = |other: usize| zoos[other].entry.data() == zoos[zoo].entry.data();
    let others: Vec<usize> = (0..zoos.len()).filter(|&o| same_data(o) && !zoos[o].entry.reference).collect();
    let has_reference = (0..zoos.len()).any(|other| same_data(other) && zoos[other].entry.reference);
    if others.is_empty() || !has_reference || doubled(zoo, zoos) {
        return Vec::new();
    }
    let tested = if zoos[zoo].entry.reference { [vec![zoo], others].concat() } else { vec![zoo] };
    let pairs = POOLED.iter().flat_map(|&input| PREDICTORS.map(|kind| (input, kind)));
    pairs.map(|(input, kind)| Job { tested: tested.clone(), ..Job::own("architectures", zoo, input, kind) }).collect()
}

/// 50, 100, 200, 300, 600, 1,200 … networks, and all.
fn curve(zoo: usize, train: usize) -> Vec<Job> {
    let doubling = [50, 100, 200].into_iter().chain(std::iter::successors(Some(300), |&size| Some(size * 2)));
    let sizes: Vec<usize> = doubling.take_while(|&size| size < train).chain([train]).collect();
    let kinds = INPUTS.map(|input| (input, PREDICTOR)).into_iter().chain([(WHOLE, MEAN)]);
    let pairs = kinds.flat_map(|kind| sizes.iter().map(move |&size| (kind, size)));
    let job = |((input, kind), size)| Job { size: Some(size), ..Job::own("learning-curve", zoo, input, kind) };
    pairs.map(job).collect()
}

/// Every checkpoint.
fn early(zoo: usize, subject: &Subject) -> Vec<Job> {
    let Some((&last, before)) = subject.entry.checkpoints.split_last() else { return Vec::new() };
    if before.iter().all(|&epoch| epoch == 0) {
        return Vec::new();
    }
    let epochs = before.iter().chain([&last]);
    let inputs = ["wstats", "wstats+probes", MEASURED];
    let pairs = inputs.iter().flat_map(|&input| epochs.clone().map(move |&epoch| (input, epoch)));
    let wanted = pairs.filter(|&(input, epoch)| input != MEASURED || epoch != last);
    wanted.map(|(input, epoch)| Job { epoch: Some(epoch), ..Job::own("early", zoo, input, PREDICTOR) }).collect()
}

/// Single layers, all but one layer, single hyperparameters.
fn ablation(zoo: usize, subject: &Subject) -> Vec<Job> {
    let layers = subject.layers();
    let stats = |layers: String| format!("wstats-layers:{layers}-{QUARTILES}");
    let mut inputs = vec![stats(list(0..layers))];
    inputs.extend((0..layers).map(|layer| stats(layer.to_string())));
    inputs.extend((0..layers).map(|left_out| stats(list((0..layers).filter(|&layer| layer != left_out)))));
    inputs.extend((0..layers).map(|layer| format!("weights.{layer}")));
    inputs.extend(["hyper".into(), "hyper+hyper.optimizer".into()]);
    inputs.extend(hyper::REFERENCE.iter().chain([&"optimizer"]).map(|name| format!("hyper.{name}")));
    inputs.push("wstats+hyper+hyper.optimizer".into());
    inputs.into_iter().map(|input| Job::own("ablation", zoo, input, PREDICTOR)).collect()
}

/// A zoo of one seed and its like of own seeds, fitted to as many networks of either, each scored on both.
fn seeds(zoo: usize, zoos: &[Subject], train: &[usize]) -> Vec<Job> {
    let like = |other: usize| {
        let (a, b) = (&zoos[zoo].entry, &zoos[other].entry);
        a.data() == b.data()
            && a.shared_seed != b.shared_seed
            && a.checkpoints.last() == b.checkpoints.last()
            && zoos[zoo].same_shape(&zoos[other])
    };
    let Some(other) = (0..zoos.len()).find(|&other| like(other)) else { return Vec::new() };
    let size = train[zoo].min(train[other]);
    let last = zoos[zoo].layers() - 1;
    let inputs = ["weights".into(), "weights.0".into(), format!("weights.{last}"), "wstats".into(), "probes".into()];
    let pairs = inputs.into_iter().flat_map(|input: String| KINDS.map(|kind| (input.clone(), kind)));
    let job = |(input, kind)| Job { tested: vec![zoo, other], size: Some(size), ..Job::own("seeds", zoo, input, kind) };
    pairs.map(job).collect()
}
