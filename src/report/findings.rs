//! What was found, in sentences with numbers.

use super::number::{count, interval, percent, score};
use super::page::{Block, Section};
use super::svg::escape;
use super::view::{USUAL, View};
use crate::eval::conformal;
use crate::predictor::KINDS;
use crate::study::{Cell, PLAIN, POOLED_PLAIN, POOLED_WHOLE, Protocol, Stopping, WHOLE};

/// The sentences that the study has numbers for.
pub fn section(view: &View) -> Option<Section> {
    let all = [scores(view), few(view), transfer(view), shapes(view), early(view), intervals(view)].concat();
    if all.is_empty() {
        return None;
    }
    let seen = match view.study.header.protocol {
        Protocol::Clean => "networks that no choice looked at",
        Protocol::Optimistic => "the networks that choices were made on: too good",
    };
    let lead = format!("Scores are those of gradient boosting, on {seen}; in brackets intervals of 95 %.");
    let items: String = all.iter().map(|sentence| format!("<li>{sentence}</li>\n")).collect();
    let list = Block::Html(format!("<ul class=\"found\">\n{items}</ul>\n{}", names(view)));
    Some(Section::new("found", "What was found", lead).with(list))
}

/// What inputs are, by the first word of their keys.
const INPUTS: [(&str, &str); 8] = [
    ("wstats", "seven numbers of each weight tensor: minimum, quartiles, maximum, standard deviation, mean"),
    ("wnorm", "norms of the weight tensors"),
    ("weights", "the weights themselves"),
    ("hyper", "the hyperparameters that a network was trained with"),
    ("spectra", "singular values of each kernel, correlations of its filters"),
    ("probes", "what a network answers to 24 images made from formulas"),
    ("consensus", "how a network’s answers to 256 drawn objects agree with those of the zoo’s best networks"),
    ("synthetic", "the same for images that these best networks take for their classes"),
];

/// What the names of the inputs and predictors mean that the page uses.
fn names(view: &View) -> String {
    let cells = &view.study.cells;
    let inputs = |name: &str| cells.iter().any(|cell| cell.input.split('+').any(|key| key.starts_with(name)));
    let predictors = |name: &str| {
        let of = |cell: &Cell| cell.predictor.split(['(', ',', ')']).any(|word| word == name);
        cells.iter().any(of)
    };
    let inputs = INPUTS.iter().filter(|(name, _)| inputs(name)).map(|(name, what)| (*name, (*what).to_owned()));
    let kinds = KINDS.iter().filter(|kind| predictors(kind.name)).map(|kind| (kind.name, kind.title.to_owned()));
    let entries = inputs.chain(kinds).map(|(name, what)| format!("<dt><code>{name}</code></dt><dd>{what}</dd>\n"));
    format!("<dl class=\"names\">\n{}</dl>\n", entries.collect::<String>())
}

/// The cell of boosting with an input.
fn of<'c>(cells: &[&'c Cell], input: &str) -> Option<&'c Cell> {
    cells.iter().copied().find(|cell| cell.input == input && cell.predictor == USUAL && cell.score.r2.is_finite())
}

/// `98.3 % [97.9 % … 98.6 %]` of R².
fn explained(cell: &Cell) -> String {
    let [low, high] = cell.r2_interval.map(|r2| percent(r2, 1));
    format!("<b>{}</b> [{low} … {high}]", percent(cell.score.r2, 1))
}

fn ordered(cell: &Cell) -> String {
    format!("τ <b>{}</b> [{}]", score(cell.score.tau), interval(cell.tau_interval))
}

/// How well each zoo's networks are told.
fn scores(view: &View) -> Vec<String> {
    let cells = view.cells("table");
    let zoos = view.zoos(cells.iter().map(|cell| cell.tested.as_str()));
    let sentence = |zoo: &&str| {
        let own: Vec<&Cell> =
            cells.iter().copied().filter(|cell| cell.tested == **zoo && cell.fitted == **zoo).collect();
        let (whole, plain) = (of(&own, WHOLE), of(&own, PLAIN));
        let cell = whole.or(plain)?;
        let beside = match (whole, plain) {
            (Some(_), Some(plain)) => {
                format!(
                    " Without asking the zoo’s best networks ({PLAIN}) it is {}, {}.",
                    explained(plain),
                    ordered(plain)
                )
            }
            _ => String::new(),
        };
        Some(format!(
            "<b>{}</b>: {} explains {} of the variance of the test accuracy and orders the networks with {}, fitted to {}, \
             scored on {}.{beside}",
            escape(zoo),
            escape(&cell.input),
            explained(cell),
            ordered(cell),
            count(cell.n_train),
            networks(cell.score.n),
        ))
    };
    zoos.iter().filter_map(sentence).collect()
}

fn networks(n: usize) -> String {
    if n == 1 { "1 network".into() } else { format!("{} networks", count(n)) }
}

/// How few networks are enough.
fn few(view: &View) -> Vec<String> {
    let cells = view.cells("learning-curve");
    let at = |input: &str, size: usize| {
        cells.iter().find(|cell| cell.input == input && cell.predictor == USUAL && cell.n_train == size)
    };
    let Some(first) = cells.first() else { return Vec::new() };
    let best = [WHOLE, PLAIN].into_iter().find_map(|input| at(input, 100).map(|cell| (input, cell)));
    let Some((input, cell)) = best.filter(|(_, cell)| cell.tested == first.tested) else { return Vec::new() };
    vec![format!(
        "A hundred networks go far: on {} {input} fitted to 100 gives R² <b>{}</b> [{}], {}.",
        escape(&cell.tested),
        score(cell.score.r2),
        interval(cell.r2_interval),
        ordered(cell)
    )]
}

/// Lowest, middle and highest τ of pairs of zoos, in words.
fn range(cells: &[&Cell], input: &str) -> Option<String> {
    let crossed =
        cells.iter().filter(|cell| cell.fitted != cell.tested && cell.input == input && cell.predictor == USUAL);
    let mut taus: Vec<f64> = crossed.map(|cell| cell.score.tau).filter(|tau| tau.is_finite()).collect();
    taus.sort_by(f64::total_cmp);
    let (low, high) = (taus.first()?, taus.last()?);
    let pairs = if taus.len() == 1 { "one pair".into() } else { format!("{} pairs", taus.len()) };
    let median = (taus[(taus.len() - 1) / 2] + taus[taus.len() / 2]) / 2.0;
    Some(format!("a median τ of <b>{}</b> ({} … {}, {pairs} of zoos)", score(median), score(*low), score(*high)))
}

/// How far the order carries over.
fn transfer(view: &View) -> Vec<String> {
    let cells = view.cells("transfer");
    let Some(plain) = range(&cells, PLAIN) else { return Vec::new() };
    let whole = range(&cells, WHOLE);
    let whole =
        whole.map_or(String::new(), |whole| format!("; with images and consensus of the zoo of the fit, {whole}"));
    let anew = range(&view.cells("transductive"), WHOLE);
    let anew = anew.map_or(String::new(), |anew| format!("; with images and consensus of the zoo tested, {anew}"));
    vec![format!("Fitted to one data set and scored on another, {PLAIN} still orders networks: {plain}{whole}{anew}.")]
}

/// How far the order carries over to networks of another shape.
fn shapes(view: &View) -> Vec<String> {
    let cells = view.cells("architectures");
    let Some(plain) = range(&cells, POOLED_PLAIN) else { return Vec::new() };
    let whole = range(&cells, POOLED_WHOLE);
    let whole = whole.map_or(String::new(), |whole| format!("; with consensus and synthesised images, {whole}"));
    vec![format!("Fitted to networks of one shape and scored on others, {POOLED_PLAIN} orders them: {plain}{whole}.")]
}

/// What stopping the worse half after the first epochs costs.
fn early(view: &View) -> Vec<String> {
    let curves = view.study.stopping.iter().filter(|curve| curve.input == PLAIN);
    let zoos = view.zoos(curves.clone().map(|curve| curve.zoo.as_str()));
    let sentence = |zoo: &&str| {
        let own = curves.clone().filter(|curve| curve.zoo == **zoo);
        let first: &Stopping = own.min_by_key(|curve| curve.epoch)?;
        let half = first.points.iter().find(|point| (point.stopped - 0.5).abs() < 0.01)?;
        let tested = view.cells("early").into_iter().find(|cell| cell.tested == **zoo)?.score.n;
        let best = (tested / 10).max(1);
        let lost = match (half.best_lost * best as f64).round() as usize {
            0 => "none".into(),
            n => count(n),
        };
        Some(format!(
            "<b>{}</b>: stopping the half that looks worst after epoch {} of {} saves <b>{}</b> of all epochs and loses <b>{lost}</b> \
             of the {} networks that end best.",
            escape(zoo),
            first.epoch,
            first.epochs,
            percent(half.saved, 0),
            count(best),
        ))
    };
    zoos.iter().filter_map(sentence).collect()
}

/// Whether intervals keep their promise.
fn intervals(view: &View) -> Vec<String> {
    let told =
        view.study.coverage.iter().filter_map(|of| Some((of, conformal::chance(of.calibration, of.level, of.n)?)));
    let inside: Vec<bool> = told.map(|(of, [low, high])| (low..=high).contains(&of.coverage)).collect();
    let held = inside.iter().filter(|inside| **inside).count();
    match inside.len() {
        0 => Vec::new(),
        all => vec![format!(
            "The share of networks inside prediction intervals is what was promised, within what chance allows, in <b>{held} of {all}</b> \
             cases; 95 of 100 are to be expected."
        )],
    }
}
