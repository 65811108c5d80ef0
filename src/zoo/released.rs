//! What import and export of released folders share: names, and the order of the rows.

use super::joined::Zoo;
use super::schema::Status;

/// The released data sets: their names there and here, and the side of their images.
pub const DATASETS: [(&str, &str, usize); 4] = [
    ("mnist", "mnist", 28),
    ("fashion_mnist", "fashion-mnist", 28),
    ("cifar10", "cifar10", 32),
    ("svhn_cropped", "svhn", 32),
];

/// The column in which our own export keeps the rest of a zoo's metadata, as JSON in the first row.
pub const KEPT: &str = "zoometry";

/// Written rows in the order of the folder: runs ascending, epochs by their names as text.
pub fn exported_rows(zoo: &Zoo) -> impl Iterator<Item = usize> + '_ {
    let epochs = &zoo.schema().checkpoints;
    let mut order: Vec<usize> = (0..epochs.len()).collect();
    order.sort_by_key(|&checkpoint| epochs[checkpoint].to_string());
    let rows = (0..zoo.schema().runs).flat_map(move |run| {
        let first = run * order.len();
        order.iter().map(|checkpoint| first + checkpoint).collect::<Vec<_>>()
    });
    rows.filter(|&row| zoo.status()[row] != Status::NotWritten)
}
