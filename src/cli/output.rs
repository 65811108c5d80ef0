//! What a verb prints: text for people or one JSON object.

use clap::{Args, ColorChoice, builder::Styles};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;
use zoometry::features::window::quantile;
use zoometry::out::Guard;
#[cfg(feature = "full")]
use zoometry::out::{self, OutPath, PICTURE};
use zoometry::{Error, Result};

/// How much is said, and how; the same for every verb.
#[derive(Args, Clone, Copy, Debug)]
pub struct Manner {
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, help_heading = "Manner")]
    quiet: bool,
    /// Say more on stderr: in training a line for each network that is finished
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Manner")]
    verbose: bool,
    /// Colours: auto, always or never
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Manner"
    )]
    color: ColorChoice,
}

static MANNER: OnceLock<Manner> = OnceLock::new();

/// Says once how much is to be said.
pub fn set_manner(manner: Manner) {
    let _ = MANNER.set(manner);
}

/// Whether nothing but errors is said.
pub fn is_quiet() -> bool {
    MANNER.get().is_some_and(|manner| manner.quiet)
}

/// Whether more is said.
#[cfg(feature = "full")]
pub fn is_verbose() -> bool {
    MANNER.get().is_some_and(|manner| manner.verbose)
}

/// What `--color` says, before the command line is parsed: its errors have colours too.
pub fn colour_of(words: impl IntoIterator<Item = OsString>) -> ColorChoice {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let after = |pair: &[String]| (pair[0] == "--color").then(|| pair[1].clone());
    let value = words.windows(2).find_map(after);
    let value = value.or_else(|| words.iter().find_map(|word| word.strip_prefix("--color=").map(str::to_owned)));
    value.and_then(|value| value.parse().ok()).unwrap_or(ColorChoice::Auto)
}

/// Tells people something on stderr; that nobody reads it is no failure.
pub fn tell(line: impl std::fmt::Display) {
    if !is_quiet() {
        let _ = writeln!(std::io::stderr(), "{}", visible(&line.to_string()));
    }
}

/// Tells people what went wrong, with the first word as the parser of the command line has it.
pub fn error(message: impl std::fmt::Display) {
    let coloured = match MANNER.get().map_or(ColorChoice::Auto, |manner| manner.color) {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let styles = Styles::styled();
    let style = styles.get_error();
    let first = if coloured { format!("{style}error:{style:#}") } else { "error:".into() };
    let _ = writeln!(std::io::stderr(), "{first} {}", visible(&message.to_string()));
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
pub fn visible(text: &str) -> String {
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

/// What is said of each of many networks: it is written as it is printed, and never there as a whole.
pub trait Long: Send + Sync {
    /// The lines for people.
    fn text(&self, to: &mut (dyn Write + Send)) -> std::io::Result<()>;

    /// The key of the list for programs.
    fn key(&self) -> &'static str;

    /// The list.
    fn json(&self, to: &mut (dyn Write + Send)) -> std::io::Result<()>;
}

/// Writes a list, item by item.
pub fn list(
    to: &mut (dyn Write + Send),
    mut items: impl Iterator<Item = std::io::Result<Value>>,
) -> std::io::Result<()> {
    to.write_all(b"[")?;
    items.try_fold("", |comma, item| write!(to, "{comma}{}", short(item?)).map(|()| ","))?;
    to.write_all(b"]")
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
    /// Whether the text is for programs too and is printed as it is.
    pub raw: bool,
    /// What follows the text, and is in the JSON object.
    pub long: Option<Box<dyn Long>>,
}

impl Output {
    /// A text that a program reads.
    #[cfg(feature = "full")]
    pub fn raw(text: String) -> Output {
        Output { text, raw: true, ..Output::default() }
    }

    /// Adds a key of the JSON object.
    pub fn set(&mut self, key: &str, value: impl serde::Serialize) {
        self.json.insert(key.to_owned(), short(serde_json::to_value(value).unwrap_or(Value::Null)));
    }

    /// Adds a path; what is no Unicode in it is replaced.
    pub fn path(&mut self, key: &str, path: impl AsRef<Path>) {
        self.set(key, path.as_ref().to_string_lossy());
    }

    /// Adds a line of text.
    pub fn line(&mut self, line: impl AsRef<str>) {
        // a file's name may hold what would begin another
        self.text.push_str(&line.as_ref().replace('\n', "\\n"));
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
        let mut stdout = BufWriter::new(std::io::stdout());
        let written = if json { self.write_json(&mut stdout) } else { self.write_text(&mut stdout) };
        match written.and_then(|()| stdout.flush()).map_err(Error::io("write", "stdout")) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome,
        }
    }

    fn write_text(&self, to: &mut (dyn Write + Send)) -> std::io::Result<()> {
        let text = if self.raw { self.text.clone() } else { visible(&self.text) };
        to.write_all(text.as_bytes())?;
        self.long.iter().try_for_each(|long| long.text(to))
    }

    /// The object, its keys in order.
    fn write_json(&self, to: &mut (dyn Write + Send)) -> std::io::Result<()> {
        let mut entries: BTreeMap<&str, Option<&Value>> =
            self.json.iter().map(|(key, value)| (&**key, Some(value))).collect();
        entries.extend(self.long.as_ref().map(|long| (long.key(), None)));
        to.write_all(b"{")?;
        let mut comma = "";
        for (key, value) in entries {
            write!(to, "{comma}{}:", Value::from(key))?;
            comma = ",";
            match (value, &self.long) {
                (None, Some(long)) => long.json(to)?,
                (value, _) => write!(to, "{}", value.unwrap_or(&Value::Null))?,
            }
        }
        to.write_all(b"}\n")
    }
}

/// JSON with numbers of single precision as short as they are: a fraction that f32 holds is one of ours, and 0.1 is not
/// 0.10000000149011612.
pub fn short(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(short).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, short(value))).collect(),
        Value::Number(number) => Value::Number(number.as_f64().and_then(shorter).unwrap_or(number)),
        other => other,
    }
}

fn shorter(x: f64) -> Option<Number> {
    let single = x as f32;
    let ours = f64::from(single) == x && x.fract() != 0.0;
    ours.then(|| single.to_string().parse().ok().and_then(Number::from_f64)).flatten()
}

/// A number of things with their name: `1 network`, `12,345 networks`.
pub fn counted(n: usize, thing: &str) -> String {
    format!("{} {thing}{}", count(n as u64), if n == 1 { "" } else { "s" })
}

/// Bytes as people read them: `79 MB`, `5.4 GB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        b if b < 1_000_000 => format!("{} kB", b.div_ceil(1000)),
        b if b < 1_000_000_000 => format!("{} MB", b / 1_000_000),
        b => format!("{:.1} GB", b as f64 / 1e9),
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
        s if s < 48.0 * 3600.0 => format!("{} h {} min", s as u64 / 3600, s as u64 % 3600 / 60),
        s if s < 100.0 * 86_400.0 => format!("{:.1} days", s / 86_400.0),
        s => format!("{} days", count((s / 86_400.0) as u64)),
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
        let mut output = Output::default();
        assert_eq!(quantiles(&[3.0, 1.0, f32::NAN, 2.0]), [1.0, 1.2, 1.5, 2.0, 2.5, 2.8, 3.0]);
        assert_eq!(quantile_line(&[]), "none yet");
        assert_eq!((counted(1, "network"), counted(1200, "network")), ("1 network".into(), "1,200 networks".into()));
        assert_eq!(duration(4.6 * 86_400.0), "4.6 days");
        assert_eq!(duration(44_090.2 * 86_400.0), "44,090 days");
        output.set("x", serde_json::json!([0.1f32, 0.1, 0.5, -3.0, 1.0e9, 1e-9f32, [{ "y": 0.7f32 }], 7, null]));
        let short = r#"[0.1,0.1,0.5,-3.0,1000000000.0,1e-9,[{"y":0.7}],7,null]"#;
        assert_eq!(output.json["x"].to_string(), short);
        output.table(&[
            vec!["".into(), "R²".into()],
            vec!["conv1".into(), "0.5".into()],
            vec!["τ".into(), "12".into()],
        ]);
        assert_eq!(output.text, "          R²\n  conv1  0.5\n  τ       12\n");
    }
}
