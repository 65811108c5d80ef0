//! Puts the table, the weights and the probes of `ZOOMETRY_FIRMWARE`, a folder that `zoometry export --firmware` wrote, into the image.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=ZOOMETRY_FIRMWARE");
    println!("cargo:rerun-if-changed=memory.x");
    let variable = |name: &str| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set")));
    let (from, to) = (variable("ZOOMETRY_FIRMWARE"), variable("OUT_DIR"));
    for name in ["table.bin", "weights.bin", "probes.bin", "activation.txt"] {
        let from = from.join(name);
        println!("cargo:rerun-if-changed={}", from.display());
        std::fs::copy(&from, to.join(name)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
    let read = |name: &str| std::fs::read(to.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (table, weights) = (read("table.bin"), read("weights.bin").len() / 4);
    // the number of windows is at byte 8, their lengths begin at byte 32
    let windows = usize::from(u16::from_le_bytes([table[8], table[9]]));
    let lengths = table[32..].as_chunks::<4>().0[..windows].iter().map(|&length| u32::from_le_bytes(length));
    let largest = lengths.max().unwrap_or(0);
    // a word of our own program: the activation as the kernels name it
    let activation = String::from_utf8(read("activation.txt")).expect("a name");
    let constants = format!(
        "const WEIGHTS_LEN: usize = {weights};\nconst LARGEST_WINDOW: usize = {largest};\n\
         const ACTIVATION: Activation = Activation::{};\n",
        activation.trim()
    );
    std::fs::write(to.join("constants.rs"), constants).unwrap_or_else(|error| panic!("constants.rs: {error}"));
    let here = variable("CARGO_MANIFEST_DIR");
    println!("cargo:rustc-link-search={}", here.display());
}
