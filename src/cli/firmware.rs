//! What a microcontroller's flash is to hold.

use std::io::Write;
use std::path::Path;
use zoometry::bytes::read;
use zoometry::kernels::Isa;
use zoometry::kernels::compact::Compact;
use zoometry::out::{OutPath, PartialFolder};
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

/// Writes `table.bin`, the weights of a row as little-endian floats `weights.bin`, and `expected.txt` with the bits of the accuracy
/// that is predicted, which is returned, to a folder.
///
/// # Errors
/// [`Error::Malformed`] for a table that is none or is for other networks, [`Error::Io`].
pub fn write(zoo: &Zoo, row: usize, table: &Path, out: &OutPath) -> Result<f32> {
    let bytes = read(table)?;
    let compact = Compact::new(&bytes)
        .map_err(|refusal| Error::malformed(table, "a table of fit --compact", refusal.to_string()))?;
    let weights = zoo.weights(row);
    let windows = zoometry::eval::compact::windows(&zoo.schema().arch)?;
    if !compact.windows().eq(windows.iter().copied()) {
        let networks = format!("a table for networks with tensors of {windows:?} weights");
        return Err(Error::unsuitable(table, networks, format!("{:?}", compact.windows().collect::<Vec<_>>())));
    }
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
