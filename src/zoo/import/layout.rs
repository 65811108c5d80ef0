//! `layout.csv`: which windows of a row are which tensors, and what shape of network that is.

use crate::cnn::Arch;
use crate::cnn::layer::{self, Layer};
use crate::cnn::layout::{Tensor, tensors};
use crate::zoo::released::KEPT;
use crate::zoo::{Config, Schema, settings};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// A file's text and its place.
pub(super) struct Layout {
    path: PathBuf,
    tensors: Vec<Tensor>,
    /// What our own export says of the zoo.
    pub kept: Option<Schema>,
    /// Settings that it says of runs without a row.
    pub settings: Vec<(u32, Config)>,
}

impl Layout {
    /// Reads the file. Columns are told by name; others are left alone.
    pub fn read(path: &Path) -> Result<Layout> {
        let wrong = |expected: &str, got: String| Error::malformed(path, expected, got);
        let text = crate::bytes::text(path)?;
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let not_csv = |error: csv::Error| wrong("a CSV table", error.to_string());
        let names = reader.headers().map_err(not_csv)?.clone();
        let column = |name: &str| names.iter().position(|found| found.trim() == name);
        let needed = ["varname", "start_idx", "end_idx", "shape"].map(|name| column(name).ok_or(name));
        let mut layout = Layout { path: path.into(), tensors: Vec::new(), kept: None, settings: Vec::new() };
        let (kept, settings) = (column(KEPT), column(settings::COLUMN));
        for record in reader.records() {
            let record = record.map_err(not_csv)?;
            let line = record.position().map_or(0, csv::Position::line);
            let field = |index: usize| {
                let missing = |name| wrong(&format!("a column {name}"), names.iter().collect::<Vec<_>>().join(", "));
                needed[index].map(|at| record[at].trim()).map_err(missing)
            };
            let number = |index: usize| {
                let got = field(index)?;
                got.parse().map_err(|_| wrong(&format!("an index in line {line}"), format!("{got:?}")))
            };
            let shape = shape(field(3)?).ok_or_else(|| wrong(&format!("a shape in line {line}"), record[3].into()))?;
            let (varname, start_idx, end_idx) = (field(0)?.to_owned(), number(1)?, number(2)?);
            layout.tensors.push(Tensor { varname, start_idx, end_idx, shape });
            if let Some(text) = kept.map(|at| &record[at]).filter(|text| !text.is_empty()) {
                let schema: Schema = serde_json::from_str(text)
                    .map_err(|error| wrong(&format!("metadata of a zoo in column {KEPT}"), error.to_string()))?;
                let schema = schema.with_defaults();
                schema.check().map_err(|error| wrong("metadata of a zoo", error.to_string()))?;
                if let Some(text) = settings.map(|at| &record[at]).filter(|text| !text.is_empty()) {
                    layout.settings = settings::parse(text, &schema)
                        .map_err(|got| wrong(&format!("settings of runs in column {}", settings::COLUMN), got))?;
                }
                layout.kept = Some(schema);
            }
        }
        layout.tensors.sort_by_key(|tensor| tensor.start_idx);
        Ok(layout)
    }

    /// The released layout, for a folder without the file.
    pub fn released(folder: &Path) -> Layout {
        let plan = Arch { height: 28, width: 28, channels: 1, layers: layer::reference(), classes: 10 }.plan();
        Layout { path: folder.join("layout.csv"), tensors: tensors(&plan), kept: None, settings: Vec::new() }
    }

    /// Outputs of the dense layer; 0 where there can be none.
    pub fn classes(&self) -> usize {
        let last = self.tensors.last().and_then(|tensor| tensor.shape.last());
        last.copied().filter(|&classes| classes <= 256).unwrap_or(0)
    }

    /// The network that has this layout. The file tells channels and classes only: size of the images, strides and padding
    /// are the caller's, by default 3×3 convolutions of stride 2 without padding and one dense layer.
    pub fn arch(&self, (height, width): (usize, usize), layers: Option<&[Layer]>) -> Result<Arch> {
        let kernels = || self.tensors.iter().filter(|tensor| tensor.shape.len() == 4);
        let channels = kernels().next().map_or(1, |first| first.shape[2]);
        let guess =
            || layer::parse(&kernels().map(|kernel| format!("{}s2", kernel.shape[3])).collect::<Vec<_>>().join(","));
        let expected = "bias and kernel of each layer, 3×3 convolutions and one dense layer, in this order";
        let wrong = |got: String| Error::malformed(&self.path, expected, got);
        let layers_found = layers.map_or_else(guess, |layers| Ok(layers.to_vec()));
        let arch = layers_found.and_then(|layers| Arch::new(height, width, channels, layers, self.classes()));
        // what is impossible with the caller's layers is the caller's fault, else the file's
        let arch = arch
            .map_err(|error| if layers.is_some() { error } else { wrong(format!("{}: {error}", self.describe())) })?;
        let same = |ours: &Tensor, theirs: &Tensor| {
            (ours.start_idx, ours.end_idx, &ours.shape, role(&ours.varname))
                == (theirs.start_idx, theirs.end_idx, &theirs.shape, role(&theirs.varname))
        };
        let want = tensors(&arch.plan());
        if want.len() == self.tensors.len() && want.iter().zip(&self.tensors).all(|(ours, theirs)| same(ours, theirs)) {
            return Ok(arch);
        }
        Err(wrong(format!("{}, which is not the layout of {arch}", self.describe())))
    }

    fn describe(&self) -> String {
        let one = |tensor: &Tensor| format!("{} {:?} at {}", tensor.varname, tensor.shape, tensor.start_idx);
        let some: Vec<String> = self.tensors.iter().take(12).map(one).collect();
        if some.is_empty() { "no rows".into() } else { some.join(", ") }
    }
}

/// `bias` or `kernel`: what a variable is, wherever in which model it was.
fn role(varname: &str) -> &str {
    varname.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default()
}

/// A shape as Python writes it: `(3, 3, 1, 16)`, `(16,)`, `[16, 10]`.
fn shape(text: &str) -> Option<Vec<usize>> {
    let inner = text.trim().trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
    inner.split(',').map(str::trim).filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect()
}
