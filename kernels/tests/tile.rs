//! Images beside each other, on every ISA and for every length around a whole number of lanes.

mod common;
use common::{Numbers, isas};
use zoometry_kernels::{TILE, tile};

#[test]
fn pixels_lie_beside_each_other() {
    for isa in isas() {
        for pixels in [0, 1, 15, 16, 17, 28, 32, 784] {
            let images: Vec<Vec<f32>> = (0..TILE).map(|n| Numbers(n as u64).vec(pixels)).collect();
            let mut y = vec![[f32::NAN; TILE]; pixels];
            tile::interleave(isa, std::array::from_fn(|n| &images[n][..]), &mut y);
            for (k, y) in y.iter().enumerate() {
                let expected: [f32; TILE] = std::array::from_fn(|n| images[n][k]);
                assert_eq!(*y, expected, "pixel {k} of {pixels} on {}", isa.kind());
            }
        }
    }
}
