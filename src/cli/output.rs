//! What a verb prints: text for people or one JSON object.

use clap::Args;
use serde_json::{Map, Value};
use std::io::{ErrorKind, Write};
use std::path::Path;
use zoometry::features::window::quantile;
use zoometry::out::Guard;
#[cfg(feature = "full")]
use zoometry::out::{self, OutPath, PICTURE};
use zoometry::{Error, Result};

/// Tells people something on stderr; that nobody reads it is no failure.
pub fn tell(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{}", visible(&line.to_string()));
}

/// What every verb that replaces files takes.
#[derive(Args, Clone, Copy)]
pub struct Force {
    /// Replace files of another kind too; never a zoo, a journal or an input
    #[arg(long)]
    force: bool,
}

impl Force {
    /// The guard of a verb's outputs.
    pub fn guard(self, inputs: impl IntoIterator<Item = impl AsRef<Path>>) -> Guard {
        guard(inputs, self.force)
    }
}

/// The guard of the outputs of a verb that replaces nothing.
pub fn careful(inputs: impl IntoIterator<Item = impl AsRef<Path>>) -> Guard {
    guard(inputs, false)
}

fn guard(inputs: impl IntoIterator<Item = impl AsRef<Path>>, force: bool) -> Guard {
    Guard::new(inputs, force)
        .telling(|path| tell(format!("removed {}, left by a program that was killed", path.display())))
}

/// Writes a picture.
#[cfg(feature = "full")]
pub fn picture(out: &OutPath, svg: &str) -> Result<()> {
    out::replace(out, |file| write!(file, "{PICTURE}{svg}"))
}

/// A text whose control characters, which may come from other people's files and would reach the terminal, are shown as Rust
/// writes them; lines and tabs stay.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            letter if letter.is_control() => shown.extend(letter.escape_default()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// A verb's result in both forms.
#[derive(Default)]
pub struct Output {
    /// For people; ends with a line break if it is not empty.
    pub text: String,
    /// For programs.
    pub json: Map<String, Value>,
    /// Whether what was found is a failure: exit code 1.
    pub failed: bool,
}

impl Output {
    /// Adds a key of the JSON object.
    pub fn set(&mut self, key: &str, value: impl serde::Serialize) {
        self.json.insert(key.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
    }

    /// Adds a line of text.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Adds a table with titles in its first row; the first column begins flush, the others end flush.
    pub fn table(&mut self, rows: &[Vec<String>]) {
        let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
        for row in rows {
            let cells = row.iter().enumerate().map(|(column, cell)| match (column, width(column).unwrap_or(0)) {
                (0, width) => format!("  {cell:<width$}"),
                (_, width) => format!("  {cell:>width$}"),
            });
            self.line(cells.collect::<String>().trim_end());
        }
    }

    /// Prints one of the forms on stdout; a reader that has gone away is no failure.
    pub fn print(&self, json: bool) -> Result<()> {
        let text = if json { format!("{}\n", Value::Object(self.json.clone())) } else { visible(&self.text) };
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", Path::new("stdout"))(error)),
            _ => Ok(()),
        }
    }
}

/// A number with thin groups of three digits: `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds as people read them: `0.42 s`, `12.3 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{s:.2} s"),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {} min", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// The shares at which accuracies are shown.
pub const QUANTILES: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

/// Quantiles of a set of numbers (linear between neighbours, as NumPy's); empty for an empty set.
pub fn quantiles(values: &[f32]) -> Vec<f64> {
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    if sorted.is_empty() {
        return Vec::new();
    }
    QUANTILES.iter().map(|&share| quantile(&sorted, share)).collect()
}

/// A line of quantiles: `min .10  10 % .12 … max .93`.
pub fn quantile_line(values: &[f32]) -> String {
    let shares = ["min", "10 %", "25 %", "median", "75 %", "90 %", "max"];
    let parts: Vec<String> =
        shares.iter().zip(quantiles(values)).map(|(share, value)| format!("{share} {value:.3}")).collect();
    if parts.is_empty() { "none yet".into() } else { parts.join("  ") }
}

/// Columns and rows of [`scatter`].
#[cfg(feature = "full")]
const PLOT: (usize, usize) = (50, 15);

/// Predicted against measured accuracies as text: right is measured, up is predicted, both from 0 to 1; `·` one network, `o`
/// two or three, `O` more.
#[cfg(feature = "full")]
pub fn scatter(predicted: &[f32], measured: &[f32]) -> String {
    let (columns, rows) = PLOT;
    let cell = |value: f32, cells: usize| ((value.clamp(0.0, 1.0) * cells as f32) as usize).min(cells - 1);
    let mut counts = vec![0u32; columns * rows];
    for (&p, &m) in predicted.iter().zip(measured) {
        counts[cell(p, rows) * columns + cell(m, columns)] += 1;
    }
    let mut text = String::from("  predicted\n");
    for (row, counts) in counts.chunks(columns).enumerate().rev() {
        let label = if row == rows - 1 {
            "1"
        } else if row == 0 {
            "0"
        } else {
            " "
        };
        let points: String = counts.iter().map(|&n| [' ', '·', 'o', 'o', 'O'][n.min(4) as usize]).collect();
        text += format!("  {label} │{points}").trim_end();
        text.push('\n');
    }
    text += &format!(
        "    └{}\n     0{}1\n{:>width$}\n",
        "─".repeat(columns),
        " ".repeat(columns - 2),
        "measured",
        width = columns + 5
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!(
            (duration(0.5), duration(61.0), duration(125.0)),
            ("0.50 s".into(), "61.0 s".into(), "2 min 5 s".into())
        );
        assert_eq!(quantiles(&[3.0, 1.0, f32::NAN, 2.0]), [1.0, 1.2, 1.5, 2.0, 2.5, 2.8, 3.0]);
        assert_eq!(quantile_line(&[]), "none yet");
        let mut output = Output::default();
        output.table(&[
            vec!["".into(), "R²".into()],
            vec!["conv1".into(), "0.5".into()],
            vec!["τ".into(), "12".into()],
        ]);
        assert_eq!(output.text, "          R²\n  conv1  0.5\n  τ       12\n");
    }
}
