//! Global average pooling against its definition, on every leg.

mod common;
use common::{Numbers, assert_close, legs};
use zoometry_kernels::activation::{Activation, Below};
use zoometry_kernels::reference::layout::dense;
use zoometry_kernels::{LANES, Lanes, TILE, pool, reference};

#[test]
fn both_directions_agree_with_the_definition() {
    for isa in legs() {
        for (positions, blocks) in [(1, 1), (4, 1), (9, 2), (49, 3)] {
            let mut numbers = Numbers(9);
            let x = numbers.blocks(positions * blocks);
            let mut y = vec![[Lanes::ZERO; TILE]; blocks];
            pool::forward(isa, &x, &mut y);
            let mut expected = vec![0.0; TILE * blocks * LANES];
            reference::pool::forward(positions, blocks * LANES, &dense(&x, blocks), &mut expected);
            assert_close(&dense(&y, blocks), &expected, 1e-6, "forward");

            let dy = numbers.blocks(blocks);
            let mut dx = x.clone();
            let below = Below { activation: Activation::Tanh, dropout: None, z: &[] };
            pool::backward(isa, below, &dy, &mut dx);
            let mut expected = vec![0.0; TILE * positions * blocks * LANES];
            reference::pool::backward(positions, blocks * LANES, &dense(&dy, blocks), &mut expected);
            // x stands for tanh z, so the slope is 1 − x²
            expected.iter_mut().zip(dense(&x, blocks)).for_each(|(dx, x)| *dx *= 1.0 - x * x);
            assert_close(&dense(&dx, blocks), &expected, 1e-6, "backward");
        }
    }
}
