//! Of each zoo besides its scores: its networks on a map, its predictions, what matters to a predictor, how often intervals hold.

use super::parts::{fit, kept, parts};
use super::plan::{PLAIN, PREDICTOR, WHOLE};
use super::subject::{Sight, Subject};
use super::{Beeswarm, Coverage, Entry, Gallery, Importance, Journal, Networks, Predictions, Protocol};
use crate::eval::{MIN_NETWORKS, Parts, conformal, importance, pca};
use crate::features::consensus::Images;
use crate::kernels::Isa;
use crate::par::Stop;
use crate::predictor::Predictor;
use crate::predictor::boost::{self, Boost};
use crate::{Error, Result};
use std::collections::HashMap;

/// What the predictors that are looked into see.
const INPUTS: [&str; 3] = ["wstats", PLAIN, WHOLE];

/// Promised shares of the intervals.
const LEVELS: [f64; 4] = [0.5, 0.8, 0.9, 0.95];

/// Orders of a shuffled column.
const ROUNDS: usize = 5;

/// Columns whose single SHAP values are kept.
const SWARMS: usize = 12;

/// Adds what is missing of a zoo.
pub(super) fn add(isa: Isa, zoo: &Subject, journal: &mut Journal, stop: &Stop) -> Result<()> {
    let name = &zoo.entry.name;
    if journal.study().networks.iter().any(|networks| networks.zoo == *name) {
        return Ok(());
    }
    let protocol = journal.study().header.protocol;
    let runs = zoo.zoo().run();
    let places: HashMap<u64, usize> =
        zoo.finals().iter().enumerate().map(|(place, &row)| (u64::from(runs[row]), place)).collect();
    let mut predictions = Vec::new();
    let mut entries = Vec::new();
    for input in INPUTS {
        if zoo.computable(input)?.len() < MIN_NETWORKS {
            continue;
        }
        let (parts, sight) = parts(isa, zoo, input, protocol, stop).map_err(kept)?;
        entries.extend(images(zoo, &sight).map(Entry::Images));
        let predictor = fit(isa, &parts, PREDICTOR, stop)?;
        let predicted = predictor.predict(isa, &parts.test)?;
        // of errors on the networks tested themselves no interval promises anything
        if protocol == Protocol::Clean {
            entries.extend(coverage(zoo, input, &predictor.residuals, &predicted, &parts.test.y));
        }
        entries.push(Entry::Importance(matters(isa, zoo, input, &predictor, &parts, stop)?));
        let network = parts.test.group.iter().filter_map(|run| places.get(run).copied()).collect();
        predictions.push(Predictions { input: input.into(), network, predicted });
    }
    entries.into_iter().try_for_each(|entry| journal.add(entry))?;
    // last: where it is there, all of this is
    journal.add(Entry::Networks(networks(isa, zoo, predictions, stop)?))
}

/// What the best networks of a zoo take for its classes, if the input asks them.
fn images(zoo: &Subject, sight: &Sight) -> Option<Gallery> {
    let Sight::Input(input) = sight else { return None };
    let made = input.consensus(Images::Synthetic)?;
    // what networks see of a pixel is 2x/255 − 1
    let pixel = |x: &f32| ((x + 1.0) * 127.5).round() as u8;
    Some(Gallery {
        zoo: zoo.entry.name.clone(),
        size: made.size,
        classes: made.classes,
        members: made.members.len(),
        pixels: made.images.iter().map(pixel).collect(),
    })
}

/// The networks of a zoo, on the plane of their statistics.
fn networks(isa: Isa, zoo: &Subject, predictions: Vec<Predictions>, stop: &Stop) -> Result<Networks> {
    let runs = zoo.zoo().run();
    let seen = zoo.networks("wstats", None)?;
    let sight = zoo.sight(isa, "wstats", &seen, &[], stop)?;
    let table = zoo.table(isa, &sight, &seen, stop).map_err(kept)?;
    let plane = pca::plane(&table);
    let rows = || zoo.finals().iter().chain(zoo.rest());
    let of = |get: &dyn Fn(usize) -> f32| rows().map(|&row| get(row)).collect();
    Ok(Networks {
        zoo: zoo.entry.name.clone(),
        run: rows().map(|&row| runs[row]).collect(),
        train_accuracy: of(&|row| zoo.zoo().metrics(row).train_accuracy),
        test_accuracy: of(&|row| zoo.zoo().metrics(row).test_accuracy),
        map: plane.points,
        map_share: plane.share,
        predictions,
    })
}

/// How often intervals from the validation part's errors hold the truth of the test part; too few errors promise nothing.
fn coverage(zoo: &Subject, input: &str, residuals: &[f32], predicted: &[f32], truth: &[f32]) -> Vec<Entry> {
    let reaches = LEVELS.map(|level| (level, conformal::reach(residuals, level)));
    let entry = |(level, reach): (f64, f32)| {
        Entry::Coverage(Coverage {
            zoo: zoo.entry.name.clone(),
            input: input.into(),
            level,
            coverage: conformal::coverage(predicted, truth, reach),
            reach: f64::from(reach),
            calibration: residuals.len(),
            n: predicted.len(),
        })
    };
    reaches.into_iter().filter(|(_, reach)| reach.is_finite()).map(entry).collect()
}

/// What matters to a predictor on the test part.
fn matters(
    isa: Isa,
    zoo: &Subject,
    input: &str,
    predictor: &Predictor,
    parts: &Parts,
    stop: &Stop,
) -> Result<Importance> {
    let Some(boost) = predictor.model_as::<Boost>() else {
        return Err(Error::invalid("importance", boost::KIND.title, predictor.kind().title));
    };
    let test = &parts.test;
    let (width, rows) = (test.width(), test.rows().max(1) as f64);
    let values = boost.shap(&test.x, stop).map_err(kept)?.values;
    let column = |c: usize| values.iter().skip(c).step_by(width).copied();
    let shap: Vec<f64> = (0..width).map(|c| column(c).map(f64::abs).sum::<f64>() / rows).collect();
    let gain = boost.importance_gain();
    let total = gain.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| shap[b].total_cmp(&shap[a]));
    let swarm = |&c: &usize| Beeswarm {
        column: test.columns[c].clone(),
        rank: ranks(test.x.iter().skip(c).step_by(width).copied().collect()),
        shap: column(c).map(|value| value as f32).collect(),
    };
    Ok(Importance {
        zoo: zoo.entry.name.clone(),
        input: input.into(),
        columns: test.columns.clone(),
        gain: gain.iter().map(|gain| gain / total).collect(),
        split: boost.importance_split(),
        permutation: importance::permutation(isa, predictor, test, ROUNDS, 0, stop).map_err(kept)?,
        beeswarm: order.iter().take(SWARMS).map(swarm).collect(),
        shap,
    })
}

/// Where each value lies among all: 0 lowest, 1 highest; equal ones in the order of their rows.
fn ranks(values: Vec<f32>) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let last = values.len().saturating_sub(1).max(1) as f32;
    let mut ranks = vec![0.0; values.len()];
    order.into_iter().enumerate().for_each(|(place, row)| ranks[row] = place as f32 / last);
    ranks
}
