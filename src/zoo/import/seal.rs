//! Checksums and families of rounding of the rows that are imported: those that our own export wrote are compared.

use super::metrics::{Line, Sheet};
use crate::zoo::checksum::{CHECKSUM, Checksums, Row};
use crate::zoo::schema::{Schema, Status};
use crate::zoo::whole::Whole;
use crate::{Error, Result};
use std::path::Path;

/// The two columns, where a zoo has them.
pub(super) struct Seals<'a> {
    path: &'a Path,
    schema: &'a Schema,
    of: Checksums,
    checksums: Vec<u64>,
    rounding: Vec<u8>,
}

impl<'a> Seals<'a> {
    /// Columns of a zoo without any row; nothing for one of an older format. `path` is the metrics'.
    pub fn new(path: &'a Path, schema: &'a Schema) -> Option<Seals<'a>> {
        let (of, rows) = (Checksums::new(schema)?, schema.rows());
        Some(Seals { path, schema, of, checksums: vec![0; rows], rounding: vec![0; rows] })
    }

    /// Takes a line of the sheet as `row`.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the row is not as its checksum says, or names a family that the zoo does not know.
    pub fn add(
        &mut self,
        row: usize,
        number: usize,
        sheet: &Sheet,
        weights: &[f32],
        class_accuracy: &[f32],
        status: Status,
    ) -> Result<()> {
        let line = &sheet.lines[number];
        let rounding = self.code(line, number)?;
        let values = Row { weights, metrics: &line.metrics, class_accuracy, status, rounding };
        let run = line.run as usize;
        let checksum = self.of.of_row(&sheet.configs[run], run, line.epoch, &values);
        if let Some(told) = line.checksum.filter(|&told| told != checksum) {
            let says = "(changed on purpose? then without the column checksum)";
            let expected = format!("row {number} as its checksum {told} says {says}");
            return Err(Error::malformed(self.path, expected, format!("one of checksum {checksum}")));
        }
        (self.checksums[row], self.rounding[row]) = (checksum, rounding);
        Ok(())
    }

    /// The code of the family that a line names; of one that does not, 0.
    fn code(&self, line: &Line, number: usize) -> Result<u8> {
        let Some(family) = &line.rounding else { return Ok(0) };
        let expected = || format!("one of {:?} as rounding of row {number}", self.schema.rounding);
        let code = self.schema.rounding_code(family);
        code.ok_or_else(|| Error::malformed(self.path, expected(), &**family))
    }

    /// Writes both columns.
    pub fn write(&self, whole: &Whole) -> Result<()> {
        whole.column(CHECKSUM, &self.checksums)?;
        whole.column("rounding", &self.rounding)
    }
}
