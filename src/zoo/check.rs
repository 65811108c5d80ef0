//! What a zoo that opens may still have wrong with it: rows that are not as their checksums say, numbers that cannot be, networks that
//! are there twice.

use super::checksum::digest;
use super::joined::Zoo;
use super::schema::Status;
use crate::{Context, Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt;

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The row.
    pub row: usize,
    /// Its network.
    pub run: u32,
    /// Its checkpoint.
    pub epoch: u32,
    /// What is wrong with it.
    pub what: String,
}

impl Finding {
    /// Something wrong with a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn new(zoo: &Zoo, row: usize, what: String) -> Finding {
        Finding { row, run: zoo.run()[row], epoch: zoo.epoch()[row], what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} (network {}, epoch {}): {}", self.row, self.run, self.epoch, self.what)
    }
}

impl Zoo {
    /// Reads every written row and gives what is wrong, in the order of the rows.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when a stop was requested.
    pub fn check(&self, context: &Context) -> Result<Vec<Finding>> {
        let written: Vec<usize> = (0..self.rows()).filter(|&row| self.status()[row] != Status::NotWritten).collect();
        let checksums = self.checksums();
        let wrong = |&row: &usize| -> Result<Vec<Finding>> {
            if context.stop.requested() {
                return Err(Error::Cancelled);
            }
            let mut whats = self.impossible(row);
            let (told, found) = (self.checksum(row), checksums.as_ref().map(|checksum| checksum(row)));
            if let (Some(told), Some(found)) = (told, found.filter(|_| told != found)) {
                whats.push(format!("checksum {told:016x}, and {found:016x} of what is there"));
            }
            Ok(whats.into_iter().map(|what| Finding::new(self, row, what)).collect())
        };
        let found: Result<Vec<Vec<Finding>>> = written.par_iter().map(wrong).collect();
        let mut findings = found?.concat();
        findings.extend(self.doubled());
        findings.sort_by_key(|finding| finding.row);
        Ok(findings)
    }

    /// Numbers of a row that cannot be. An import has no metrics that its folder lacked, and losses of any kind.
    fn impossible(&self, row: usize) -> Vec<String> {
        let imported = self.schema().recipe.get("metrics_sha256").is_some();
        let found = self.metrics(row);
        let share = |value: f32| (0.0..=1.0).contains(&value);
        let mut whats = Vec::new();
        // of a network that diverged at once an import has whatever the folder had
        if self.status()[row] == Status::Diverged && imported {
            return whats;
        }
        if let Some(at) = self.weights(row).iter().position(|weight| !weight.is_finite()) {
            whats.push(format!("weight {at} is {}", self.weights(row)[at]));
        }
        let may_lack = |value: f32| imported && value.is_nan();
        for (name, value) in [("test_accuracy", found.test_accuracy), ("train_accuracy", found.train_accuracy)] {
            if !share(value) && !may_lack(value) {
                whats.push(format!("{name} is {value}, none from 0 to 1"));
            }
        }
        for (name, value) in [("test_loss", found.test_loss), ("train_loss", found.train_loss)] {
            if !(imported || value.is_finite() && value >= 0.0) {
                whats.push(format!("{name} is {value}, no finite number from 0 on"));
            }
        }
        // NaN: unknown, or of a class without a test image
        let classes = self.class_accuracy(row).iter().enumerate();
        let wrong = classes.filter(|(_, value)| !value.is_nan() && !share(**value));
        whats.extend(wrong.map(|(class, value)| format!("test_class_accuracy of class {class} is {value}")));
        let config = self.config(self.network(row));
        for (name, most) in [("train_fraction", 1.0), ("dropout", 1.0)] {
            let value = config.number(name);
            if !(0.0..=most).contains(&value) && !may_lack(value) {
                whats.push(format!("config.{name} is {value}, none from 0 to {most}"));
            }
        }
        whats
    }

    /// Finished networks whose weights another one before has too.
    fn doubled(&self) -> Vec<Finding> {
        let rows = self.final_rows();
        let digests: Vec<u64> = rows.par_iter().map(|&row| digest(self.weights(row))).collect();
        let mut first: BTreeMap<u64, usize> = BTreeMap::new();
        let mut findings = Vec::new();
        for (row, digest) in rows.into_iter().zip(digests) {
            let before = *first.entry(digest).or_insert(row);
            if before != row {
                findings.push(Finding::new(self, row, format!("the weights of network {}", self.run()[before])));
            }
        }
        findings
    }
}
