//! Processes in a file.

use super::scores::{Knots, Scores};
use super::{Hyper, MOST_ROWS, Params, Process};
use crate::Result;
use crate::tensors::{Column, Tensors, bytes, column};
use safetensors::Dtype;

/// The tensors of a model; `numbers` holds signal, noise, logarithm of the likelihood, steps, mean and deviation of the targets.
pub fn tensors(process: &Process) -> Vec<Column> {
    let f32s = |numbers: &mut dyn Iterator<Item = f32>| bytes(numbers, f32::to_le_bytes);
    let f64s = |numbers: &[f64]| bytes(numbers.iter().copied(), f64::to_le_bytes);
    let knots = || process.scores.0.iter();
    let Hyper { inverse_lengths, signal, noise } = &process.hyper;
    let [mean, deviation] = process.target;
    let numbers = [*signal, *noise, process.log_likelihood, process.steps as f64, mean, deviation];
    vec![
        column("numbers", Dtype::F64, f64s(&numbers)),
        column("alpha", Dtype::F64, f64s(&process.alpha)),
        column("inverse_lengths", Dtype::F32, f32s(&mut inverse_lengths.iter().copied())),
        column("inputs", Dtype::F32, f32s(&mut process.inputs.iter().copied())),
        column("knots", Dtype::U32, bytes(knots().map(|knots| knots.values.len() as u32), u32::to_le_bytes)),
        column("knot_values", Dtype::F32, f32s(&mut knots().flat_map(|knots| &knots.values).copied())),
        column("knot_scores", Dtype::F32, f32s(&mut knots().flat_map(|knots| &knots.scores).copied())),
    ]
}

/// A model that passed every check.
///
/// # Errors
/// [`crate::Error::Malformed`].
pub fn load(tensors: &Tensors, params: Params, width: usize) -> Result<Process> {
    let wrong = |expected: String, got: String| tensors.malformed(expected, got);
    let numbers = tensors.f64s("numbers")?;
    let &[signal, noise, log_likelihood, steps, mean, deviation] = &numbers[..] else {
        return Err(wrong("six numbers".into(), numbers.len().to_string()));
    };
    let (alpha, inputs) = (tensors.f64s("alpha")?, tensors.f32s("inputs")?);
    let inverse_lengths = tensors.f32s("inverse_lengths")?;
    if width == 0 || inverse_lengths.len() != width {
        return Err(wrong(format!("a length for each of {width} columns"), inverse_lengths.len().to_string()));
    }
    if alpha.len() > MOST_ROWS || inputs.len() != alpha.len() * width {
        let got = format!("{} inputs of {} rows", inputs.len(), alpha.len());
        return Err(wrong(format!("{width} inputs of each row, of {MOST_ROWS} rows at most"), got));
    }
    // of a process without a likelihood it is −∞
    let finite = [signal, noise, steps, mean, deviation].into_iter().chain(alpha.iter().copied()).all(f64::is_finite);
    if !finite || !inputs.iter().chain(&inverse_lengths).all(|x| x.is_finite()) {
        return Err(wrong("finite numbers".into(), "others".into()));
    }
    let scores = scores(tensors, width)?;
    let hyper = Hyper { inverse_lengths, signal, noise };
    let (steps, target) = (steps as usize, [mean, deviation]);
    Ok(Process { params, scores, hyper, log_likelihood, steps, target, inputs, alpha })
}

fn scores(tensors: &Tensors, width: usize) -> Result<Scores> {
    let (counts, values) = (tensors.u32s("knots")?, tensors.f32s("knot_values")?);
    let scores = tensors.f32s("knot_scores")?;
    let all: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    if counts.len() != width || all != values.len() as u64 || scores.len() != values.len() {
        let got = format!("{} counts, {} values, {} scores", counts.len(), values.len(), scores.len());
        return Err(tensors.malformed(format!("knots of {width} columns"), got));
    }
    let mut first = 0;
    let mut knots = Vec::with_capacity(width);
    for count in counts {
        let place = first..first + count as usize;
        first = place.end;
        let column = Knots { values: values[place.clone()].to_vec(), scores: scores[place].to_vec() };
        let ascending = column.values.is_sorted_by(|a, b| a < b) && column.scores.is_sorted();
        if !ascending || !column.values.iter().chain(&column.scores).all(|x| x.is_finite()) || count == 1 {
            return Err(tensors.malformed("finite knots in ascending order, none or two at least", "others"));
        }
        knots.push(column);
    }
    Ok(Scores(knots))
}
