//! What `predict` tells of networks: a line or an object each, made as it is printed.

use super::asked::Asked;
use super::output::{self, Long, visible};
use serde_json::{Value, json};
use std::io::{self, Write};
use zoometry::eval::metrics::most_probable;
use zoometry::predictor::Place;
use zoometry::table::Part;

/// A network that something is told of.
#[derive(Clone, Copy)]
pub struct Named {
    /// The run, or the row of a file that does not tell.
    pub run: u64,
    pub epoch: Option<u32>,
    /// Which of the files it is in.
    pub file: u32,
}

/// What is told of some networks, one entry each.
#[derive(Default)]
pub struct Found {
    pub networks: Vec<Named>,
    /// Whether all of a network's weights are numbers.
    pub finite: Vec<bool>,
    pub measured: Vec<Option<f32>>,
    /// A number, or of each class its probability.
    pub predicted: Vec<f32>,
    pub intervals: Vec<[f32; 2]>,
    /// Empty where the predictor's file does not tell them.
    pub places: Vec<Place>,
    pub parts: Vec<Part>,
}

/// What is told of networks.
pub struct Told {
    pub asked: Asked,
    pub found: Found,
    /// The parts that are told of.
    pub wanted: Vec<Part>,
    /// The files, if there is more than one.
    pub files: Vec<String>,
    /// Whether there are intervals.
    pub intervals: bool,
}

impl Told {
    /// The networks of the parts that are wanted.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        let parts = self.found.parts.iter().enumerate();
        parts.filter(|(_, part)| self.wanted.contains(part)).map(|(row, _)| row)
    }

    /// How many of these the fit used.
    pub fn fitted(&self) -> usize {
        self.rows().filter(|&row| self.found.parts[row].is_fitted()).count()
    }

    /// Writes a line of names, then one for each network.
    pub fn csv(&self, to: &mut dyn Write, shown: fn(&str) -> String) -> io::Result<()> {
        let interval = if self.intervals { ",low,high" } else { "" };
        let probability = if self.asked.classes.is_empty() { "" } else { ",probability" };
        let file = if self.files.is_empty() { "" } else { ",file" };
        writeln!(to, "run,epoch,predicted,measured{probability}{interval},outside,farther_than,part{file}")?;
        for row in self.rows() {
            let Named { run, epoch, .. } = self.found.networks[row];
            let names = [run.to_string(), epoch.map_or(String::new(), |epoch| epoch.to_string())];
            let cells = self.cells(row).into_iter().map(|(_, cell)| cell.text());
            writeln!(to, "{}", shown(&names.into_iter().chain(cells).collect::<Vec<_>>().join(",")))?;
        }
        Ok(())
    }

    /// What is told of one network, in the order of the columns.
    fn cells(&self, row: usize) -> Vec<(&'static str, Cell<'_>)> {
        let (found, measured) = (&self.found, self.found.measured[row]);
        let number = |x: Option<f32>| x.map_or(Cell::Nothing, Cell::Number);
        let mut cells = match &*self.asked.classes {
            [] => vec![("predicted", Cell::Number(found.predicted[row])), ("measured", number(measured))],
            names => {
                let name = |class: f32| names.get(class as usize).map_or(Cell::Nothing, |name| Cell::Name(name));
                let probabilities = &found.predicted[row * names.len()..][..names.len()];
                let class = most_probable(probabilities);
                let probability = probabilities[class];
                let predicted = if probability.is_nan() { Cell::Number(probability) } else { name(class as f32) };
                let measured = measured.filter(|class| class.is_finite()).map_or(Cell::Nothing, name);
                vec![("predicted", predicted), ("measured", measured), ("probability", Cell::Number(probability))]
            }
        };
        if let Some(interval) = found.intervals.get(row) {
            let [least, most] = self.asked.target.range();
            let [low, high] = interval.map(|end| end.clamp(least, most));
            cells.extend([("low", Cell::Number(low)), ("high", Cell::Number(high))]);
        }
        let place = found.places.get(row);
        cells.push(("outside", number(place.map(|place| place.outside))));
        cells.push(("farther_than", number(place.map(|place| place.farther_than))));
        cells.push(("part", Cell::Name(found.parts[row].name())));
        if !self.files.is_empty() {
            cells.push(("file", Cell::Name(&self.files[found.networks[row].file as usize])));
        }
        cells
    }
}

impl Long for Told {
    fn text(&self, mut to: &mut (dyn Write + Send)) -> io::Result<()> {
        self.csv(&mut to, visible)
    }

    fn key(&self) -> &'static str {
        "networks"
    }

    fn json(&self, to: &mut (dyn Write + Send)) -> io::Result<()> {
        let object = |row| {
            let Named { run, epoch, .. } = self.found.networks[row];
            let mut network = json!({ "run": run, "epoch": epoch });
            self.cells(row).iter().for_each(|(name, cell)| network[*name] = cell.json());
            Ok(network)
        };
        output::list(to, self.rows().map(object))
    }
}

/// What is told of a network in one column.
enum Cell<'a> {
    Number(f32),
    Name(&'a str),
    Nothing,
}

impl Cell<'_> {
    fn text(&self) -> String {
        match self {
            Cell::Number(number) => number.to_string(),
            Cell::Name(name) if name.contains([',', '"', '\n']) => format!("\"{}\"", name.replace('"', "\"\"")),
            Cell::Name(name) => (*name).to_owned(),
            Cell::Nothing => String::new(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Number(number) => (*number).into(),
            Cell::Name(name) => (*name).into(),
            Cell::Nothing => Value::Null,
        }
    }
}
