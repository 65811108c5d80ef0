//! Small predictors that learn from a large one.

use super::encode::{encode, size};
use crate::eval::{Parts, conformal};
use crate::kernels::compact::Compact;
use crate::predictor::Predictor;
use crate::predictor::boost::{Boost, Params, Tree, fit};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error, Result};

/// Leaves, bins and learning rate of the candidates.
const LEAVES: [usize; 3] = [8, 16, 32];
const BINS: [usize; 2] = [32, 128];
const RATES: [f64; 3] = [0.03, 0.08, 0.2];
/// Trees of a candidate at most: more would take longer than they are worth.
const MOST_TREES: usize = 3000;
/// Networks that are made for each training network, each a mixture of two.
const MADE: usize = 4;
/// The level of the interval that a table knows, and the folds whose errors it is made of.
const LEVEL: f64 = 0.9;
const FOLDS: u32 = 5;
const SEED: u64 = 0x636f_6d70;

/// The table of at most `budget` bytes whose error on the validation part is least, of predictors that learn from `teacher`.
///
/// Its interval is made of errors on networks of which neither a table nor its teacher knew anything: both are made once more for
/// each of five folds of the train and the validation part. (Errors on the validation part, which has stopped the teacher and
/// chosen the table, are smaller.)
///
/// # Errors
/// [`Error::Invalid`] for a budget in which no tree has room; those of [`fit`] and of [`encode`].
pub fn distill(
    context: &Context,
    teacher: &Predictor,
    parts: &Parts,
    windows: &[usize],
    budget: usize,
) -> Result<Vec<u8>> {
    let (lesson, ranges) = (lesson(context, teacher, &parts.train)?, ranges(&parts.train));
    let judged = if parts.validation.rows() > 0 { &parts.validation } else { &parts.train };
    let mut best: Option<(f64, Params, Boost)> = None;
    for max_bin in BINS {
        for num_leaves in LEAVES {
            // a tree of L leaves has 2·L − 1 nodes; cuts need room too, so that there are fewer trees than this
            let n_estimators = (budget / (8 * num_leaves - 2)).clamp(1, MOST_TREES);
            for learning_rate in RATES {
                let params = Params { max_bin, num_leaves, learning_rate, n_estimators, ..student() };
                let boost = fit(context, &lesson, None, &params, &mut |_| ())?;
                let trees = within(&boost.trees, windows.len(), budget);
                if trees.is_empty() {
                    continue;
                }
                let table = encode(boost.base, trees, windows, &ranges, None)?;
                let error = errors(&table, judged)?.iter().map(|&e| f64::from(e * e)).sum::<f64>();
                if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                    best = Some((error, params, boost));
                }
            }
        }
    }
    let least = || Error::invalid("budget", "room for a tree", format!("{} KB", budget as f64 / 1024.0));
    let (_, params, boost) = best.ok_or_else(least)?;
    let errors = unseen(context, teacher, &parts.train.join(&parts.validation), windows, budget, &params)?;
    let reach = Some(conformal::reach(&errors, LEVEL)).filter(|reach| reach.is_finite());
    encode(boost.base, within(&boost.trees, windows.len(), budget), windows, &ranges, reach)
}

/// Absolute errors on the rows of each fold, of a table made as `params` say from a teacher that was fitted to the other folds.
fn unseen(
    context: &Context,
    teacher: &Predictor,
    all: &Table,
    windows: &[usize],
    budget: usize,
    params: &Params,
) -> Result<Vec<f32>> {
    let fold = |row: usize| Stream::new(SEED, all.group[row] as u32, 1).below(FOLDS);
    let mut found = Vec::new();
    for held in 0..FOLDS {
        let (held, rest): (Vec<usize>, Vec<usize>) = (0..all.rows()).partition(|&row| fold(row) == held);
        if held.is_empty() || rest.is_empty() {
            continue;
        }
        let rest = all.select(&rest);
        let lesson = lesson(context, &teacher.anew(context, &rest)?, &rest)?;
        let boost = fit(context, &lesson, None, params, &mut |_| ())?;
        let trees = within(&boost.trees, windows.len(), budget);
        let table = encode(boost.base, trees, windows, &ranges(&rest), None)?;
        found.extend(errors(&table, &all.select(&held))?);
    }
    Ok(found)
}

/// What all candidates have in common.
fn student() -> Params {
    Params { early_stopping_rounds: 0, min_data_in_leaf: 5, reg_lambda: 1.0, ..Params::networks() }
}

/// The training networks, and mixtures of two of them each, with what the teacher says of each.
fn lesson(context: &Context, teacher: &Predictor, train: &Table) -> Result<Table> {
    let mut lesson = train.clone();
    let rows = train.rows();
    for made in 0..MADE * rows {
        let mut stream = Stream::new(SEED, made as u32, 0);
        let (a, b) = (made % rows, stream.below(rows as u32) as usize);
        let share = stream.range(0.0, 1.0) as f32;
        let mixed = train.row(a).iter().zip(train.row(b)).map(|(a, b)| a + (b - a) * share);
        lesson.x.extend(mixed);
        lesson.group.push(made as u64);
    }
    lesson.y.resize(lesson.rows(), 0.0);
    lesson.y = teacher.predict(context, &lesson)?;
    Ok(lesson)
}

/// Least and largest value of each column.
fn ranges(table: &Table) -> Vec<[f32; 2]> {
    let column = |c: usize| (0..table.rows()).map(move |row| table.row(row)[c]);
    let range = |c| [column(c).fold(f32::INFINITY, f32::min), column(c).fold(f32::NEG_INFINITY, f32::max)];
    (0..table.width()).map(range).collect()
}

/// As many of the first trees as there is room for.
fn within(trees: &[Tree], windows: usize, budget: usize) -> &[Tree] {
    let (mut low, mut high) = (0, trees.len());
    while low < high {
        let middle = (low + high).div_ceil(2);
        if size(&trees[..middle], windows) <= budget {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    &trees[..low]
}

/// Absolute errors of a table.
fn errors(table: &[u8], of: &Table) -> Result<Vec<f32>> {
    let table =
        Compact::new(table).map_err(|refusal| Error::invalid("compact table", "one that can be used", refusal))?;
    Ok((0..of.rows()).map(|row| (table.predict(of.row(row)) - of.y[row]).abs()).collect())
}
