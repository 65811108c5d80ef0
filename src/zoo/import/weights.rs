//! `weights.npy`, row by row: a file of any size in the memory of one row.

use crate::table::npy::Header;
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Longest header that is read.
const LONGEST_HEADER: u64 = 1 << 20;

/// An open matrix of networks × weights.
pub(super) struct Weights {
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
    /// The row that the file's cursor is at.
    next: usize,
    bytes: Vec<u8>,
}

impl Weights {
    /// Opens a file and checks its header against its length.
    pub fn open(path: &Path) -> Result<Weights> {
        let file = crate::bytes::open(path)?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut start = Vec::new();
        file.by_ref().take(LONGEST_HEADER).read_to_end(&mut start).map_err(Error::io("read", path))?;
        let header = Header::parse(path, &start, length)?;
        let &[_, width] = header.shape.as_slice() else {
            let got = format!("shape {:?}", header.shape);
            return Err(Error::malformed(path, "a matrix of checkpoints × weights", got));
        };
        if header.fortran {
            return Err(Error::malformed(
                path,
                "C order (numpy.ascontiguousarray): a network in one piece",
                "Fortran order",
            ));
        }
        file.seek(SeekFrom::Start(header.data as u64)).map_err(Error::io("read", path))?;
        let bytes = vec![0; width * header.element.bytes()];
        Ok(Weights { path: path.into(), file, header, next: 0, bytes })
    }

    /// Number of networks.
    pub fn rows(&self) -> usize {
        self.header.shape[0]
    }

    /// Weights of a network.
    pub fn width(&self) -> usize {
        self.header.shape[1]
    }

    /// Reads a row; ascending order is fast.
    pub fn read(&mut self, row: usize, values: &mut Vec<f32>) -> Result<()> {
        let skip = (row as i64 - self.next as i64) * self.bytes.len() as i64;
        let (file, bytes) = (&mut self.file, &mut self.bytes);
        let moved = file.seek_relative(skip).and_then(|()| file.read_exact(bytes));
        moved.map_err(Error::io("read", &self.path))?;
        self.next = row + 1;
        values.clear();
        self.header.element.decode(&self.bytes, values);
        Ok(())
    }
}
