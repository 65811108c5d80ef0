//! Predicts on a microcontroller how accurate the network in its flash is, from the weights alone, guards them, and runs the
//! network on images and on probes.
//!
//! Prints lines of `name value …` over semihosting, which `tests/targets.sh` compares with what the desktop says.

#![no_std]
#![no_main]

mod guard;
mod measure;
mod network;
mod probes;

use bytemuck::cast_slice;
use core::hint::black_box;
use cortex_m::singleton;
use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use guard::Guard;
use measure::Measure;
use network::{PIXELS, Plain, SIDES, Tile};
use panic_semihosting as _;
use zoometry_kernels::activation::Activation;
use zoometry_kernels::compact::{Compact, MAX_COLUMNS};
use zoometry_kernels::probes::Name;
use zoometry_kernels::quantile::scratch_len;
use zoometry_kernels::{Isa, TILE};

/// Bytes in flash at an address that floats may have.
#[repr(align(4))]
struct Aligned<T: ?Sized>(T);

static TABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/table.bin"));
static WEIGHTS: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/weights.bin")));
static IMAGES: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/probes.bin")));

// lengths, and the network's ACTIVATION
include!(concat!(env!("OUT_DIR"), "/constants.rs"));
const SCRATCH: usize = scratch_len(LARGEST_WINDOW);

#[entry]
fn main() -> ! {
    let mut measure = Measure::start();
    let isa = Isa::detect();
    // hidden from the compiler, which would otherwise work a part out by itself
    let Ok(table) = Compact::new(black_box(TABLE)) else { panic!("no table") };
    let flash: &[f32] = cast_slice(black_box(&WEIGHTS.0));
    hprintln!("table {} bytes, {} trees, {} columns", TABLE.len(), table.trees(), table.columns());
    hprintln!("checked {} instructions", measure.lap());

    let scratch = singleton!(: [f32; SCRATCH] = [0.0; SCRATCH]).expect("taken once");
    let mut columns = [0.0; MAX_COLUMNS];
    let columns = &mut columns[..table.columns()];
    table.summarize(isa, flash, scratch, columns);
    hprintln!("summarized {} instructions", measure.lap());
    let predicted = table.predict(columns);
    hprintln!("walked {} instructions", measure.lap());
    hprintln!("predicted {:08x}", predicted.to_bits());
    hprintln!("accuracy {:.4} +- {:.4}", predicted, table.reach().unwrap_or(f32::NAN));
    hprintln!("ram {} bytes of scratch, {} of stack", 4 * SCRATCH, measure.stack());

    // the same network in RAM, where bits flip
    let weights = singleton!(: [f32; WEIGHTS_LEN] = [0.0; WEIGHTS_LEN]).expect("taken once");
    weights.copy_from_slice(flash);
    let guard = Guard::new(&table, weights, predicted);
    hprintln!("guard {}", guard.check(isa, weights, scratch, columns));
    for (weight, bit) in [(7, 0), (100, 22), (3000, 30)] {
        weights[weight] = f32::from_bits(weights[weight].to_bits() ^ 1 << bit);
        hprintln!("guard {} (bit {} of weight {})", guard.check(isa, weights, scratch, columns), bit, weight);
        weights[weight] = flash[weight];
    }
    hprintln!("guard {}", guard.check(isa, weights, scratch, columns));
    if flash.len() == network::WEIGHTS {
        let plain = singleton!(: Plain = Plain::EMPTY).expect("taken once");
        forward(isa, flash, plain, &mut measure);
        probe(isa, flash, plain, &mut measure);
    }
    debug::exit(debug::EXIT_SUCCESS);
    unreachable!("QEMU has ended")
}

/// Runs the network on twelve images in both ways; on a stack of its own, so that its variables do not count before.
#[inline(never)]
fn forward(isa: Isa, flash: &[f32], plain: &mut Plain, measure: &mut Measure) {
    let images = singleton!(: [[f32; PIXELS]; TILE] = [[0.0; PIXELS]; TILE]).expect("taken once");
    network::fill(images);
    let tile = singleton!(: Tile = Tile::EMPTY).expect("taken once");
    tile.load(flash);
    measure.lap();
    let logits = tile.run(isa, ACTIVATION, core::array::from_fn(|n| &images[n][..]));
    hprintln!("kernels {} instructions an image", measure.lap() / TILE as u64);
    let mut same = true;
    for (image, expected) in images.iter().zip(logits) {
        let (_, got) = plain.run(isa, ACTIVATION, flash, SIDES, image);
        same &= got.iter().zip(&expected.0).all(|(got, expected)| got.to_bits() == expected.to_bits());
    }
    hprintln!("plain {} instructions an image", measure.lap() / TILE as u64);
    hprintln!("logits {}", if same { "same" } else { "differ" });
    hprintln!("ram {} bytes for the kernels' tile, {} for the plain loops", size_of::<Tile>(), size_of::<Plain>());
}

/// Runs the network on the probes in flash and prints the bits of each number.
#[inline(never)]
fn probe(isa: Isa, flash: &[f32], plain: &mut Plain, measure: &mut Measure) {
    let bench = singleton!(: probes::Bench = probes::Bench::EMPTY).expect("taken once");
    measure.paint();
    measure.lap();
    let numbers = bench.run(isa, ACTIVATION, flash, cast_slice(black_box(&IMAGES.0)), plain);
    hprintln!("probed {} instructions", measure.lap());
    let beside = size_of::<probes::Bench>();
    hprintln!("ram {} bytes for the probes beside the plain loops, {} of stack", beside, measure.stack());
    for (column, number) in numbers.iter().enumerate() {
        hprintln!("{} {:08x}", Name(column), number.to_bits());
    }
}
