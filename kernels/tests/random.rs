//! Philox and dropout decisions, on every ISA.

mod common;
use common::isas;
use zoometry_kernels::random::{DropoutKey, Grid, dropout, philox};
use zoometry_kernels::{LANES, TILE, reference};

/// The known answers of the authors' library (Random123, `kat_vectors`).
#[test]
fn philox_gives_the_known_answers() {
    let ones = u32::MAX;
    assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
}

#[test]
fn decisions_are_those_of_the_definition() {
    let grid = |rows, columns, across| Grid { rows, columns, across };
    // whole maps, and such whose last rows and columns nothing reads: groups of eight positions reach over rows
    let grids = [
        (Grid::whole(13, 13), 1, 20_000),
        (Grid::whole(2, 2), 2, 1),
        (Grid::whole(3, 3), 3, 65_535),
        (Grid::whole(1, 1), 1, 32_768),
        (Grid::whole(1, 3), 1, 65_536),
        (grid(12, 12, 13), 1, 20_000),
        (grid(2, 3, 40), 2, 20_000),
        (grid(5, 1, 3), 1, 20_000),
        (grid(3, 2, 29), 1, 20_000),
    ];
    for isa in isas() {
        for (grid, blocks, threshold) in grids {
            let key = DropoutKey { key: [3, 5], counter: [7, 11], threshold };
            let mut kept = vec![[0u16; TILE]; grid.rows * grid.columns * blocks];
            dropout(isa, key, 24, blocks, grid, &mut kept);
            for (index, images) in kept.iter().enumerate() {
                let (position, block) = (index / blocks, index % blocks);
                let number = position / grid.columns * grid.across + position % grid.columns;
                for (n, bits) in images.iter().enumerate() {
                    for channel in block * LANES..(block + 1) * LANES {
                        let expected = reference::random::dropout(key, blocks * LANES, number, channel, 24 + n as u32);
                        let got = bits >> (channel % LANES) & 1 == 1;
                        assert_eq!(got, expected, "{grid:?} {number} {channel} {n} on {}", isa.kind());
                    }
                }
            }
        }
    }
}

#[test]
fn the_share_that_is_kept_is_the_one_asked_for() {
    for isa in isas() {
        let key = DropoutKey { key: [1, 2], counter: [0, 0], threshold: 45_875 };
        let mut kept = vec![[0u16; TILE]; 1000];
        dropout(isa, key, 0, 1, Grid::whole(25, 40), &mut kept);
        let count: u32 = kept.iter().flatten().map(|bits| bits.count_ones()).sum();
        let share = f64::from(count) / f64::from(1000 * TILE as u32 * LANES as u32);
        // six standard errors
        assert!((share - (1.0 - 45_875.0 / 65_536.0)).abs() < 0.0063, "{share}");
    }
}
