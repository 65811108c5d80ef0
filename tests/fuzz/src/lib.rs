//! What the fuzz targets share: where their files lie, and inputs of several files.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use zoometry::eval::Search;
use zoometry::par::Stop;
use zoometry::rng::Stream;
use zoometry::table::{Origin, Table};
use zoometry::zoo::Import;

/// What stands between the files of one input.
pub const BETWEEN: &[u8] = b"\n--8<--\n";

/// A folder of this process in memory, where the system has one.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("zoometry-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the inputs");
        folder
    })
}

/// Writes a file; gives its path.
pub fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("room for an input");
    path
}

/// The files of an input; those that are missing are empty.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = Some(data);
    std::array::from_fn(|number| {
        let data = rest.take().unwrap_or_default();
        let cut = data.windows(BETWEEN.len()).position(|window| window == BETWEEN).filter(|_| number + 1 < N);
        let (part, next) = cut.map_or((data, None), |cut| (&data[..cut], Some(&data[cut + BETWEEN.len()..])));
        rest = next;
        part
    })
}

/// The reverse of [`parts`].
pub fn whole(parts: &[&[u8]]) -> Vec<u8> {
    parts.join(BETWEEN)
}

/// How folders of released zoos are imported.
pub fn import_options() -> Import {
    let mut options = Import::default();
    options.image = Some((6, 6));
    options
}

/// Rows of which the target is a column.
pub fn table(rows: usize, seed: u64) -> Table {
    let mut stream = Stream::new(seed, 0, 0);
    let x: Vec<f32> = (0..rows * 2).map(|_| stream.uniform() as f32).collect();
    let y = x.chunks(2).map(|row| row[0]).collect();
    Table { columns: vec!["a".into(), "b".into()], x, y, group: (0..rows as u64).collect(), origin: Origin::default() }
}

/// A search whose journals are read.
pub fn search<'t>(train: &'t Table, validation: &'t Table) -> Search<'t> {
    Search { kind: "linear", fixed: &[], seed: 0, trials: 2, train, validation }
}

/// Nobody asks to stop.
pub fn go() -> Stop {
    Stop::new()
}
