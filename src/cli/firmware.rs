//! Predictors for other machines: what a microcontroller's flash is to hold, and a page for browsers.

use std::io::Write;
use std::path::Path;
use zoometry::bytes::read;
use zoometry::kernels::Isa;
use zoometry::kernels::compact::Compact;
use zoometry::out::{FileKind, OutPath, PartialFolder};
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

/// Writes `table.bin`, the weights of a row as little-endian floats `weights.bin`, and `expected.txt` with the bits of the accuracy
/// that is predicted, which is returned, to a folder.
///
/// # Errors
/// [`Error::Malformed`] for a table that is none or is for other networks, [`Error::Io`].
pub fn write(zoo: &Zoo, row: usize, table: &Path, out: &OutPath) -> Result<f32> {
    let bytes = read(table)?;
    let compact = compact(zoo, table, &bytes)?;
    let weights = zoo.weights(row);
    let (mut scratch, mut columns) = (vec![0.0; compact.scratch_len()], vec![0.0; compact.columns()]);
    compact.summarize(Isa::detect(), weights, &mut scratch, &mut columns);
    let predicted = compact.predict(&columns);
    let folder = PartialFolder::new(out)?;
    let put = |name: &str, bytes: &[u8]| {
        folder.file(name, |file| file.write_all(bytes).map_err(Error::io("write", out.path().join(name))))
    };
    put("table.bin", &bytes)?;
    put("weights.bin", &weights.iter().flat_map(|weight| weight.to_le_bytes()).collect::<Vec<u8>>())?;
    put("expected.txt", format!("predicted {:08x}\n", predicted.to_bits()).as_bytes())?;
    folder.finish()?;
    Ok(predicted)
}

/// The table in the bytes of a file.
///
/// # Errors
/// [`Error::OtherKind`] where it is none, [`Error::Malformed`] where it is damaged or for other networks than the zoo's.
fn compact<'a>(zoo: &Zoo, path: &Path, bytes: &'a [u8]) -> Result<Compact<'a>> {
    let kind = FileKind::of(path);
    if kind != FileKind::Compact {
        return Err(Error::other_kind(path, "a table of fit --compact", kind));
    }
    let compact = Compact::new(bytes)
        .map_err(|refusal| Error::malformed(path, "a table of fit --compact", refusal.to_string()))?;
    let windows = zoometry::eval::compact::windows(&zoo.schema().arch)?;
    if compact.windows().eq(windows.iter().copied()) {
        return Ok(compact);
    }
    let networks = format!("a table for networks with tensors of {windows:?} weights");
    Err(Error::malformed(path, networks, format!("{:?}", compact.windows().collect::<Vec<_>>())))
}

/// Writes the page in which a browser predicts, with the module `wasm` in it; gives its size in bytes.
///
/// # Errors
/// [`Error::Malformed`] for a table that is none or is for other networks, and for a module that is none; [`Error::Io`].
#[cfg(feature = "full")]
pub fn page(zoo: &Zoo, table: &Path, wasm: &Path, out: &OutPath) -> Result<usize> {
    let (bytes, module) = (read(table)?, read(wasm)?);
    compact(zoo, table, &bytes)?;
    if !module.starts_with(b"\0asm") {
        return Err(Error::malformed(wasm, "a WebAssembly module", zoometry::magic::describe(&module)));
    }
    let page = zoometry::report::trial(zoo, &bytes, &module, "How accurate is this network?");
    zoometry::out::replace(out, |file| file.write_all(page.as_bytes()))?;
    Ok(page.len())
}
