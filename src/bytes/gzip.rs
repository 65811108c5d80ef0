//! Files that may be packed by gzip.

use super::open;
use crate::{Error, Result};
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The contents of a regular file, unpacked where it is a gzip file, whatever its name; and whether it is one.
///
/// Several members one after another are one text. Zeros behind the last one, as tapes and some mirrors add, are left out.
///
/// # Errors
/// Those of [`super::open`]; what is damaged is found when it is read.
pub fn unpacked(path: impl AsRef<Path>) -> Result<(Box<dyn Read>, bool)> {
    let path = path.as_ref();
    let mut file = BufReader::with_capacity(1 << 16, open(path)?);
    let zipped = file.fill_buf().map_err(Error::io("read", path))?.starts_with(&GZIP);
    Ok(if zipped { (Box::new(Members(Some(GzDecoder::new(file)))), true) } else { (Box::new(file), false) })
}

/// How each member of a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The members of a gzip file; none when all are read.
struct Members(Option<GzDecoder<BufReader<File>>>);

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let length = member.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            self.0 = match self.0.take() {
                Some(member) => next_member(member.into_inner())?,
                None => None,
            };
        }
        Ok(0)
    }
}

/// The member that begins behind zeros, if there is one.
fn next_member(mut file: BufReader<File>) -> io::Result<Option<GzDecoder<BufReader<File>>>> {
    loop {
        let bytes = file.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match bytes.get(zeros) {
            _ if bytes.is_empty() => return Ok(None),
            None => file.consume(zeros),
            Some(&first) if first == GZIP[0] => {
                file.consume(zeros);
                return Ok(Some(GzDecoder::new(file)));
            }
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "something follows that is no gzip")),
        }
    }
}
