//! Predictors for other machines: what a microcontroller's flash is to hold, and a page for browsers.

use std::io::Write;
use std::path::Path;
use zoometry::bytes::read;
use zoometry::cnn::choice::Choice;
use zoometry::features::{Input, Networks, probes};
use zoometry::kernels::activation::Activation;
use zoometry::kernels::compact::Compact;
use zoometry::kernels::{Isa, IsaKind};
use zoometry::out::{FileKind, OutPath, PartialFolder};
use zoometry::zoo::Zoo;
use zoometry::{Context, Error, Result};

/// Writes to a folder `table.bin`, the weights of a row `weights.bin` and the images of its probes `probes.bin` as little-endian
/// floats, its activation `activation.txt`, and with the bits of what is to come out `expected.txt`: the predicted accuracy, which is
/// returned, then the probes by an instruction set that does not fuse, as a microcontroller's.
///
/// # Errors
/// [`Error::Malformed`] for a table that is none or is for other networks, [`Error::Invalid`] for an activation that cannot be
/// computed, [`Error::Io`].
pub fn write(zoo: &Zoo, row: usize, table: &Path, out: &OutPath) -> Result<f32> {
    let bytes = read(table)?;
    let compact = compact(zoo, table, &bytes)?;
    let weights = zoo.weights(row);
    let (mut scratch, mut columns) = (vec![0.0; compact.scratch_len()], vec![0.0; compact.columns()]);
    compact.summarize(Isa::detect(), weights, &mut scratch, &mut columns);
    let predicted = compact.predict(&columns);
    let expected = format!("predicted {:08x}\n{}", predicted.to_bits(), probed(zoo, row)?);
    let schema = zoo.schema();
    let activation = Activation::parse(schema.name("activation", &zoo.config(zoo.network(row))))?;
    let floats = |floats: &[f32]| floats.iter().flat_map(|float| float.to_le_bytes()).collect::<Vec<u8>>();
    let folder = PartialFolder::new(out)?;
    let put = |name: &str, bytes: &[u8]| {
        folder.file(name, |file| file.write_all(bytes).map_err(Error::io("write", out.path().join(name))))
    };
    put("table.bin", &bytes)?;
    put("weights.bin", &floats(weights))?;
    put("probes.bin", &floats(&probes::images_for(&schema.arch).concat()))?;
    put("activation.txt", format!("{activation:?}\n").as_bytes())?;
    put("expected.txt", expected.as_bytes())?;
    folder.finish()?;
    Ok(predicted)
}

/// A line with name and bits for each number of a row's probes, by an instruction set that does not fuse.
fn probed(zoo: &Zoo, row: usize) -> Result<String> {
    let context = Context::new().isa(Isa::new(IsaKind::Portable).unwrap_or_default());
    let table = "probes".parse::<Input>()?.table(&context, &Networks::Zoo { zoo, rows: &[row] })?;
    let numbers = table.columns.iter().zip(table.row(0));
    Ok(numbers.map(|(name, number)| format!("{name} {:08x}\n", number.to_bits())).collect())
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
